"""The draft of a step: a session's state being changed, and the events that tell of it, until both are handed over.

It holds what every transition of ``core/session.py`` has in common: ids that follow from the record's number, receipts,
a message's place in the log, a turn's beginning and end, and the status that viewers are told.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ..wire import events as ev
from ..wire.ids import EventId, OutboxId, TurnId
from .naming import event_id, message_ids, turn_id
from .repeats import still_repeatable
from .session_state import SessionState, Turn, Waiting
from .step import Step

_STOP_REASONS = {"refusal": "refusal", "max_turn_requests": "retries_exhausted"}
"""ACP's stop reasons that are not plainly the end of a turn, in the API's words."""


class Draft:
    """A step in the making. ``state`` is the state so far; it is the very object given while nothing has changed."""

    def __init__(self, state: SessionState, n: int, now: float) -> None:
        self.state = state
        self.n = n
        self.now = now
        self._before = state
        self._events: list[ev.Event] = []
        self._stop_reason = "end_turn"

    def set(self, **changes: Any) -> None:
        """Changes fields of the state."""
        self.state = replace(self.state, **changes)

    def set_turn(self, **changes: Any) -> None:
        """Changes fields of the running turn."""
        assert self.state.turn is not None
        self.set(turn=replace(self.state.turn, **changes))

    def tell(self, event: ev.Event) -> None:
        """Appends an event."""
        self._events.append(event)

    def next_id(self) -> EventId:
        """The id of the event about to be appended."""
        return event_id(self.state.session_id, self.n, f"e{len(self._events)}")

    def ids_of(self, waiting: Waiting) -> tuple[EventId, ...]:
        """The ids of the messages in ``waiting``."""
        return message_ids(self.state.session_id, waiting.n, waiting.count)

    def receipt(self, ids: tuple[EventId, ...], status: Any, turn: TurnId | None = None) -> None:
        """Tells how far messages have come."""
        self.tell(ev.Receipt(id=self.next_id(), event_ids=ids, status=status, turn_id=turn))

    def drop(self, waiting: Waiting, outcome: str) -> None:
        """Ends messages whose turn never began: they get their place here, and their terminal receipt."""
        self.set(waiting=tuple(one for one in self.state.waiting if one != waiting))
        self._place(waiting)
        self.receipt(self.ids_of(waiting), outcome)

    def begin_turn(self, waiting: Waiting, outbox: OutboxId) -> None:
        """Starts the turn of the messages in ``waiting``; they get their place here."""
        order = self.state.orders + 1
        turn = Turn(
            turn_id=turn_id(self.state.session_id, order),
            order=order,
            message=waiting,
            outbox=outbox,
            touched_at=self.now,
        )
        self.set(turn=turn, orders=order, waiting=tuple(one for one in self.state.waiting if one != waiting))
        self._place(waiting)
        self.tell(ev.TurnStarted(id=self.next_id(), turn_id=turn.turn_id, order=order))
        self.receipt(self.ids_of(waiting), "sent", turn.turn_id)

    def end_turn(self, outcome: str, stop_reason: str | None = None, why: str | None = None) -> None:
        """Ends the running turn with its messages' terminal receipt; ``why`` also tells of it as an error."""
        turn = self.state.turn
        assert turn is not None
        self.set(turn=None, questions=())
        self._stop_reason = _STOP_REASONS.get(stop_reason or "", "end_turn")
        if outcome in ("failed", "unknown"):
            self._stop_reason = "retries_exhausted"
        if why:
            error = ev.ErrorBody(message=f"What became of the turn is not known: {why}.", code="turn_unknown")
            self.tell(ev.SessionError(id=self.next_id(), error=error, turn_id=turn.turn_id))
        self.receipt(self.ids_of(turn.message), outcome, turn.turn_id)

    def archive(self) -> None:
        """Makes the session read only."""
        self.set(archived_at=self.now)
        self._told("terminated", ev.SessionStatusTerminated(id=self.next_id()))

    def step(self, answer: object = None) -> Step[SessionState, ev.Event]:
        """The step: what was drafted, and the status it leaves the session in, told if it is another one."""
        if not self.state.is_over:
            self._tell_phase()
        if self.state == self._before and not self._events:
            return Step(self._before, answer=answer)
        self.set(tried=still_repeatable(self.state.tried, self.now))
        return Step(self.state, tuple(self._events), answer)

    def _place(self, waiting: Waiting) -> None:
        if waiting.n != self.n:
            for one in self.ids_of(waiting):
                self.tell(ev.MessagePlaced(id=one, accepted_n=waiting.n))

    def _tell_phase(self) -> None:
        state, before = self.state, self._before
        open_ids = tuple(one.tool_use_id for one in state.questions if one.verdict_n is None)
        if state.turn and open_ids:
            was = tuple(one.tool_use_id for one in before.questions if one.verdict_n is None)
            if state.phase != "asking" or was != open_ids:
                reason = ev.StopReason(type="requires_action", event_ids=open_ids)
                self._told("asking", ev.SessionStatusIdle(id=self.next_id(), stop_reason=reason))
        elif state.turn:
            if state.phase != "running":
                self._told("running", ev.SessionStatusRunning(id=self.next_id()))
        elif state.waiting:
            if state.phase != "rescheduling":
                self._told("rescheduling", ev.SessionStatusRescheduled(id=self.next_id()))
        elif state.phase != "idle":
            reason = ev.StopReason(type=self._stop_reason, event_ids=UNSET)  # type: ignore[arg-type]  # table's words
            self._told("idle", ev.SessionStatusIdle(id=self.next_id(), stop_reason=reason))

    def _told(self, phase: Any, event: ev.Event) -> None:
        since = self.state.running_since
        if since is not None:
            self.set(active_s=self.state.active_s + max(0.0, self.now - since))
        self.set(phase=phase, running_since=self.now if phase == "running" else None)
        self.tell(event)
