"""A laptop in a world: the daemon's real desk and journal, with scripted agents in place of children.

The process may die after any transaction of the journal; what was committed is what the next process finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.catalog import Connection
from chalicelib.wire.ids import ConnectionId
from mooring.core.open_text import OpenText
from mooring.daemon.desk import Desk
from mooring.daemon.ports import Identity, TurnOrder
from mooring.edge.journal import Journal
from mooring.wire import codec, frames
from mooring.wire import events as ev
from mooring.wire.codec import encode
from mooring.wire.ids import EventId, RuntimeId, SessionId, TurnId

from .world import RUNTIME, TENANT, World

SILENT_S = 90.0
"""A connection on which nothing was heard for this long is given up (seconds)."""


Said = ev.AgentMessage | ev.AgentToolUse | ev.PermissionSettled | ev.TurnEnded
"""What a scripted agent says."""


class Died(BaseException):
    """The daemon's process ends here."""


@dataclass
class Witness:
    """What really happened on laptops, whatever anybody says.

    Attributes:
        runs: how often each laptop's agent was called for a turn.
        where: the laptops on which a turn ran.
        emitted: per laptop and session, the events in the order in which the agent produced them.
        texts: the whole text of each event that was written in pieces.
        overlaps: turns begun while another one of their session was running on the same laptop.
        ghosts: turns begun in a session that its laptop had removed.
    """

    runs: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    where: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    emitted: dict[tuple[str, str], list[Said]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[str, str] = field(default_factory=dict)
    overlaps: list[tuple[str, str]] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)


class MortalJournal:
    """The journal, after each of whose transactions the process may die."""

    def __init__(self, journal: Journal, may_die: Callable[[], None]) -> None:
        self._journal = journal
        self._may_die = may_die

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)
        if not callable(found) or name in ("close", "image"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            value = found(*args, **kwargs)
            if name in WRITES:
                self._may_die()
            return value

        return call


WRITES = frozenset(
    {"accept", "refuse", "stop", "start", "end", "remember", "bury", "append", "freeze", "acknowledge", "renew"}
)


class Laptop:
    """One machine with the runtime's token: its disk, and the daemon that starts again after it died."""

    def __init__(self, world: World, name: str, witness: Witness, image: bytes | None = None) -> None:
        self.world, self.name, self.witness = world, name, witness
        self.asleep_until = 0.0
        self.switched_on = True
        self.journal = Journal(":memory:", lambda: world.rng.randbytes(16).hex(), image=image)
        self.desk: Desk | None = None
        self.agents: Agents | None = None
        self.connection: ConnectionId | None = None
        self.removed: set[SessionId] = set()
        self._heard_at = 0.0
        self._life = 0

    @property
    def lives(self) -> int:
        """How many processes its daemon has had."""
        return self._life

    @property
    def alive(self) -> bool:
        """Whether the daemon's process runs."""
        return self.desk is not None

    def settled(self) -> bool:
        """Whether nothing waits on this machine: no turn, nothing unsent, nothing unacknowledged."""
        if not self.switched_on:
            return True
        return (
            self.desk is not None
            and not self.journal.in_flight()
            and not self.journal.open_turns()
            and not self.journal.ready_sessions()
        )

    def start(self) -> None:
        """Starts the daemon's process, if it does not run."""
        if self.desk is not None or not self.switched_on:
            return
        self._life += 1
        life = self._life
        journal: Any = MortalJournal(self.journal, self._may_die)
        self.agents = Agents(self)
        self.desk = Desk(
            journal,
            self.agents,
            self._send,
            Identity(RuntimeId(RUNTIME), f"{self.name}-{life}"),
            dice=lambda: self.world.rng.randbytes(16).hex(),
            clock=lambda: self.world.now_s,
        )
        self.agents.desk = self.desk
        self.world.say("START", self.name, life)
        self.alive_only(life, self.desk.recover)
        self.alive_only(life, self._dial)
        self._again(life)

    def die(self) -> None:
        """The process is killed; a service starts it again."""
        if self.desk is None:
            return
        self.world.say("DIES", self.name)
        self.desk = self.agents = None
        if self.connection is not None:
            self.world.hang_up(self.connection)
            self.connection = None
        self.world.spawn(self.start, self.world.rng.uniform(1, 40))

    def say_goodnight(self) -> None:
        """Tells the plane that it goes to sleep; whether that arrives, and when, is the world's affair."""
        self._send(frames.RuntimeSleep(runtime_id=RuntimeId(RUNTIME)))

    def switch_off(self) -> None:
        """For good."""
        self.switched_on = False
        self.die()

    def alive_only(self, life: int, do: Callable[[], None]) -> None:
        """Does something in the process that has this life; it may die of it."""
        if self.desk is None or life != self._life:
            return
        try:
            do()
        except Died:
            self.die()
            return
        if self._is_taken_over():
            self.world.say("TAKEN OVER", self.name)
            self.desk = self.agents = None
            if self.connection is not None:
                self.world.hang_up(self.connection)
                self.connection = None
            # A person starts it again some day, or nobody does.
            self.world.spawn(self.start, self.world.rng.uniform(100, 600))

    def _is_taken_over(self) -> bool:
        return self.desk is not None and self.desk.taken_over

    def soon(self, do: Callable[[], None], delay: float) -> None:
        """Does something later, in this process."""
        life = self._life
        self.world.spawn(lambda: self.alive_only(life, do), delay, self)

    # ---- the socket

    def heard(self, connection_id: ConnectionId, body: bytes) -> None:
        """A message came."""
        if connection_id != self.connection or self.desk is None:
            return
        self._heard_at = self.world.now_s
        frame = codec.decode_daemon_down(body)
        desk = self.desk
        self.alive_only(self._life, lambda: desk.frame(frame))

    def cut(self, connection_id: ConnectionId) -> None:
        """The socket was closed."""
        if connection_id == self.connection and self.desk is not None:
            self._lost()

    def _lost(self) -> None:
        assert self.desk is not None
        self.connection = None
        self.desk.disconnected()
        self.soon(self._dial, self.world.rng.uniform(0.5, 20))

    def _dial(self) -> None:
        connection_id = ConnectionId(f"{self.name}-{self.world.rng.randbytes(5).hex()}")
        self.connection = connection_id
        self._heard_at = self.world.now_s
        connection = Connection(
            connection_id=connection_id,
            role="daemon",
            tenant_id=TENANT,
            created_at=self.world.now_s,
            expires_at=self.world.now_s + 7200,
            runtime_id=RUNTIME,
        )
        life = self._life

        def opened() -> None:
            if connection_id == self.connection and self.desk is not None:
                self.alive_only(life, self.desk.connected)

        self.world.dial(self, connection, opened)

    def _send(self, frame: Any) -> None:
        if self.connection is not None:
            self.world.send_up(self.connection, encode(frame))

    def _again(self, life: int) -> None:
        if self.desk is None or life != self._life:
            return
        desk = self.desk

        def tick() -> None:
            desk.tick(self.world.now_s)
            if self.connection is not None and self.world.now_s - self._heard_at > SILENT_S:
                self.world.hang_up(self.connection)
                self._lost()

        self.alive_only(life, tick)
        now = self.world.now_s
        wake = min(max(desk.next_wake(now) - now, 0.05), 5.0)
        self.world.spawn(lambda: self._again(life), wake, self)

    def _may_die(self) -> None:
        if self.world.chance(self.world.faults.daemon_dies):
            raise Died


class Agents:
    """The runner: agents that say a few things, ask now and then, and take their time."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        self.desk: Desk | None = None
        self._cancelled: set[TurnId] = set()
        self._running: dict[SessionId, TurnId] = {}
        self._verdicts: dict[EventId, str] = {}

    # ---- what the desk asks

    def start(self, order: TurnOrder) -> None:
        """Runs a turn, soon."""
        self.laptop.soon(lambda: self._begin(order), self.laptop.world.rng.random() * 3)

    def cancel(self, session_id: SessionId, turn_id: TurnId) -> None:
        """Stops it at its next step."""
        self._cancelled.add(turn_id)

    def verdict(self, frame: frames.PermissionVerdict) -> None:
        """Somebody answered."""
        self._verdicts[frame.tool_use_id] = frame.result

    def dispose(self, session_id: SessionId) -> None:
        """Removes the session once its agent is dead."""
        running = self._running.get(session_id)
        if running is not None:
            self._cancelled.add(running)
            return
        desk = self._desk()
        self.laptop.removed.add(session_id)
        desk.disposed(session_id)

    def active(self) -> tuple[TurnId, ...]:
        """What works."""
        return tuple(self._running.values())

    # ---- what the agents do

    def _desk(self) -> Desk:
        assert self.desk is not None
        return self.desk

    def _begin(self, order: TurnOrder) -> None:
        laptop, session_id, turn_id = self.laptop, order.session_id, order.turn_id
        if not self._desk().start_turn(session_id, turn_id):
            return
        if session_id in self._running:
            laptop.witness.overlaps.append((session_id, turn_id))
        if session_id in laptop.removed:
            laptop.witness.ghosts.append(turn_id)
        laptop.world.say("RUN", laptop.name, turn_id)
        laptop.witness.runs[laptop.name, turn_id] += 1
        laptop.witness.where[turn_id].add(laptop.name)
        self._running[session_id] = turn_id
        self._step(order, laptop.world.rng.randint(1, 3))

    def _step(self, order: TurnOrder, left: int) -> None:
        rng = self.laptop.world.rng
        if order.turn_id in self._cancelled:
            self._end(order, "cancelled")
        elif not left:
            self._end(order, "completed")
        elif rng.random() < 0.2:
            self._ask(order, left)
        else:
            text = OpenText(self._event_id(), order.turn_id, "agent.message")
            self._speak(order, left, text, rng.randint(1, 4))

    def _speak(self, order: TurnOrder, left: int, text: OpenText, pieces: int) -> None:
        rng = self.laptop.world.rng
        if pieces and order.turn_id not in self._cancelled:
            text.add(f"{rng.randbytes(3).hex()} ")
            self._desk().grow(order.session_id, text)
            delay = rng.choice([0.02, 0.5, 3.0, 20.0]) if rng.random() < 0.97 else rng.uniform(200, 900)
            self.laptop.soon(lambda: self._speak(order, left, text, pieces - 1), delay)
            return
        if text.text():
            big = " x" * 9000 if rng.random() < 0.03 else ""
            whole = text.text() + big
            self.laptop.witness.texts[text.event_id] = whole
            self._emit(order, ev.AgentMessage(id=text.event_id, turn_id=order.turn_id, content=(ev.TextBlock(whole),)))
        self.laptop.soon(lambda: self._step(order, left - 1), rng.choice([0.0, 0.2, 5.0]))

    def _ask(self, order: TurnOrder, left: int) -> None:
        tool_use_id = self._event_id()
        asked = ev.AgentToolUse(
            id=tool_use_id, turn_id=order.turn_id, name="bash", input={}, evaluated_permission="ask"
        )
        self._emit(order, asked)
        self.laptop.soon(lambda: self._await_verdict(order, left, tool_use_id), 1.0)

    def _await_verdict(self, order: TurnOrder, left: int, tool_use_id: EventId) -> None:
        said = self._verdicts.get(tool_use_id)
        cancelled = order.turn_id in self._cancelled
        if said is None and not cancelled:
            self.laptop.soon(lambda: self._await_verdict(order, left, tool_use_id), 2.0)
            return
        outcome: Any = "cancelled" if cancelled else said
        self._emit(
            order,
            ev.PermissionSettled(id=self._event_id(), turn_id=order.turn_id, tool_use_id=tool_use_id, outcome=outcome),
        )
        self.laptop.soon(lambda: self._step(order, left - 1), 0.1)

    def _emit(self, order: TurnOrder, event: Said) -> None:
        self.laptop.witness.emitted[self.laptop.name, order.session_id].append(event)
        self._desk().emit(order.session_id, [event])

    def _end(self, order: TurnOrder, outcome: Any) -> None:
        ended = ev.TurnEnded(id=self._event_id(), turn_id=order.turn_id, outcome=outcome, stop_reason="end_turn")
        self.laptop.witness.emitted[self.laptop.name, order.session_id].append(ended)
        self._running.pop(order.session_id, None)
        self._desk().end_turn(order.session_id, order.turn_id, [ended])

    def _event_id(self) -> EventId:
        return EventId(f"sevt_{self.laptop.world.rng.randbytes(12).hex()}")
