"""Requests about sessions and their events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from ...actors.loop import Cause
from ...actors.session_rows import LOCAL_ENVIRONMENT, NewSession
from ...core.errors import BadRequest
from ...core.parsing import parse
from ...core.session import ConfirmationIn, InterruptIn, Item, MessageIn
from ...wire.codec import digest, encode
from ...wire.events import TextBlock
from ...wire.ids import EventId
from ...wire.limits import MESSAGE_TTL_S
from .fields import ExpiresIn, Metadata, Word


class AgentRef(Struct, frozen=True, kw_only=True):
    """An agent by id and, if wanted, version."""

    type: Literal["agent"] = "agent"
    id: Word
    version: int | None = None


class CreateSession(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions``."""

    agent: Word | AgentRef
    environment_id: Word | None = None
    title: Annotated[str, Meta(max_length=512)] | None = None
    metadata: Metadata | None = None
    initial_events: Annotated[tuple[Raw, ...], Meta(max_length=50)] = ()
    expires_in: ExpiresIn = MESSAGE_TTL_S
    resources: Any = None
    vault_ids: Any = None
    budget: Any = None

    def wanted(self) -> NewSession:
        """The session that is asked for.

        Raises:
            BadRequest: ``unsupported_field``, ``unsupported_event``, ``bad_request``, ``bad_text``.
        """
        for name in ("resources", "vault_ids", "budget"):
            if getattr(self, name):
                raise BadRequest("unsupported_field", f"{name} is not supported.", field=name)
        items = _items(self.initial_events, "initial_events")
        for index, item in enumerate(items):
            if not isinstance(item, MessageIn):
                where = f"initial_events[{index}].type"
                raise BadRequest("unsupported_event", "A session begins with user.message only.", field=where)
        ref = AgentRef(id=self.agent) if isinstance(self.agent, str) else self.agent
        return NewSession(
            agent_id=ref.id,
            agent_version=ref.version,
            environment_id=self.environment_id or LOCAL_ENVIRONMENT,
            title=self.title,
            metadata=self.metadata or {},
            items=items,
            expires_in_s=self.expires_in,
        )


class _Tag(Struct, frozen=True):
    type: str


class _Text(TextBlock, frozen=True, tag_field="type", tag="text"):
    text: Annotated[str, Meta(min_length=1)]


class _Message(Struct, frozen=True):
    content: Annotated[str, Meta(min_length=1)] | Annotated[tuple[_Text, ...], Meta(min_length=1, max_length=200)]


class _Confirmation(Struct, frozen=True):
    tool_use_id: Word
    result: Literal["allow", "deny"]
    deny_message: Annotated[str, Meta(max_length=4096)] | None = None


class PostEvents(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions/{id}/events``; ``expires_in`` seconds is how long the messages may wait for their machine."""

    events: Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=50)]
    expires_in: ExpiresIn = MESSAGE_TTL_S

    def items(self) -> tuple[Item, ...]:
        """What is posted. Raises BadRequest ``unsupported_event``, ``bad_request``, ``bad_text``."""
        return _items(self.events, "events")


def _items(raws: tuple[Raw, ...], where: str) -> tuple[Item, ...]:
    return tuple(_item(bytes(raw), f"{where}[{index}]") for index, raw in enumerate(raws))


def _item(raw: bytes, where: str) -> Item:
    kind = parse(raw, _Tag, at=where).type
    match kind:
        case "user.message":
            content = parse(raw, _Message, at=where).content
            texts = (content,) if isinstance(content, str) else tuple(block.text for block in content)
            return MessageIn(tuple(TextBlock(text) for text in texts))
        case "user.interrupt":
            return InterruptIn()
        case "user.tool_confirmation":
            said = parse(raw, _Confirmation, at=where)
            return ConfirmationIn(EventId(said.tool_use_id), said.result, said.deny_message)
        case _:
            why = f"{kind[:64]!r} can't be sent; user.message, user.interrupt and user.tool_confirmation can."
            raise BadRequest("unsupported_event", why, field=f"{where}.type")


class PostHeaders(Struct, frozen=True, kw_only=True):
    """Headers of ``POST …/events``."""

    idempotency_key: Annotated[str, Meta(pattern=r"^[ -~]{1,255}$")] | None = field(
        name="idempotency-key", default=None
    )

    def cause(self, body: PostEvents) -> Cause | None:
        """Why the record is written, so that the same request is recognised; None without a key."""
        return Cause(self.idempotency_key, digest(encode(body))) if self.idempotency_key else None


class EventsQuery(Struct, frozen=True, kw_only=True):
    """``GET …/events``: a page of a session's events. A page may hold fewer of ``types`` than its limit, and go on."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    page: str | None = None
    after: str | None = None
    order: Literal["asc", "desc"] = "asc"
    types: tuple[str, ...] = ()
    include: tuple[Literal["mooring"], ...] = ()

    def wanted(self, events: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        """Those of a page's events that ``types`` asks for."""
        return tuple(one for one in events if not self.types or one["type"] in self.types)


class StreamHeaders(Struct, frozen=True, kw_only=True):
    """Headers of ``GET …/events/stream``."""

    last_event_id: str | None = field(name="last-event-id", default=None)
