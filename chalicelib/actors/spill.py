"""Events too large for a record: put aside before the record is written, fetched when somebody reads them whole."""

from __future__ import annotations

import msgspec

from ..core.errors import NotFound
from ..wire.codec import BadFrame, decode_stored_event, decode_upload, digest, encode
from ..wire.events import Event, Opaque, Spilled
from ..wire.ids import SessionId, TenantId
from ..wire.limits import MAX_INLINE_BYTES
from .ports import Bodies

_STUB_BYTES = 512
"""More than what stands in a record for an event put aside: putting aside a smaller one would gain nothing."""


class Spill:
    """Puts events aside, and gives them back."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def put_aside(self, tenant_id: TenantId, session_id: SessionId, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The events as the record keeps them: the largest ones are put aside until the rest fits ``MAX_INLINE_BYTES``.

        Writing a body twice is harmless, so that a lost race for the record leaves no trouble behind.
        """
        sizes = [len(encode(event)) for event in events]
        total = sum(sizes)
        if total <= MAX_INLINE_BYTES:
            return events
        kept: list[Event] = list(events)
        for index in sorted(range(len(events)), key=lambda i: -sizes[i]):
            if total <= MAX_INLINE_BYTES or sizes[index] <= _STUB_BYTES or isinstance(kept[index], Spilled):
                break
            kept[index] = self._aside(tenant_id, session_id, events[index])
            total -= sizes[index] - len(encode(kept[index]))
        return tuple(kept)

    def whole(self, tenant_id: TenantId, session_id: SessionId, event: Event) -> Event:
        """The event itself, fetched if it was put aside.

        Raises:
            NotFound: ``body_not_found``: the daemon referred to a body that it never uploaded.
        """
        if not isinstance(event, Spilled):
            return event
        body = self._bodies.get(tenant_id, session_id, event.sha256)
        found = _read(body) if body is not None else None
        if found is None or (found.id, _kind(found)) != (event.id, event.of):
            raise NotFound("body_not_found", f"The content of event {event.id} is not here.")
        return found

    def _aside(self, tenant_id: TenantId, session_id: SessionId, event: Event) -> Spilled:
        body = encode(event)
        sha256 = digest(body)
        self._bodies.put(tenant_id, session_id, sha256, body)
        return Spilled(
            id=event.id,
            of=_kind(event),
            n_bytes=len(body),
            sha256=sha256,
            turn_id=getattr(event, "turn_id", None),
        )


def _kind(event: Event) -> str:
    return event.of if isinstance(event, Opaque) else str(event.__struct_config__.tag)


def _read(body: bytes) -> Event | None:
    """A body's event. What a newer daemon uploaded is kept as it came; None when it is no event at all."""
    try:
        return decode_stored_event(body)
    except (msgspec.MsgspecError, UnicodeError):
        newer = decode_upload(body)
        return None if isinstance(newer, BadFrame) else newer
