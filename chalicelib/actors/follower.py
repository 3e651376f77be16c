"""The follower: a reader that polls a session's log and its live pieces, as an SSE stream does.

It attaches before it reads, as every viewer does, so that the daemon knows that somebody watches, and tells each thing
once: whole events by their cursor, texts still being written by how far they were told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal

from msgspec import Struct

from ..core.catalog import Attachment
from ..core.record import Head, SessionRecord, open_session
from ..core.render import Shown, place_of, still_waiting
from ..wire.ids import ReaderId, SessionId, TenantId, TurnId
from .ports import Stores, session_key
from .sessions import SessionObjects

PAGE_RECORDS = 100
"""Records read by one poll; a reader further behind catches up by the next ones."""

ATTACHED_S = 60.0
"""How long a polling reader's attachment lives without being renewed (seconds)."""

LOOK_BACK = 16
"""Live pieces read again by the next poll: one that was overtaken is found as long as no more than these passed it."""


class Out(Struct, frozen=True):
    """One thing for a polling reader: a whole event with its cursor, the start of one still being written, or a piece.

    ``body`` is the JSON object to send: the event itself, ``event_start`` or ``event_delta`` in the API's shape.
    """

    kind: Literal["event", "delta_start", "delta"]
    cursor: str | None
    body: dict[str, Any]


class Follower:
    """One reader that polls.

    Args:
        stores, sessions: the log, the live pieces, the attachments.
        show: a record's events as this reader sees them, given what still waits at the head.
        tenant_id, session_id: the session.
        place: where to begin, as ``parse_cursor`` gives it; None = live from now.
        deltas: the types of events of which it wants to know that they are being written.
        texts: those of them of which it wants the text too.

    Attributes:
        ended: the session is archived or deleted; nothing more comes.
        idle_s: how long to wait before the next poll (seconds): short while a turn runs, longer when nothing moves.
    """

    def __init__(
        self,
        stores: Stores,
        sessions: SessionObjects,
        show: Callable[[SessionRecord, set[int]], list[Shown]],
        tenant_id: TenantId,
        session_id: SessionId,
        place: tuple[int, int] | None,
        deltas: Collection[str],
        texts: Collection[str],
    ) -> None:
        self._stores, self._sessions, self._show = stores, sessions, show
        self._tenant_id, self._session_id = tenant_id, session_id
        self._deltas, self._texts = frozenset(deltas), frozenset(texts)
        self._reader_id = ReaderId(f"sse_{stores.clock.token(12)}")
        self._renew_at = 0.0
        self._attach()
        head = sessions.head(tenant_id, session_id)
        n, index = place or (head.n, -1)
        self._cursor, self._skip = (n, 0) if index < 0 else (max(n - 1, 0), index)
        self._head = head
        self._waiting: set[int] = set()
        self._whole: set[str] = set()
        self._written: dict[str, int] = {}
        self._live_turn: TurnId | None = None
        self._live_at = (0, 0)
        self._quiet_polls = 0
        self.ended = False
        if self._deltas:
            sessions.tell_watch(tenant_id, session_id)

    @property
    def cursor(self) -> int:
        """The number of the newest record read."""
        return self._cursor

    @property
    def idle_s(self) -> float:
        """How long to wait before the next poll (seconds)."""
        if self._head.state.turn:
            return 0.1
        return 0.25 if self._quiet_polls < 120 else 1.0

    def poll(self) -> list[Out]:
        """What has come since the last poll, in order."""
        self._attach()
        out = [one for record in self._new_records() for one in self._events(record)]
        self.ended = self._head.state.is_over and self._cursor >= self._head.n
        if self._deltas and self._cursor >= self._head.n:
            out += self._pieces()
        self._quiet_polls = 0 if out else self._quiet_polls + 1
        return out

    def close(self) -> None:
        """Follows no longer."""
        self._sessions.drop_follower(self._session_id, self._reader_id)
        if self._deltas and not self.ended and not self._sessions.followers(self._session_id)[0]:
            self._sessions.tell_watch(self._tenant_id, self._session_id)

    def _attach(self) -> None:
        now = self._stores.clock.now()
        if now >= self._renew_at:
            self._renew_at = now + ATTACHED_S / 2
            self._stores.attachments.put(
                Attachment(
                    session_id=self._session_id,
                    reader_id=self._reader_id,
                    expires_at=now + ATTACHED_S,
                    deltas=bool(self._deltas),
                )
            )

    def _new_records(self) -> list[SessionRecord]:
        key = session_key(self._tenant_id, self._session_id)
        page = [open_session(one.body) for one in self._stores.objects.read(key, self._cursor, PAGE_RECORDS)]
        if page:
            self._cursor = page[-1].n
            if page[-1].n > self._head.n:
                self._head = Head(page[-1].n, "", page[-1].at, page[-1].state)
            self._waiting = still_waiting(self._head, page)
        return page

    def _events(self, record: SessionRecord) -> list[Out]:
        skip, self._skip = self._skip, 0
        found = []
        for one in self._show(record, self._waiting):
            if place_of(one)[1] <= skip:
                continue
            self._whole.add(one.event["id"])
            self._written.pop(one.event["id"], None)
            found.append(Out("event", one.cursor, one.event))
        return found

    def _pieces(self) -> list[Out]:
        turn = self._head.state.turn
        if turn is None:
            return []
        if turn.turn_id != self._live_turn:
            self._live_turn, self._live_at = turn.turn_id, (0, 0)
        epoch, counter = self._live_at
        start = max((epoch, counter - LOOK_BACK), turn.live_from)
        found: list[Out] = []
        gap = False
        for piece in self._stores.live.read(self._tenant_id, turn.turn_id, start, self._stores.clock.now()):
            if not gap:
                self._live_at = (piece.epoch, piece.counter)
            if piece.event_id in self._whole or piece.event_type not in self._deltas:
                continue
            written = self._written.get(piece.event_id)
            if written is None and piece.offset == 0:
                started = {"type": "event_start", "event": {"type": piece.event_type, "id": piece.event_id}}
                found.append(Out("delta_start", None, started))
                written = 0
            if written is None or piece.offset > written:
                # An earlier piece is still under way: the next poll begins here again.
                gap = True
                continue
            text = piece.text[written - piece.offset :]
            self._written[piece.event_id] = max(written, piece.offset + len(piece.text))
            if text and piece.event_type in self._texts:
                delta = {"type": "content_delta", "content": {"type": "text", "text": text}}
                found.append(Out("delta", None, {"type": "event_delta", "event_id": piece.event_id, "delta": delta}))
        return found
