"""Requests about sessions and their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from ...actors.environments import LOCAL_ENVIRONMENT
from ...actors.loop import Cause
from ...actors.session_rows import NewSession
from ...core.access import SessionAsker
from ...core.catalog import SessionStatus
from ...core.content import MessageGiven
from ...core.details import DetailsPatch
from ...core.errors import BadRequest
from ...core.parsing import parse
from ...core.repeats import Try
from ...core.session_cues import ConfirmationIn, InterruptIn, Item, MessageIn
from ...core.session_list import SessionFilter
from ...core.span import Span
from ...wire.codec import digest, encode
from ...wire.ids import EventId
from ...wire.limits import MAX_POST_BYTES, MESSAGE_TTL_S
from .agents import AgentRef
from .content import MessageContent, check_size, message_of
from .fields import ExpiresIn, ListQuery, Metadata, MetadataPatch, Moment, Word

Title = Annotated[str, Meta(max_length=512)]

_CAN_NOT: Final[Mapping[str, str]] = {
    "system.message": "ACP has no word for a system message within a session; the agent's system prompt is the place.",
    "user.custom_tool_result": "An ACP agent calls no custom tools; give it an MCP server.",
    "user.tool_result": "The agent's tools run on its laptop, and give their results there.",
    "user.define_outcome": "Nothing here grades what an agent has done; say in a user.message what is wanted.",
}
"""Events that other planes take, and why this one can't."""


class CreateSession(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions``; ``expires_in`` seconds is how long the first messages may wait for their machine."""

    agent: Word | AgentRef
    environment_id: Word | None = None
    title: Title | None = None
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
        _refuse(self, "resources", "vault_ids", "budget")
        items = _items(self.initial_events, "initial_events")
        for index, item in enumerate(items):
            if not isinstance(item, MessageIn | MessageGiven):
                where = f"initial_events[{index}].type"
                raise BadRequest("unsupported_event", "A session begins with user.message only.", field=where)
        ref = AgentRef(id=self.agent) if isinstance(self.agent, str) else self.agent
        return NewSession(
            agent=ref.wanted("agent"),
            environment_id=self.environment_id or LOCAL_ENVIRONMENT,
            title=self.title or None,
            metadata=self.metadata or {},
            items=items,
            expires_in_s=self.expires_in,
        )


class UpdateSession(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions/{id}``: what is left out stays, null clears; a pair of the metadata goes by null."""

    title: Title | None | UnsetType = UNSET
    metadata: MetadataPatch | None | UnsetType = UNSET
    agent: Any = None
    vault_ids: Any = None
    budget: Any = None

    def wanted(self) -> DetailsPatch:
        """The change that is asked for. Raises BadRequest ``unsupported_field``."""
        _refuse(self, "agent", "vault_ids", "budget")
        return DetailsPatch(title=self.title, metadata=self.metadata)


def _refuse(body: Struct, *names: str) -> None:
    for name in names:
        if getattr(body, name):
            raise BadRequest("unsupported_field", f"{name} is not supported.", field=name)


class _Tag(Struct, frozen=True):
    type: str


class _Message(Struct, frozen=True):
    content: MessageContent


class _Interrupt(Struct, frozen=True):
    session_thread_id: str | None = None


class _Confirmation(Struct, frozen=True):
    tool_use_id: Word
    result: Literal["allow", "deny"]
    deny_message: Annotated[str, Meta(max_length=4096)] | None = None


class PostEvents(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions/{id}/events``; ``expires_in`` seconds is how long the messages may wait for their machine."""

    events: Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=50)]
    expires_in: ExpiresIn = MESSAGE_TTL_S

    def items(self) -> tuple[Item | MessageGiven, ...]:
        """What is posted. Raises BadRequest ``unsupported_event``, ``bad_request``, ``bad_text``."""
        return _items(self.events, "events")


def _items(raws: tuple[Raw, ...], where: str) -> tuple[Item | MessageGiven, ...]:
    items = tuple(_item(bytes(raw), f"{where}[{index}]") for index, raw in enumerate(raws))
    check_size(items)
    return items


def _item(raw: bytes, where: str) -> Item | MessageGiven:
    kind = parse(raw, _Tag, at=where, max_bytes=MAX_POST_BYTES).type
    match kind:
        case "user.message":
            content = parse(raw, _Message, at=where, max_bytes=MAX_POST_BYTES).content
            return message_of(content, f"{where}.content")
        case "user.interrupt":
            if parse(raw, _Interrupt, at=where).session_thread_id:
                why = "A session here is one thread; leave session_thread_id out to interrupt it."
                raise BadRequest("unsupported_field", why, field=f"{where}.session_thread_id")
            return InterruptIn()
        case "user.tool_confirmation":
            said = parse(raw, _Confirmation, at=where)
            return ConfirmationIn(EventId(said.tool_use_id), said.result, said.deny_message)
        case _:
            known = "user.message, user.interrupt and user.tool_confirmation can."
            why = f"{kind[:64]!r} can't be sent: {_CAN_NOT.get(kind, known)}"
            raise BadRequest("unsupported_event", why, field=f"{where}.type")


class PostHeaders(Struct, frozen=True, kw_only=True):
    """Headers of ``POST /v1/sessions`` and ``POST …/events``: by what a request is known when it comes again."""

    idempotency_key: Annotated[str, Meta(pattern=r"^[ -~]{1,255}$")] | None = field(
        name="idempotency-key", default=None
    )
    retry_count: Annotated[int, Meta(ge=0, le=1000)] | None = field(name="x-stainless-retry-count", default=None)

    def cause(self, body: CreateSession | PostEvents) -> Cause | None:
        """The key and what was asked for under it; None without a key."""
        return Cause(self.idempotency_key, digest(encode(body))) if self.idempotency_key else None

    def attempt(self, asking: SessionAsker, body: CreateSession | PostEvents, at_ms: int) -> Try | None:
        """Which try of an SDK's this is; None for whoever does not say, or brings a key. ``at_ms`` is epoch ms."""
        if self.retry_count is None or self.idempotency_key:
            return None
        return Try(digest(asking.shown_id.encode() + b"\n" + encode(body))[:16], self.retry_count, at_ms)


class SessionsQuery(ListQuery, frozen=True, kw_only=True):
    """``GET /v1/sessions``."""

    order: Literal["asc", "desc"] = "desc"
    agent_id: str | None = None
    agent_version: int | None = None
    statuses: tuple[SessionStatus, ...] = ()
    deployment_id: str | None = None
    memory_store_id: str | None = None
    after: Moment | None = field(name="created_at[gt]", default=None)
    since: Moment | None = field(name="created_at[gte]", default=None)
    before: Moment | None = field(name="created_at[lt]", default=None)
    until: Moment | None = field(name="created_at[lte]", default=None)

    def wanted(self) -> SessionFilter:
        """Which sessions are asked for."""
        return SessionFilter(
            agent_id=self.agent_id,
            agent_version=self.agent_version,
            statuses=self.statuses,
            created=Span(after=self.after, since=self.since, before=self.before, until=self.until),
            include_archived=self.include_archived,
            is_nothing=bool(self.deployment_id or self.memory_store_id),
        )


class EventsQuery(Struct, frozen=True, kw_only=True):
    """``GET …/events``: a page of a session's events."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    page: str | None = None
    after: str | None = None
    order: Literal["asc", "desc"] = "asc"
    types: tuple[str, ...] = ()
    include: tuple[Literal["mooring"], ...] = ()
    later: Moment | None = field(name="created_at[gt]", default=None)
    since: Moment | None = field(name="created_at[gte]", default=None)
    before: Moment | None = field(name="created_at[lt]", default=None)
    until: Moment | None = field(name="created_at[lte]", default=None)

    def created(self) -> Span:
        """When the events that are asked for were processed."""
        return Span(after=self.later, since=self.since, before=self.before, until=self.until)


class StreamHeaders(Struct, frozen=True, kw_only=True):
    """Headers of ``GET …/events/stream``."""

    last_event_id: str | None = field(name="last-event-id", default=None)
