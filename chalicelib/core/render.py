"""Rendering: a session's records as the events that readers see, in the API's shape.

A message that waited stands in the log twice: where it was accepted, and where its turn started. A live reader sees
both, first with ``processed_at`` null; whoever reads later sees it once, at the place where the agent lived it. That is
why a reader of the past hands in what is still ``waiting`` at the head.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from ..wire.codec import encode
from ..wire.events import API_TYPES, AgentToolUse, Event, MessagePlaced, Opaque, SessionUpdated, Spilled, UserMessage
from ..wire.frames import RecordFrame
from ..wire.ids import SessionId
from ..wire.limits import MAX_DOWN_BYTES
from .record import Head, SessionRecord
from .session_state import SessionState

_FRAME_ROOM = 512
"""Bytes of a ``record`` frame that are not its events."""

_CURSOR = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?")

_HIDDEN = ("expires_at", "accepted_n")
"""Fields of ours that say nothing to a reader."""


class Shown(Struct, frozen=True):
    """One event for a reader: the cursor after it, and its JSON object."""

    cursor: str
    event: dict[str, Any]


def rfc3339(at: float) -> str:
    """Epoch seconds as the API writes times."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_cursor(cursor: str) -> tuple[int, int] | None:
    """``"n.i"`` (after event ``i`` of record ``n``, counted from 1) or ``"n"`` (after the whole record) as ``(n, i)``.

    Returns:
        The pair, with -1 for a whole record, or None when it is no cursor.
    """
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        return None
    return int(found[1]), (int(found[2]) if found[2] else -1)


def still_waiting(head: Head[SessionState], page: Sequence[SessionRecord]) -> set[int]:
    """The records of a page whose messages are shown as waiting: those that wait at the head, or came after it."""
    return {one.n for one in head.state.waiting} | {record.n for record in page if record.n > head.n}


def place_of(one: Shown) -> tuple[int, int]:
    """A shown event's cursor as a pair that sorts."""
    place = parse_cursor(one.cursor)
    assert place is not None, one.cursor
    return place


def shown(
    record: SessionRecord,
    accepted: Callable[[int], SessionRecord],
    *,
    ours: bool,
    types: Collection[str] = (),
    still_waiting: Collection[int] | None = None,
    whole: Callable[[Event], Event] | None = None,
) -> list[Shown]:
    """A record's events as a reader sees them.

    Args:
        record: the record.
        accepted: gives the record in which a message now placed was accepted.
        ours: whether ``mooring.*`` events are wanted too.
        types: the types that are wanted; empty = all.
        still_waiting: for a reader of the past, the numbers of records whose messages wait at the head; None when live.
        whole: fetches an event that was put aside, or gives it back as it is when there is nothing to fetch. Such an
            event, and every one with None, is shown as a stub with ``"truncated": true``.
    """
    waited = any(one.n == record.n for one in record.state.waiting)
    found: list[Shown] = []
    for index, event in enumerate(record.events):
        kind = _kind(event)
        at: float | None = record.at
        if kind == "user.message" and not isinstance(event, MessagePlaced) and waited:
            if still_waiting is not None and record.n not in still_waiting:
                continue
            at = None
        if (kind not in API_TYPES and not ours) or (types and kind not in types):
            continue
        body = _body(event, accepted, whole)
        found.append(
            Shown(f"{record.n}.{index + 1}", {**body, "processed_at": rfc3339(at) if at is not None else None})
        )
    return found


def split_frames(session_id: SessionId, n: int, events: Sequence[Shown]) -> Iterator[RecordFrame]:
    """The ``record`` frames that carry a record's events, each within ``MAX_DOWN_BYTES``; at least one."""
    groups: list[list[dict[str, Any]]] = [[]]
    room = MAX_DOWN_BYTES - _FRAME_ROOM
    left = room
    for one in events:
        item = {"cursor": one.cursor, "event": one.event}
        size = len(msgspec.json.encode(item)) + 1
        if size > room:
            item = {"cursor": one.cursor, "event": _stub(one.event)}
            size = len(msgspec.json.encode(item)) + 1
        if size > left:
            groups.append([])
            left = room
        groups[-1].append(item)
        left -= size
    for part, group in enumerate(groups, 1):
        yield RecordFrame(session_id=session_id, n=n, events=tuple(group), part=part, parts=len(groups))


def _kind(event: Event) -> str:
    if isinstance(event, MessagePlaced):
        return "user.message"
    if isinstance(event, Spilled | Opaque):
        return event.of
    return str(event.__struct_config__.tag)


def _body(
    event: Event, accepted: Callable[[int], SessionRecord], whole: Callable[[Event], Event] | None
) -> dict[str, Any]:
    if isinstance(event, MessagePlaced):
        holder = accepted(event.accepted_n)
        event = next(one for one in holder.events if one.id == event.id and isinstance(one, UserMessage | Spilled))
    if isinstance(event, Spilled) and whole is not None:
        event = whole(event)
    if isinstance(event, Spilled):
        return _stub({"type": event.of, "id": event.id, "turn_id": event.turn_id, "n_bytes": event.n_bytes})
    if isinstance(event, Opaque):
        opaque: dict[str, Any] = msgspec.json.decode(event.body)
        return opaque
    body: dict[str, Any] = msgspec.json.decode(encode(event))
    hidden: Collection[str] = _HIDDEN
    if isinstance(event, AgentToolUse):
        # SDKs read a value that is left out as none at all.
        body["evaluated_permission"] = event.evaluated_permission
    if isinstance(event, SessionUpdated):
        hidden = {"title", "metadata"}.difference(event.changed)
    return {name: value for name, value in body.items() if name not in hidden}


def _stub(event: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: event[name] for name in ("type", "id", "turn_id", "n_bytes", "processed_at") if event.get(name)
    }
    return {**kept, "truncated": True}
