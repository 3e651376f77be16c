"""Reading: a session's log as pages, as one event, and followed by readers that poll."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ..core.errors import BadRequest, Conflicting, NotFound
from ..core.questions import fate
from ..core.record import Head, SessionRecord, open_session
from ..core.render import Shown, parse_cursor, place_of, shown
from ..core.session_cues import ConfirmationIn
from ..core.session_state import SessionState
from ..core.span import EVER, Span
from ..wire.codec import BadFrame, decode_upload, digest
from ..wire.events import Event, UserBlock
from ..wire.ids import EventId, RuntimeId, SessionId, TenantId, TurnId
from .delivery import Delivery
from .follower import Follower
from .ports import ObjectKey, Stores, session_key
from .sessions import SessionObjects, no_session
from .spill import Spill

PAGE_RECORDS = 100
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page of events ends here, in bytes of their JSON: Lambda's answers may have 6 MB. A larger event stands alone."""

MAX_RECORDS = 2_000
"""After so many records a page that holds anything ends."""

MAX_RECORDS_FOR_NOTHING = 20_000
"""After so many records an empty page ends: some seconds. Not sooner, since older SDKs take one for the end."""

MAX_LOOKED_BACK = 1_000
"""So many records are looked through for what became of a question: ten requests."""

CLOCKS_APART_S = 60.0
"""How much later than the record after it a record may have been written by its own clock (seconds)."""


class Page(Struct, frozen=True):
    """Some events, and the cursor to go on from, or None at the end."""

    events: list[dict[str, Any]]
    next_page: str | None


class _Passed(Struct, frozen=True):
    """All of a record has been read: its number, and when it was written (epoch seconds)."""

    n: int
    at: float


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
        types: Collection[str] = (),
        created: Span = EVER,
    ) -> Page:
        """A page of events in the order in which the agent lived them; what still waits stands after everything else.

        It may hold fewer than ``limit`` and go on, where few of many events are wanted.

        Args:
            tenant_id: the reader's tenant.
            session_id: the session.
            cursor: where to go on: after it (``asc``) or before it (``desc``); None begins.
            limit: events at most. A page also ends at ``MAX_PAGE_BYTES`` and ``MAX_RECORDS``.
            order: ``asc`` is oldest first.
            ours: whether ``mooring.*`` events are wanted too.
            types: the types that are wanted; empty = all.
            created: when they were processed; what still waits never was.

        Raises:
            NotFound: ``session_not_found``.
            BadRequest: ``bad_cursor``.
        """
        place, head = _place(cursor), self._sessions.head(tenant_id, session_id)
        walk = self._walk(tenant_id, session_id, head, place, order, ours, types, created)
        return _filled(walk, limit, lambda at: _is_beyond(created, at, order))

    def event(self, tenant_id: TenantId, session_id: SessionId, event_id: EventId) -> dict[str, Any]:
        """One event, whole. Raises NotFound: ``session_not_found``, ``event_not_found``."""
        head = self._sessions.head(tenant_id, session_id)
        for one in self._walk(tenant_id, session_id, head, None, "desc", True):
            if isinstance(one, Shown) and one.event["id"] == event_id:
                return one.event
        raise NotFound("event_not_found", f"There is no event {event_id} in session {session_id}.")

    def answered(self, tenant_id: TenantId, session_id: SessionId, items: Iterable[object]) -> Conflicting | None:
        """The refusal that tells what became of a question that ``items`` answer and that is open no longer.

        Returns:
            None when there is no such question among the newest ``MAX_LOOKED_BACK`` records.

        Raises:
            NotFound: ``session_not_found``.
        """
        head = self._sessions.head(tenant_id, session_id)
        still_open = {one.tool_use_id for one in head.state.questions if one.verdict_n is None}
        for item in items:
            if isinstance(item, ConfirmationIn) and item.tool_use_id not in still_open:
                records = islice(self._records(session_key(tenant_id, session_id), head, None, False), MAX_LOOKED_BACK)
                became = fate((event for one in records for event in reversed(one.events)), item.tool_use_id)
                if became:
                    return Conflicting("already_answered", f"The question {item.tool_use_id} {became}.")
        return None

    def prompt(
        self, tenant_id: TenantId, session_id: SessionId, turn_id: TurnId, runtime_id: RuntimeId
    ) -> tuple[UserBlock, ...]:
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
        return self._delivery.prompt_content(tenant_id, session_id, turn)

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
        self, tenant_id: TenantId, session_id: SessionId, *, after: str | None, ours: bool, deltas: Collection[str]
    ) -> Follower:
        """Attaches a reader that polls. ``after`` is a cursor; None = live from now, ``"0"`` = everything.

        ``deltas`` are the types of events of which pieces are wanted. Of what the agent thinks others than ours are
        told only that it does.

        Raises:
            NotFound: ``session_not_found``.
            BadRequest: ``bad_cursor``.
        """
        place = _place(after)
        self._sessions.head(tenant_id, session_id)

        def show(record: SessionRecord, waiting: set[int]) -> list[Shown]:
            return self.show(tenant_id, session_id, record, waiting, ours)

        texts = deltas if ours else [one for one in deltas if one != "agent.thinking"]
        return Follower(self._stores, self._sessions, show, tenant_id, session_id, place, deltas, texts)

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
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        record: SessionRecord,
        waiting: set[int],
        ours: bool,
        types: Collection[str] = (),
    ) -> list[Shown]:
        """A record's events, whole, for a reader of the past; only those of ``types`` if there are any."""
        return shown(
            record,
            self.accepted(session_key(tenant_id, session_id)),
            ours=ours,
            types=types,
            still_waiting=waiting,
            whole=lambda event: self.whole(tenant_id, session_id, event),
        )

    def whole(self, tenant_id: TenantId, session_id: SessionId, event: Event) -> Event:
        """The event, fetched if it was put aside; as it stands in the log when what was put aside is lost."""
        try:
            return self._spill.whole(tenant_id, session_id, event)
        except NotFound:
            # An upload that was lost costs its reader this event, and not the whole log.
            return event

    def _walk(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        head: Head[SessionState],
        place: tuple[int, int] | None,
        order: Literal["asc", "desc"],
        ours: bool,
        types: Collection[str] = (),
        created: Span = EVER,
    ) -> Iterator[Shown | _Passed]:
        """The events from a place on, as of ``head``: the processed ones, then what waits (or the other way round).

        After the events of each record comes that it has been read.
        """
        # What waits has no time yet, and is in no span that has a bound.
        waiting = {one.n for one in head.state.waiting} if created.is_all else set()
        ascending = order == "asc"
        tail_done = place is not None and place[0] in waiting and self._is_waiting(tenant_id, session_id, place)
        if not ascending and not tail_done and place is None:
            yield from reversed(list(self._tail(tenant_id, session_id, waiting, None, ours, types)))
        if ascending and tail_done:
            yield from self._tail(tenant_id, session_id, waiting, place, ours, types)
            return
        if not ascending and tail_done and place is not None:
            yield from reversed(
                [one for one in self._tail(tenant_id, session_id, waiting, None, ours, types) if place_of(one) < place]
            )
            place = None
        for record in self._records(session_key(tenant_id, session_id), head, place, ascending):
            is_in = created.holds(record.at)
            events = self.show(tenant_id, session_id, record, set(), ours, types) if is_in else []
            for one in events if ascending else reversed(events):
                if place is None or place[1] < 0 or (place_of(one) > place if ascending else place_of(one) < place):
                    yield one
            yield _Passed(record.n, record.at)
        if ascending:
            yield from self._tail(tenant_id, session_id, waiting, None, ours, types)

    def _is_waiting(self, tenant_id: TenantId, session_id: SessionId, place: tuple[int, int]) -> bool:
        record = self.accepted(session_key(tenant_id, session_id))(place[0])
        return any(
            place_of(one) == place and one.event["processed_at"] is None
            for one in self.show(tenant_id, session_id, record, {place[0]}, True)
        )

    def _tail(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        waiting: set[int],
        after: tuple[int, int] | None,
        ours: bool,
        types: Collection[str],
    ) -> Iterator[Shown]:
        get = self.accepted(session_key(tenant_id, session_id))
        for n in sorted(waiting):
            for one in self.show(tenant_id, session_id, get(n), {n}, ours, types):
                if one.event["processed_at"] is None and (after is None or place_of(one) > after):
                    yield one

    def _records(
        self, key: ObjectKey, head: Head[SessionState], place: tuple[int, int] | None, ascending: bool
    ) -> Iterator[SessionRecord]:
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


def _filled(walk: Iterator[Shown | _Passed], limit: int, is_beyond: Callable[[float], bool]) -> Page:
    """The next page of a walk; it is the last one where ``is_beyond`` holds of a record's time."""
    found: list[dict[str, Any]] = []
    last, size, n_records = "", 0, 0
    for one in walk:
        if isinstance(one, _Passed):
            n_records += 1
            if is_beyond(one.at):
                break
            if n_records >= (MAX_RECORDS if found else MAX_RECORDS_FOR_NOTHING):
                return Page(found, str(one.n))
            continue
        size += len(msgspec.json.encode(one.event)) + 1
        if found and (len(found) >= limit or size > MAX_PAGE_BYTES):
            return Page(found, last)
        found.append(one.event)
        last = one.cursor
    return Page(found, None)


def _is_beyond(created: Span, at: float, order: Literal["asc", "desc"]) -> bool:
    """Whether nothing that comes after a record of this time is in the span."""
    if order == "asc":
        return created.latest is not None and at > created.latest + CLOCKS_APART_S
    return created.earliest is not None and at < created.earliest - CLOCKS_APART_S


def _place(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    place = parse_cursor(cursor)
    if place is None:
        raise BadRequest("bad_cursor", f"{cursor!r} is no cursor.", field="after")
    return place
