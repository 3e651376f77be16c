"""A desk with a scripted runner and a hand-driven plane, for the desk's tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from mooring.daemon.desk import Desk
from mooring.daemon.ports import Identity, TurnOrder
from mooring.edge.journal import Journal
from mooring.wire import frames
from mooring.wire.events import AgentMessage, TextBlock, TurnEnded
from mooring.wire.ids import EventId, OutboxId, RuntimeId, SessionId, TurnId

RUNTIME = RuntimeId("rt_1")
S, T = SessionId("sesn_1"), SessionId("sesn_2")
T1, T2, T3 = TurnId("turn_1"), TurnId("turn_2"), TurnId("turn_3")


def counting_dice() -> Callable[[], str]:
    """Dice whose every throw is another number."""
    count = itertools.count(1)
    return lambda: f"{next(count):032x}"


class Clock:
    """Epoch seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class ScriptedRunner:
    """Writes down what it is asked for and does nothing by itself."""

    def __init__(self) -> None:
        self.started: list[TurnOrder] = []
        self.cancelled: list[TurnId] = []
        self.verdicts: list[frames.PermissionVerdict] = []
        self.disposing: list[SessionId] = []
        self.working: tuple[TurnId, ...] = ()

    def start(self, order: TurnOrder) -> None:
        self.started.append(order)

    def cancel(self, session_id: SessionId, turn_id: TurnId) -> None:
        self.cancelled.append(turn_id)

    def verdict(self, frame: frames.PermissionVerdict) -> None:
        self.verdicts.append(frame)

    def dispose(self, session_id: SessionId) -> None:
        self.disposing.append(session_id)

    def active(self) -> tuple[TurnId, ...]:
        return self.working


class Laptop:
    """One daemon process: journal, runner, desk, and the frames it has sent."""

    def __init__(self, image: bytes | None = None, *, max_bytes: int = 1_000_000, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.dice = counting_dice()
        self.journal = Journal(":memory:", self.dice, max_bytes=max_bytes, image=image)
        self.runner = ScriptedRunner()
        self.sent: list[Any] = []
        self.desk = Desk(
            self.journal,
            self.runner,
            self._send,
            Identity(runtime_id=RUNTIME, instance="one"),
            dice=self.dice,
            clock=self.clock,
        )

    def _send(self, frame: Struct) -> None:
        self.sent.append(frame)

    def online(self, epoch: int = 1) -> Laptop:
        """Connects, is welcomed and pings; forgets what was sent for it."""
        self.desk.connected()
        self.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=epoch))
        self.desk.tick(self.clock.now)
        self.sent.clear()
        return self

    def restarted(self) -> Laptop:
        """The next process on the same disk, as of the last commit; it has not recovered yet."""
        later = Laptop(self.journal.image(), clock=self.clock)
        later.dice = later.desk._dice = later.desk._outbox._dice = self.dice
        return later

    def take(self, kind: type | None = None) -> list[Any]:
        """What was sent since the last look; of one kind if given."""
        sent, self.sent = self.sent, []
        return [frame for frame in sent if kind is None or isinstance(frame, kind)]

    def prompt(self, turn_id: TurnId = T1, order: int = 1, session_id: SessionId = S, **more: Any) -> None:
        """The plane sends a prompt."""
        text = more.pop("text", "hello")
        content = (TextBlock(text),)
        agent_id = more.pop("agent_id", "echo")
        self.desk.frame(
            frames.SessionPrompt(
                session_id=session_id, turn_id=turn_id, order=order, agent_id=agent_id, content=content, **more
            )
        )

    def cancel(self, turn_id: TurnId = T1, order: int = 1, session_id: SessionId = S) -> None:
        """The plane sends a cancel."""
        self.desk.frame(frames.SessionCancel(session_id=session_id, turn_id=turn_id, order=order))

    def ack(self, batch: int, session_id: SessionId = S, **more: Any) -> None:
        """The plane acknowledges, under the current outbox id unless another is given."""
        outbox = OutboxId(more.pop("outbox", self.journal.outbox))
        self.desk.frame(frames.SessionAck(session_id=session_id, outbox=outbox, batch=batch, **more))


def said(name: str, turn_id: TurnId = T1, text: str = "") -> AgentMessage:
    """A whole message."""
    return AgentMessage(id=EventId(f"sevt_{name}"), turn_id=turn_id, content=(TextBlock(text),))


def ended(turn_id: TurnId = T1, outcome: Any = "completed") -> TurnEnded:
    """A turn's end."""
    return TurnEnded(id=EventId(f"sevt_end_{turn_id}"), turn_id=turn_id, outcome=outcome)


def events_of(batch: frames.SessionEvent) -> list[dict[str, Any]]:
    """A batch's events as plain data."""
    found: list[dict[str, Any]] = msgspec.json.decode(bytes(batch.events))
    return found


def event_ids(batches: list[frames.SessionEvent]) -> list[str]:
    """The ids of the events in ``batches``, in order."""
    return [event["id"] for batch in batches for event in events_of(batch)]
