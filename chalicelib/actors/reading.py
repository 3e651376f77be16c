"""Reading: a session's log as pages, as one event, and as a stream for readers that poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ..core.catalog import Attachment
from ..core.errors import BadRequest, NotFound
from ..core.record import Head, SessionRecord, open_session
from ..core.render import Shown, parse_cursor, shown
from ..core.session_state import SessionState
from ..wire.codec import BadFrame, decode_upload, digest
from ..wire.events import Event
from ..wire.ids import EventId, ReaderId, RuntimeId, SessionId, TenantId, TurnId
from .delivery import Delivery
from .ports import ObjectKey, Stores, session_key
from .sessions import SessionObjects, no_session
from .spill import Spill

PAGE_RECORDS = 100
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page of events ends here: Lambda's answers may have 6 MB."""

ATTACHED_S = 60.0
"""How long a polling reader's attachment lives without being renewed (seconds)."""


LOOK_BACK = 16
"""Live pieces read again by the next poll: one that was overtaken is found as long as no more than these passed it."""


class Page(Struct, frozen=True):
    """Some events, and the cursor to go on from, or None at the end."""

    events: list[dict[str, Any]]
    next_page: str | None


class Reading:
    """Reads sessions' logs."""

    def __init__(self, stores: Stores, sessions: SessionObjects, delivery: Delivery, spill: Spill) -> None:
        self._stores = stores
        self._sessions = sessions
        self._delivery = delivery
        self._spill = spill

    def page(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        *,
        cursor: str | None,
        limit: int,
        order: Literal["asc", "desc"],
        ours: bool,
    ) -> Page:
        """A page of events in the order in which the agent lived them; what still waits stands after everything else.

        Args:
            tenant_id: the reader's tenant.
            session_id: the session.
            cursor: where to go on: after it (``asc``) or before it (``desc``); None begins.
            limit: events at most. A page also ends at ``MAX_PAGE_BYTES``.
            order: ``asc`` oldest first.
            ours: whether ``mooring.*`` events are wanted too.

        Raises:
            NotFound: ``session_not_found``.
            BadRequest: ``bad_cursor``.
        """
        place = _place(cursor)
        head = self._sessions.head(tenant_id, session_id)
        found: list[Shown] = []
        size = 0
        for one in self._walk(tenant_id, session_id, head, place, order, ours):
            size += len(msgspec.json.encode(one.event))
            if found and (len(found) >= limit or size > MAX_PAGE_BYTES):
                return Page([each.event for each in found], found[-1].cursor)
            found.append(one)
        return Page([each.event for each in found], None)

    def event(self, tenant_id: TenantId, session_id: SessionId, event_id: EventId) -> dict[str, Any]:
        """One event, whole. Raises NotFound: ``session_not_found``, ``event_not_found``."""
        head = self._sessions.head(tenant_id, session_id)
        for one in self._walk(tenant_id, session_id, head, None, "desc", True):
            if one.event["id"] == event_id:
                found: dict[str, Any] = one.event
                return found
        raise NotFound("event_not_found", f"There is no event {event_id} in session {session_id}.")

    def prompt(
        self, tenant_id: TenantId, session_id: SessionId, turn_id: TurnId, runtime_id: RuntimeId
    ) -> list[dict[str, Any]]:
        """The content that the running turn works on, for the runtime it is bound to.

        Raises:
            NotFound: ``session_not_found`` (also for another runtime's), ``turn_not_found`` when it is not running.
        """
        head = self._sessions.head(tenant_id, session_id)
        if head.state.runtime_id != runtime_id:
            raise no_session(session_id)
        turn = head.state.turn
        if turn is None or turn.turn_id != turn_id:
            raise NotFound("turn_not_found", f"Turn {turn_id} does not run in session {session_id}.")
        blocks = self._delivery.prompt_content(tenant_id, session_id, turn)
        return [msgspec.to_builtins(block) for block in blocks]

    def keep_body(
        self, tenant_id: TenantId, session_id: SessionId, event_id: EventId, body: bytes, runtime_id: RuntimeId
    ) -> None:
        """Keeps an event that its daemon uploads before it refers to it.

        Raises:
            NotFound: ``session_not_found`` (also for another runtime's).
            BadRequest: ``bad_event``.
        """
        if self._sessions.head(tenant_id, session_id).state.runtime_id != runtime_id:
            raise no_session(session_id)
        event = decode_upload(body)
        if isinstance(event, BadFrame):
            raise BadRequest("bad_event", f"The body is no event of a daemon's: {event.why}.", field=event.field)
        if event.id != event_id:
            raise BadRequest("bad_event", f"The body is event {event.id}, the path says {event_id}.", field="id")
        self._stores.bodies.put(tenant_id, session_id, digest(body), body)

    def follow(
        self, tenant_id: TenantId, session_id: SessionId, *, after: str | None, ours: bool, deltas: bool
    ) -> Follower:
        """Attaches a reader that polls. ``after`` is a cursor; None = live from now, ``"0"`` = everything.

        Raises:
            NotFound: ``session_not_found``.
            BadRequest: ``bad_cursor``.
        """
        place = _place(after)
        self._sessions.head(tenant_id, session_id)
        return Follower(self._stores, self._sessions, self, tenant_id, session_id, place, ours, deltas)

    def accepted(self, key: ObjectKey) -> Callable[[int], SessionRecord]:
        """Gives the records in which messages were accepted, each read once."""
        seen: dict[int, SessionRecord] = {}

        def get(n: int) -> SessionRecord:
            if n not in seen:
                stored = self._stores.objects.get(key, n)
                assert stored is not None, f"{key} has no record {n}"
                seen[n] = open_session(stored.body)
            return seen[n]

        return get

    def show(
        self, tenant_id: TenantId, session_id: SessionId, record: SessionRecord, waiting: set[int], ours: bool
    ) -> list[Shown]:
        """A record's events, whole, for a reader of the past."""
        key = session_key(tenant_id, session_id)

        def whole(event: Event) -> Event:
            try:
                return self._spill.whole(tenant_id, session_id, event)
            except NotFound:
                # An upload that was lost costs its reader this event, and not the whole log.
                return event

        return shown(record, self.accepted(key), ours=ours, still_waiting=waiting, whole=whole)

    def _walk(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        head: Head[SessionState],
        place: tuple[int, int] | None,
        order: Literal["asc", "desc"],
        ours: bool,
    ) -> Any:
        """The events from a place on, as of ``head``: the processed ones, then what waits (or the other way round)."""
        waiting = {one.n for one in head.state.waiting}
        ascending = order == "asc"
        tail_done = place is not None and place[0] in waiting and self._is_waiting(tenant_id, session_id, place)
        if not ascending and not tail_done and place is None:
            yield from reversed(list(self._tail(tenant_id, session_id, waiting, None, ours)))
        if ascending and tail_done:
            yield from self._tail(tenant_id, session_id, waiting, place, ours)
            return
        if not ascending and tail_done and place is not None:
            yield from reversed(
                [one for one in self._tail(tenant_id, session_id, waiting, None, ours) if _key(one) < place]
            )
            place = None
        for record in self._records(session_key(tenant_id, session_id), head, place, ascending):
            events = self.show(tenant_id, session_id, record, set(), ours)
            for one in events if ascending else reversed(events):
                if place is None or place[1] < 0 or (_key(one) > place if ascending else _key(one) < place):
                    yield one
        if ascending:
            yield from self._tail(tenant_id, session_id, waiting, None, ours)

    def _is_waiting(self, tenant_id: TenantId, session_id: SessionId, place: tuple[int, int]) -> bool:
        record = self.accepted(session_key(tenant_id, session_id))(place[0])
        return any(
            _key(one) == place and one.event["processed_at"] is None
            for one in self.show(tenant_id, session_id, record, {place[0]}, True)
        )

    def _tail(
        self, tenant_id: TenantId, session_id: SessionId, waiting: set[int], after: tuple[int, int] | None, ours: bool
    ) -> Any:
        get = self.accepted(session_key(tenant_id, session_id))
        for n in sorted(waiting):
            for one in self.show(tenant_id, session_id, get(n), {n}, ours):
                if one.event["processed_at"] is None and (after is None or _key(one) > after):
                    yield one

    def _records(self, key: ObjectKey, head: Head[SessionState], place: tuple[int, int] | None, ascending: bool) -> Any:
        if ascending:
            n = 0 if place is None else (place[0] if place[1] < 0 else place[0] - 1)
            while n < head.n:
                page = self._stores.objects.read(key, max(n, 0), PAGE_RECORDS)
                if not page:
                    return
                yield from (open_session(one.body) for one in page if one.n <= head.n)
                n = page[-1].n
            return
        n = head.n + 1 if place is None else (place[0] if place[1] < 0 else place[0] + 1)
        while n > 1:
            page = self._stores.objects.read_back(key, n, PAGE_RECORDS)
            if not page:
                return
            yield from (open_session(one.body) for one in page)
            n = page[-1].n


class Out(Struct, frozen=True):
    """One thing for a polling reader: a whole event with its cursor, the start of one still being written, or a piece.

    ``body`` is the JSON object to send: the event itself, ``event_start`` or ``event_delta`` in the API's shape.
    """

    kind: Literal["event", "delta_start", "delta"]
    cursor: str | None
    body: dict[str, Any]


class Follower:
    """A reader that polls: attaches before it reads, as every viewer does, so that daemons know that it watches.

    Attributes:
        ended: the session is deleted; nothing more comes.
        idle_s: how long to wait before the next poll (seconds): short while a turn runs, longer when nothing moves.
    """

    def __init__(
        self,
        stores: Stores,
        sessions: SessionObjects,
        reading: Reading,
        tenant_id: TenantId,
        session_id: SessionId,
        place: tuple[int, int] | None,
        ours: bool,
        deltas: bool,
    ) -> None:
        self._stores, self._sessions, self._reading = stores, sessions, reading
        self._tenant_id, self._session_id = tenant_id, session_id
        self._ours, self._deltas = ours, deltas
        self._reader_id = ReaderId(f"sse_{stores.clock.token(12)}")
        self._renew_at = 0.0
        self._attach()
        head = sessions.head(tenant_id, session_id)
        n, index = place or (head.n, -1)
        self._cursor, self._skip = (n, 0) if index < 0 else (max(n - 1, 0), index)
        self._head = head
        self._whole: set[str] = set()
        self._written: dict[str, int] = {}
        self._live_turn: TurnId | None = None
        self._live_at = (0, 0)
        self._quiet_polls = 0
        self.ended = False
        if deltas:
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
                    deltas=self._deltas,
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
        if record.state.status != "open":
            self.ended = True
        found = []
        for one in self._reading.show(self._tenant_id, self._session_id, record, self._waiting, self._ours):
            if _key(one)[1] <= skip:
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
            if piece.event_id in self._whole:
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
            if text:
                delta = {"type": "content_delta", "content": {"type": "text", "text": text}}
                found.append(Out("delta", None, {"type": "event_delta", "event_id": piece.event_id, "delta": delta}))
        return found


def still_waiting(head: Head[SessionState], page: Sequence[SessionRecord]) -> set[int]:
    """The records of a page whose messages are shown as waiting: those that wait at the head, or came after it."""
    return {one.n for one in head.state.waiting} | {record.n for record in page if record.n > head.n}


def _key(one: Shown) -> tuple[int, int]:
    place = parse_cursor(one.cursor)
    assert place is not None
    return place


def _place(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    place = parse_cursor(cursor)
    if place is None:
        raise BadRequest("bad_cursor", f"{cursor!r} is no cursor.", field="after")
    return place
