"""Server-sent events: what a reader of a stream may wish for, and how one frame is written.

The SDKs drop a frame without an ``event:`` line, and a browser resumes from the last ``id:`` it saw. So every event has
the first, and only whole events have the second: a delta is never a place to go on from.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from .errors import BadRequest
from .render import parse_cursor

HEARTBEAT_S = 15.0
"""A stream is never silent for longer (seconds): proxies and API Gateway's edge cut one after 30 s."""

_DELTA_TYPES = frozenset({"agent.message", "agent.thinking"})


class Wish(Struct, frozen=True):
    """How somebody wants to follow a session.

    Attributes:
        after: cursor to go on from; None = live from now, ``"0"`` = everything.
        ours: whether ``mooring.*`` events are wanted too.
        deltas: whether pieces of unfinished messages are wanted.
    """

    after: str | None = None
    ours: bool = False
    deltas: bool = False


def many(query: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """All values of a query parameter, given as ``name=a&name=b``, ``name[]=a`` or ``name=a,b``."""
    given = [*query.get(name, ()), *query.get(f"{name}[]", ())]
    return tuple(part for value in given for part in value.split(",") if part)


def wants_ours(query: Mapping[str, Sequence[str]]) -> bool:
    """Whether ``include=mooring`` was asked for. Raises BadRequest for anything else to include."""
    values = many(query, "include")
    if not set(values) <= {"mooring"}:
        raise BadRequest("bad_request", "Only 'mooring' can be included.", field="include")
    return bool(values)


def wish_of(query: Mapping[str, Sequence[str]], last_event_id: str | None) -> Wish:
    """What the query and ``Last-Event-ID`` ask for; the header wins, since a browser reconnects with its first query.

    Raises:
        BadRequest: ``bad_cursor``, or ``bad_request`` for an unknown ``event_deltas`` or ``include``.
    """
    after = last_event_id or next(iter(query.get("after", ())), None) or None
    if after is not None and parse_cursor(after) is None:
        raise BadRequest("bad_cursor", f"{after[:64]!r} is no cursor; use an event's id: line, or 0.", field="after")
    deltas = many(query, "event_deltas")
    if not set(deltas) <= _DELTA_TYPES:
        raise BadRequest("bad_request", f"Deltas exist for {sorted(_DELTA_TYPES)} only.", field="event_deltas")
    return Wish(after, wants_ours(query), bool(deltas))


def frame(body: Mapping[str, Any], cursor: str | None = None) -> bytes:
    """One event; its ``type`` is the ``event:`` line."""
    place = f"id: {cursor}\n" if cursor is not None else ""
    return f"{place}event: {body['type']}\ndata: ".encode() + msgspec.json.encode(body) + b"\n\n"


def comment(text: str) -> bytes:
    """A line that readers skip: it opens the stream, and keeps it open."""
    return f": {text}\n\n".encode()


def retry(ms: int) -> bytes:
    """Tells a browser how long to wait before it reconnects (milliseconds)."""
    return f"retry: {ms}\n\n".encode()


def place(cursor: str) -> bytes:
    """Moves a reader's place without an event: what comes after a page that had none still starts here."""
    return f"id: {cursor}\n\n".encode()
