"""A world in which everything that can go wrong between two steps does: the scheduler, the network and the Lambdas.

The plane's real actors run as greenlets over the stores and give way at every I/O point; there a Lambda may be slow,
or die. Puts are sometimes applied and reported refused. Messages between the sockets are delayed, reordered, lost
and doubled, and sockets are cut. How often, a mix of ``Faults`` says. A seed gives one schedule, always the same.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from greenlet import GreenletExit, getcurrent, greenlet
from msgspec.structs import replace

from chalicelib.actors.assembly import Actors, assemble
from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Connection
from chalicelib.wire.ids import ConnectionId, RuntimeId, TenantId
from tests.fakes import FakeClock, fake_stores

from .faults import EVERYTHING, Faults, Line

TENANT = TenantId("ten_1")
RUNTIME = RuntimeId("rt_1")
CONTAINERS = 3
"""Warm containers: each has caches of its own, so that one's memory may be older than another's."""


class Killed(BaseException):
    """A Lambda dies here. Not an Exception: nothing may catch it and go on."""


class Client(Protocol):
    """Whoever holds the far end of a WebSocket."""

    asleep_until: float

    def heard(self, connection_id: ConnectionId, body: bytes) -> None:
        """A message came."""

    def cut(self, connection_id: ConnectionId) -> None:
        """The socket was closed."""


@dataclass
class Wire:
    """One WebSocket. While it is ``numb`` nothing arrives any more, and nobody has felt it."""

    connection_id: ConnectionId
    client: Client
    line: Line
    open: bool = True
    numb: bool = False


@dataclass(order=True)
class _Task:
    wake: float
    order: float
    seq: int
    run: Callable[[], None] = field(compare=False)
    owner: Any = field(compare=False, default=None)
    of_plane: bool = field(compare=False, default=False)


class World:
    """One schedule.

    Args:
        seed: which one.
        stores: makes the stores, given the world (its clock, hooks and socket delivery).
        fault_s: until when things go wrong (seconds); afterwards everything settles.
        faults: what goes wrong, and how often.

    Attributes:
        befallen: how often which fault befell a socket, with the type of the frame that it befell.
    """

    def __init__(
        self, seed: int, stores: Callable[[World], Stores], fault_s: float, faults: Faults = EVERYTHING
    ) -> None:
        self.faults = faults
        self.befallen: Counter[tuple[str, str]] = Counter()
        self.rng = random.Random(seed)
        self.now_s = 1_000_000.0
        self.fault_until = self.now_s + fault_s
        self.wires: dict[ConnectionId, Wire] = {}
        self.trace: list[str] = []
        self.lambdas_killed = self.puts_denied = 0
        self.described: list[Any] = []
        self._tasks: list[_Task] = []
        self._seq = itertools.count()
        self._main = getcurrent()
        self._pause = 0.0
        self._lanes: set[greenlet] = set()
        self.plane_tasks = 0
        self.stores = stores(self)
        self.containers: list[Actors] = [
            assemble(self.stores, lambda _tenant_id, hello: self.described.append(hello)) for _ in range(CONTAINERS)
        ]

    # ---- time and chance

    def chance(self, p: float) -> bool:
        """Whether a fault of probability ``p`` happens here."""
        return p > 0 and self.now_s < self.fault_until and self.rng.random() < p

    def say(self, *what: object) -> None:
        """Notes something for whoever reads a failed schedule."""
        self.trace.append(f"{self.now_s - 1_000_000:9.2f} " + " ".join(map(str, what)))

    def spawn(self, run: Callable[[], None], delay: float = 0.0, owner: Client | None = None) -> None:
        """Runs something later; not while ``owner`` sleeps."""
        heapq.heappush(self._tasks, _Task(self.now_s + delay, self.rng.random(), next(self._seq), run, owner))

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Runs until ``until`` holds after the faults are over, or ``limit_s`` has passed. Returns whether it held."""
        end = self.now_s + limit_s
        looked = 0.0
        while self._tasks:
            task = heapq.heappop(self._tasks)
            asleep = getattr(task.owner, "asleep_until", 0.0)
            if asleep > max(self.now_s, task.wake):
                task.wake = asleep + self.rng.random()
                heapq.heappush(self._tasks, task)
                continue
            self.now_s = max(self.now_s, task.wake)
            if self.now_s > end:
                return False
            task.run()
            if self.now_s > self.fault_until and self.now_s > looked + 1.0:
                looked = self.now_s
                if until():
                    return True
        return until()

    def close(self) -> None:
        """Ends what still runs, so that the world can be forgotten."""
        self.fault_until = 0.0
        for lane in list(self._lanes):
            if lane:
                lane.throw(GreenletExit)
        self._lanes.clear()
        self._tasks.clear()

    # ---- Lambdas

    def invoke(self, label: str, call: Callable[[Actors], None], delay: float | None = None) -> None:
        """Runs ``call`` as a Lambda, in one of the containers."""
        actors = self.rng.choice(self.containers)
        self.plane_tasks += 1

        def body() -> None:
            try:
                call(actors)
            except Killed:
                self.lambdas_killed += 1
                self.say("KILLED", label)
            finally:
                self.plane_tasks -= 1

        lane = greenlet(body, self._main)
        self._lanes.add(lane)

        def step() -> None:
            if lane and self.chance(self.faults.lambda_dies):
                lane.throw(Killed)
            else:
                lane.switch()
            if lane.dead:
                self._lanes.discard(lane)
            else:
                self.spawn(step, self._pause)

        self.spawn(step, self.rng.random() * 0.05 if delay is None else delay)

    def io(self, name: str, phase: str) -> None:
        """An I/O point: before it other Lambdas run, and this one may be slow; before and after it this one may die."""
        if getcurrent() is self._main:
            return
        if phase == "after":
            if self.chance(self.faults.lambda_dies / 2):
                raise Killed
            return
        dawdles = self.chance(self.faults.lambda_dawdles)
        self._pause = self.rng.uniform(3.0, 90.0) if dawdles else self.rng.random() * 0.03
        self._main.switch()

    def pause(self, seconds: float) -> None:
        """A Lambda waits."""
        if getcurrent() is not self._main:
            self._pause = seconds
            self._main.switch()

    def lie(self) -> bool:
        """Whether a put that was applied is reported refused."""
        lied = self.chance(self.faults.put_denied)
        self.puts_denied += lied
        return lied

    # ---- the network

    def dial(self, client: Client, connection: Connection, opened: Callable[[], None]) -> None:
        """Opens a WebSocket: ``opened`` is called once the plane has let it in. A lost ``$connect`` never answers."""
        line = self.faults.daemons if connection.role == "daemon" else self.faults.viewers
        wire = Wire(connection.connection_id, client, line)

        def call(actors: Actors) -> None:
            actors.frames.connected(connection)
            self.wires[wire.connection_id] = wire
            self.spawn(opened, self.rng.random(), client)
            self._may_cut(wire, "handshake")

        self.invoke(f"connect {wire.connection_id}", call)

    def send_up(self, connection_id: ConnectionId, body: bytes) -> None:
        """A client sends a message: it may be late, lost, or arrive twice, and in any order."""
        wire = self.wires.get(connection_id)
        if wire is None or not wire.open:
            return
        for delay in self._copies(wire, body):
            self.invoke(
                f"message {body[:60]!r}",
                lambda actors: actors.frames.on_message(connection_id, body.decode()),
                delay,
            )

    def send_down(self, connection_id: ConnectionId, body: bytes) -> bool:
        """The plane posts a message. False when the connection is closed."""
        wire = self.wires.get(connection_id)
        if wire is None or not wire.open:
            return False
        for delay in self._copies(wire, body):
            self.spawn(
                lambda: wire.client.heard(connection_id, body) if wire.open and not wire.numb else None,
                delay,
                wire.client,
            )
        return True

    def hang_up(self, connection_id: ConnectionId) -> None:
        """Somebody closes a WebSocket; the other side's ``$disconnect`` is best effort."""
        wire = self.wires.get(connection_id)
        if wire is None or not wire.open:
            return
        wire.open = False
        self.spawn(lambda: wire.client.cut(connection_id), self.rng.random() * 2, wire.client)
        if not self.chance(wire.line.unreported):
            self.invoke(f"disconnect {connection_id}", lambda actors: actors.frames.disconnected(connection_id))

    def _copies(self, wire: Wire, body: bytes) -> Iterator[float]:
        """What becomes of a message: after how long each copy of it arrives (seconds)."""
        line, kind = wire.line, _kind(body)
        self._may_cut(wire, kind)
        if wire.numb or not wire.open or self._befalls(line.lost, "lost", kind):
            return
        for _ in range(2 if self._befalls(line.doubled, "doubled", kind) else 1):
            yield self.rng.random() * (line.late_s if self._befalls(line.late, "late", kind) else 0.3)
        self._may_cut(wire, kind)

    def _may_cut(self, wire: Wire, kind: str) -> None:
        if self._befalls(wire.line.cut / 2, "cut", kind):
            if self._befalls(wire.line.half_open, "half open", kind):
                wire.numb = True
            else:
                self.hang_up(wire.connection_id)

    def _befalls(self, p: float, fault: str, kind: str) -> bool:
        happens = self.chance(p)
        self.befallen[fault, kind] += happens
        return happens

    def sweeping(self, every_s: float = 60.0) -> None:
        """Starts the sweep."""

        def again() -> None:
            self.invoke("sweep", lambda actors: _drop(actors.sessions.sweep()))
            self.spawn(again, every_s)

        self.spawn(again, every_s * self.rng.random())


class _Tagged(msgspec.Struct):
    type: str


def _kind(body: bytes) -> str:
    """A frame's type."""
    return msgspec.json.decode(body, type=_Tagged).type


def _drop(_answer: object) -> None:
    """For a call whose answer nobody wants."""


@dataclass
class SimClock:
    """The stores' clock in a world."""

    world: World

    def now(self) -> float:
        """Epoch seconds."""
        return self.world.now_s

    def token(self, n_bytes: int) -> str:
        """Chance from the schedule."""
        return self.world.rng.randbytes(n_bytes).hex()

    def pause(self, seconds: float) -> None:
        """Lets others run."""
        self.world.pause(seconds)


@dataclass
class SimSockets:
    """The plane's way to the far ends."""

    world: World

    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        """Sends one message, perhaps."""
        self.world.io("sockets.post", "before")
        return self.world.send_down(connection_id, message)

    def close(self, connection_id: ConnectionId) -> None:
        """Closes the connection."""
        self.world.io("sockets.close", "before")
        self.world.hang_up(connection_id)


def in_memory(world: World) -> Stores:
    """The in-memory stores, giving way to the world at every I/O point."""
    made = fake_stores(FakeClock(), on_io=world.io, lie=world.lie)
    return replace(made, clock=SimClock(world), sockets=SimSockets(world))
