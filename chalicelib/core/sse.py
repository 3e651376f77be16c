"""Server-sent events: what a reader of a stream may wish for, and how one frame is written.

The SDKs drop a frame without an ``event:`` line, and a browser resumes from the last ``id:`` it saw. So every event has
the first, and only whole events have the second: a delta is never a place to go on from.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .errors import BadRequest
from .parsing import parse_query
from .render import parse_cursor

DeltaType = Literal["agent.message", "agent.thinking"]

HEARTBEAT_S = 15.0
"""A stream is never silent for longer (seconds): proxies and API Gateway's edge cut one after 30 s."""


class Wish(Struct, frozen=True):
    """How somebody wants to follow a session.

    Attributes:
        after: cursor to go on from; None = live from now, ``"0"`` = everything.
        ours: whether ``mooring.*`` events are wanted too.
        deltas: of which types of unfinished events pieces are wanted.
    """

    after: str | None = None
    ours: bool = False
    deltas: tuple[DeltaType, ...] = ()


class StreamQuery(Struct, frozen=True, kw_only=True):
    """``GET …/events/stream``: the cursor to go on from, what to include, and of what to send pieces."""

    after: str | None = None
    include: tuple[Literal["mooring"], ...] = ()
    event_deltas: tuple[DeltaType, ...] = ()

    def wish(self, last_event_id: str | None) -> Wish:
        """The wish; ``Last-Event-ID`` wins, since a browser reconnects with its first query.

        Raises:
            BadRequest: ``bad_cursor``.
        """
        after = last_event_id or self.after
        if after is not None and parse_cursor(after) is None:
            raise BadRequest(
                "bad_cursor", f"{after[:64]!r} is no cursor; use an event's id: line, or 0.", field="after"
            )
        return Wish(after, bool(self.include), self.event_deltas)


def wish_of(query: Mapping[str, Sequence[str]], last_event_id: str | None) -> Wish:
    """What the query and ``Last-Event-ID`` ask for. Raises as ``StreamQuery.wish`` and ``parse_query`` do."""
    return parse_query(query, StreamQuery).wish(last_event_id)


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
