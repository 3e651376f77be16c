"""A session's state, and everything that can be read off it: its work, what it owes, when to look at it again.

The state is what each record carries, so it is small (under 2 KB): numbers of records instead of texts. Only
``core/session.py`` changes it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..wire.ids import ConnectionId, EventId, OutboxId, RuntimeId, SessionId, TurnId
from .naming import message_ids
from .repeats import Tried

Phase = Literal["idle", "running", "asking", "rescheduling", "terminated"]
"""What viewers were last told: ``asking`` is idle with ``requires_action``, ``terminated`` is archived."""

LOOK_AGAIN_S = 60.0
"""After work begins, the sweep first looks after this many seconds: it repairs what a killed Lambda never sent."""


LOOK_AT_SENT_S = 600.0
"""A turn that its machine has not confirmed is looked at again after this many seconds: its limits may have begun."""


class RoomView(Struct, frozen=True):
    """What a session needs to know of its runtime's room, as of one read of the room's newest record."""

    epoch: int
    connection_id: ConnectionId | None
    outbox: OutboxId | None
    lease_until: float
    since: float

    def online(self, now: float) -> bool:
        """Whether the runtime has a connection whose lease holds."""
        return self.connection_id is not None and self.lease_until > now


class Waiting(Struct, frozen=True, array_like=True):
    """Messages accepted by record ``n`` and not yet begun; they expire together."""

    n: int
    count: int
    expires_at: float


class Mark(Struct, frozen=True, array_like=True):
    """The watermark of one outbox: the last batch applied, and the hash of its events' bytes."""

    outbox: OutboxId
    batch: int
    hash: str


class Question(Struct, frozen=True, array_like=True):
    """An open permission question: the record that holds it, and the one that holds the answer once there is one."""

    tool_use_id: EventId
    asked_n: int
    verdict_n: int | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """The running turn: sent to ``outbox`` and never to another one.

    Attributes:
        message: what it works on; its expiry still counts until the daemon has it on disk.
        receipt: how far it has come.
        touched_at: last sign of activity (epoch seconds).
        began_at: when the daemon had it on disk (epoch seconds), or None.
        cancel: somebody interrupted it; owed to the daemon until the turn ends.
        live_from: lowest live key ``(epoch, counter)`` of an event still being written.
    """

    turn_id: TurnId
    order: int
    message: Waiting
    outbox: OutboxId
    receipt: Literal["sent", "on_machine", "started"] = "sent"
    touched_at: float
    began_at: float | None = None
    cancel: bool = False
    live_from: tuple[int, int] = (0, 0)


class SessionState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session's whole state.

    Attributes:
        epoch: the highest epoch seen; frames under a lower one are refused.
        outbox: the outbox followed under that epoch.
        marks: watermarks of the outboxes followed, newest last.
        lapsed: outboxes whose watermark was given up for newer ones, newest last.
        orders: turns begun so far.
        idle_limit_s, hard_limit_s: a turn's limits in seconds, 0 = none.
        tried: tries of SDKs that were carried out and may come again, newest last.
        archived_at: since when the session is read only (epoch seconds), or None.
        details_n: the record that says what the session is called by; 1 = as it was made.
        active_s: seconds for which turns have run, without ``running_since``.
        running_since: when the phase became ``running`` (epoch seconds), or None.
    """

    session_id: SessionId
    runtime_id: RuntimeId
    agent_id: str
    status: Literal["open", "deleting", "deleted"] = "open"
    phase: Phase = "idle"
    epoch: int = 0
    outbox: OutboxId | None = None
    marks: tuple[Mark, ...] = ()
    lapsed: tuple[OutboxId, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    turn: Turn | None = None
    orders: int = 0
    questions: tuple[Question, ...] = ()
    idle_limit_s: float = 600.0
    hard_limit_s: float = 3600.0
    tried: tuple[Tried, ...] = ()
    archived_at: float | None = None
    details_n: int = 1
    active_s: float = 0.0
    running_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be asked of the agent: archived, or deleted."""
        return self.status != "open" or self.archived_at is not None


class OwedPrompt(Struct, frozen=True):
    """The turn's prompt, until the daemon has it on disk."""

    turn: Turn


class OwedCancel(Struct, frozen=True):
    """A cancel, until the turn's end is in the log."""

    turn_id: TurnId
    order: int


class OwedVerdict(Struct, frozen=True):
    """An answer to a question, until the daemon has acted on it."""

    turn_id: TurnId
    tool_use_id: EventId
    asked_n: int
    verdict_n: int


class OwedDispose(Struct, frozen=True):
    """The end of the session, until the daemon has removed it."""


Owed = OwedPrompt | OwedCancel | OwedVerdict | OwedDispose


def has_work(state: SessionState) -> bool:
    """Whether the session owes its runtime, or its senders, something; a work item stands for it as long."""
    return state.status == "deleting" or bool(state.turn or state.waiting)


def undelivered(state: SessionState) -> int:
    """How many messages the session's machine does not have yet."""
    out = state.turn.message.count if state.turn and state.turn.receipt == "sent" else 0
    return out + sum(one.count for one in state.waiting)


def owed(state: SessionState, outbox: OutboxId | None) -> tuple[Owed, ...]:
    """What is to be sent to the daemon that writes from ``outbox``, read off the state alone."""
    if state.status == "deleting":
        return (OwedDispose(),)
    found: list[Owed] = []
    turn = state.turn
    if turn and turn.outbox == outbox:
        if turn.cancel:
            found.append(OwedCancel(turn.turn_id, turn.order))
        elif turn.receipt == "sent":
            found.append(OwedPrompt(turn))
        found += [
            OwedVerdict(turn.turn_id, question.tool_use_id, question.asked_n, question.verdict_n)
            for question in state.questions
            if question.verdict_n is not None
        ]
    return tuple(found)


def stray(state: SessionState, turn_id: TurnId, order: int) -> OwedCancel | OwedDispose | None:
    """What a daemon is to be told that has this turn open, or None when the turn is the session's running one."""
    if state.status != "open":
        return OwedDispose()
    return None if state.turn and state.turn.turn_id == turn_id else OwedCancel(turn_id, order)


def next_look(state: SessionState, now: float) -> float:
    """When the sweep should look at a session with work again (epoch seconds).

    The earliest deadline there is; the idle limit's counts half of it from now at least, since activity moves it.
    """
    times = [one.expires_at for one in state.waiting]
    turn = state.turn
    if turn is not None:
        if turn.began_at is None:
            times.append(min(turn.message.expires_at, now + LOOK_AT_SENT_S))
        else:
            if state.hard_limit_s:
                times.append(turn.began_at + state.hard_limit_s)
            if state.idle_limit_s:
                times.append(max(turn.touched_at + state.idle_limit_s, now + state.idle_limit_s / 2))
    if not times:
        times.append(now + 60 * LOOK_AGAIN_S)
    return max(min(times), now + 1.0)


def waiting_ids(state: SessionState, waiting: Waiting) -> tuple[EventId, ...]:
    """The event ids of the messages in ``waiting``."""
    return message_ids(state.session_id, waiting.n, waiting.count)
