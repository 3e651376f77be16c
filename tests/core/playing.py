"""A session played forward by hand: every cue becomes the next record, as the loop would write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from chalicelib.core.record import FIRST_PREV, SessionRecord
from chalicelib.core.repeats import Try
from chalicelib.core.session import Accepted, Batch, MessageIn, Post, SessionCue, SessionStep, Tick, decide
from chalicelib.core.session_state import RoomView, SessionState
from chalicelib.wire import events as ev
from chalicelib.wire.ids import ConnectionId, EventId, OutboxId, RuntimeId, SessionId, TurnId
from chalicelib.wire.limits import LEASE_S

START = 1_790_000_000.0
SESSION = SessionId("sesn_1")
RUNTIME = RuntimeId("rt_1")
DAY_S = 86_400.0
NEVER_ONLINE = RoomView(0, None, None, 0.0, 0.0)


def room(epoch: int = 1, outbox: str = "obx_a", *, at: float = START, online: bool = True) -> RoomView:
    """The room of a laptop that said hello at ``at`` and lives, or (not ``online``) has gone."""
    connection = ConnectionId(f"c{epoch}") if online else None
    return RoomView(epoch, connection, OutboxId(outbox), at + LEASE_S if online else 0.0, at)


def fresh(**changes: Any) -> SessionState:
    """A session as it is made."""
    return SessionState(**{"session_id": SESSION, "runtime_id": RUNTIME, "agent_id": "echo", **changes})


def text(said: str = "Hello") -> MessageIn:
    """A message with one piece of text."""
    return MessageIn((ev.TextBlock(said),))


def names(events: Sequence[Any]) -> list[str]:
    """The types of events; a receipt's with its status, an idle's with its reason."""
    found = []
    for one in events:
        tag = str(one.__struct_config__.tag)
        if isinstance(one, ev.Receipt):
            tag = one.status
        elif isinstance(one, ev.SessionStatusIdle):
            tag = f"idle:{one.stop_reason.type}"
        found.append(tag.removeprefix("mooring.").removeprefix("session.status_"))
    return found


class Play:
    """A session, its log, and the time."""

    def __init__(self, state: SessionState | None = None) -> None:
        self.state = state or fresh()
        self.now = START
        self.log = [SessionRecord(n=1, at=START, prev=FIRST_PREV, state=self.state)]
        self.batches: dict[str, int] = {}

    @property
    def n(self) -> int:
        """The number of the newest record."""
        return self.log[-1].n

    @property
    def turn_id(self) -> TurnId:
        """The running turn's id."""
        assert self.state.turn is not None
        return self.state.turn.turn_id

    def do(self, cue: SessionCue, *, after_s: float = 0.0) -> SessionStep:
        """Decides, and writes the next record if anything changed."""
        self.now += after_s
        step = decide(self.state, cue, n=self.n + 1, now=self.now)
        if step.events or step.state != self.state:
            record = SessionRecord(n=self.n + 1, at=self.now, prev="", state=step.state, events=step.events)
            self.log.append(record)
        self.state = step.state
        return step

    def post(
        self, *items: Any, at: RoomView | None = None, expires_in_s: float = DAY_S, attempt: Try | None = None
    ) -> SessionStep:
        """Somebody posts ``items`` (one message if none are given)."""
        return self.do(Post(items or (text(),), expires_in_s, at or self.here(), attempt))

    def here(self, epoch: int = 1, outbox: str = "obx_a") -> RoomView:
        """The room, online as of now, and without a lapse since the beginning."""
        return replace(room(epoch, outbox, at=self.now), since=START)

    def accept(self, epoch: int = 1, outbox: str = "obx_a") -> SessionStep:
        """The daemon has the running turn on disk."""
        return self.do(Accepted(self.turn_id, epoch, OutboxId(outbox)))

    def batch(self, *events: Any, epoch: int = 1, outbox: str = "obx_a", live_from: int = 0) -> SessionStep:
        """The daemon's next batch."""
        number = self.batches.get(outbox, 0) + 1
        self.batches[outbox] = number
        at = self.here(epoch, outbox)
        return self.do(Batch(OutboxId(outbox), number, f"h{number}", tuple(events), live_from, at))

    def tick(self, at: RoomView | None = None, *, after_s: float = 0.0, active: tuple[TurnId, ...] = ()) -> SessionStep:
        """Somebody looks at the session."""
        self.now += after_s
        return self.do(Tick(at or self.here(), active))

    def said(self, name: str = "sevt_x") -> ev.AgentMessage:
        """The agent's message in the running turn."""
        return ev.AgentMessage(id=EventId(name), turn_id=self.turn_id, content=(ev.TextBlock("Hi"),))

    def asks(self, name: str = "sevt_ask") -> ev.AgentToolUse:
        """The agent's question in the running turn."""
        return ev.AgentToolUse(
            id=EventId(name), turn_id=self.turn_id, name="bash", input={}, evaluated_permission="ask", call_hash="c"
        )

    def settled(self, name: str = "sevt_ask", turn_id: TurnId | None = None) -> ev.PermissionSettled:
        """The daemon has acted on the verdict."""
        return ev.PermissionSettled(
            id=EventId(f"{name}_settled"),
            turn_id=turn_id or self.turn_id,
            tool_use_id=EventId(name),
            outcome="allow",
        )

    def ended(self, outcome: Any = "completed", turn_id: TurnId | None = None, **more: Any) -> ev.TurnEnded:
        """The daemon's last word on the running turn."""
        return ev.TurnEnded(id=EventId("sevt_end"), turn_id=turn_id or self.turn_id, outcome=outcome, **more)

    def receipts(self) -> dict[EventId, list[str]]:
        """The receipts of every message, in order."""
        found: dict[EventId, list[str]] = {}
        for record in self.log:
            for event in record.events:
                if isinstance(event, ev.Receipt):
                    for one in event.event_ids:
                        found.setdefault(one, []).append(event.status)
        return found
