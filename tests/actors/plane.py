"""A whole plane over the in-memory stores, with what its I/O was, and the laptops and viewers at its sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from msgspec import Raw, Struct

from chalicelib.actors.assembly import assemble
from chalicelib.actors.frames import Frames
from chalicelib.actors.loop import Cause
from chalicelib.actors.ports import session_key
from chalicelib.core.catalog import Agent, Connection, RuntimeBinding
from chalicelib.core.record import SessionRecord, open_session
from chalicelib.core.repeats import Try
from chalicelib.core.session import Item, MessageIn
from chalicelib.core.session_state import SessionState
from chalicelib.wire import codec, frames
from chalicelib.wire import events as ev
from chalicelib.wire.codec import encode
from chalicelib.wire.ids import AgentId, ConnectionId, EventId, KeyId, OutboxId, RuntimeId, SessionId, TenantId, TurnId
from tests.fakes import FakeClock, FakeObjects, FakeSockets, Phase, fake_stores

TENANT, OTHER = TenantId("ten_1"), TenantId("ten_2")
RUNTIME = RuntimeId("rt_1")
SESSION = SessionId("sesn_1")
A, B = OutboxId("obx_a"), OutboxId("obx_b")
C1, C2, V1, V2 = ConnectionId("c1"), ConnectionId("c2"), ConnectionId("v1"), ConnectionId("v2")
DAY_S = 86_400.0

READS = {
    "objects.newest",
    "objects.by_cause",
    "objects.get",
    "objects.read",
    "objects.read_back",
    "bodies.get",
    "live.read",
    "work.of_runtime",
    "work.due",
    "connections.get",
    "attachments.of_session",
    "attachments.of_connection",
    "sessions.get",
}
PUTS = {
    "objects.append",
    "bodies.put",
    "live.put",
    "work.put",
    "work.postpone",
    "work.delete",
    "connections.put",
    "connections.delete",
    "attachments.put",
    "attachments.remove",
    "sessions.put",
    "sessions.summarise",
    "sessions.describe",
    "sessions.archive",
    "sessions.delete",
}
SUMMARY = {"sessions.put", "sessions.summarise", "sessions.describe", "sessions.archive", "sessions.delete"}

F = TypeVar("F", bound=Struct)


class Cost(Struct, frozen=True):
    """What an action did, in order; posts and pauses are not counted."""

    io: tuple[str, ...]

    @property
    def reads(self) -> int:
        """How many strong reads."""
        return sum(one in READS for one in self.io)

    @property
    def puts(self) -> int:
        """How many puts and deletes, without the summary row's."""
        return sum(one in PUTS - SUMMARY for one in self.io)

    @property
    def summaries(self) -> int:
        """How many writes of the summary row."""
        return sum(one in SUMMARY for one in self.io)


class Plane:
    """The plane. ``io`` is everything its stores were asked for; ``when`` makes something else happen at a point."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.io: list[str] = []
        self.hellos = 0
        self.lies: list[bool] = []
        self._hooks: list[tuple[str, Phase, Callable[[], object]]] = []
        self.described: list[tuple[TenantId, frames.Hello]] = []
        self.stores = fake_stores(self.clock, on_io=self._on_io, lie=lambda: bool(self.lies) and self.lies.pop(0))
        self.actors = assemble(self.stores, lambda tenant_id, hello: self.described.append((tenant_id, hello)))
        self.batches: Counter[OutboxId] = Counter()
        self.actors.rooms.open(TENANT, RUNTIME)

    # ---- the point of view of the test

    def _on_io(self, name: str, phase: Phase) -> None:
        if phase == "before":
            self.io.append(name)
        for hook in self._hooks:
            if hook[:2] == (name, phase):
                self._hooks.remove(hook)
                hook[2]()
                return

    def when(self, name: str, phase: Phase, then: Callable[[], object]) -> None:
        """The next time the plane does ``name``, ``then`` happens first (``before``) or straight after."""
        self._hooks.append((name, phase, then))

    def cost(self, action: Callable[[], object]) -> Cost:
        """What an action costs."""
        self.io.clear()
        action()
        return Cost(tuple(one for one in self.io if not one.startswith(("sockets.", "clock."))))

    @contextmanager
    def warm(self) -> Any:
        """As ``cost``, for a block; the plane knows by then which runtime the session belongs to."""
        self.actors.sessions.belongs(TENANT, SESSION, RUNTIME)
        found: list[Cost] = []
        self.io.clear()
        yield found
        found.append(Cost(tuple(one for one in self.io if not one.startswith(("sockets.", "clock.")))))

    # ---- sockets

    @property
    def sockets(self) -> FakeSockets:
        """What went out."""
        return cast("FakeSockets", self.stores.sockets)

    @property
    def objects(self) -> FakeObjects:
        """The logs themselves."""
        return cast("FakeObjects", self.stores.objects)

    @property
    def frames(self) -> Frames:
        """Where messages come in."""
        return self.actors.frames

    def say(self, connection_id: ConnectionId, frame: Struct) -> None:
        """A frame comes in."""
        self.frames.on_message(connection_id, encode(frame).decode())

    def heard(self, connection_id: ConnectionId) -> list[Any]:
        """The frames that went out to a connection since this was asked last."""
        down = codec.decode_viewer_down if connection_id.startswith("v") else codec.decode_daemon_down
        return [down(one) for one in self.sockets.posted.pop(connection_id, [])]

    def heard_of(self, connection_id: ConnectionId, kind: type[F]) -> list[F]:
        """Those of one kind."""
        return [one for one in self.heard(connection_id) if isinstance(one, kind)]

    # ---- laptops and viewers

    def connect(
        self,
        connection_id: ConnectionId,
        runtime_id: RuntimeId | None = RUNTIME,
        tenant_id: TenantId = TENANT,
        **more: Any,
    ) -> None:
        """A WebSocket is opened: a daemon's, or with ``runtime_id=None`` a viewer's."""
        self.frames.connected(
            Connection(
                connection_id=connection_id,
                role="daemon" if runtime_id else "viewer",
                tenant_id=tenant_id,
                created_at=self.clock.time,
                expires_at=self.clock.time + 7200,
                runtime_id=runtime_id,
                key_id=None if runtime_id else KeyId("key_1"),
                **more,
            )
        )

    def hello(self, connection_id: ConnectionId = C1, outbox: OutboxId = A, instance: str = "inst_1") -> None:
        """A daemon's hello."""
        self.hellos += 1
        said = frames.Hello(runtime_id=RUNTIME, instance=instance, seq=self.hellos, outbox=outbox)
        self.say(connection_id, said)

    def laptop(self, connection_id: ConnectionId = C1, outbox: OutboxId = A, instance: str = "inst_1") -> None:
        """A daemon connects and is welcomed."""
        self.connect(connection_id)
        self.hello(connection_id, outbox, instance)
        self.heard(connection_id)

    def ping(self, connection_id: ConnectionId = C1, active: tuple[TurnId, ...] = (), **more: Any) -> None:
        """A daemon's ping."""
        self.say(connection_id, frames.Ping(runtime_id=RUNTIME, active=active, **more))

    def viewer(self, connection_id: ConnectionId = V1, after: str | None = None, **more: Any) -> list[Any]:
        """A viewer connects and attaches; gives what it hears at once."""
        self.connect(connection_id, None)
        return self.attach(connection_id, after, **more)

    def attach(self, connection_id: ConnectionId = V1, after: str | None = None, **more: Any) -> list[Any]:
        """A viewer attaches; gives what it hears at once."""
        self.say(connection_id, frames.Attach(session_id=SESSION, after=after, **more))
        return self.heard(connection_id)

    # ---- sessions

    def session(self, *items: Item, session_id: SessionId = SESSION, **limits: Any) -> None:
        """Somebody makes a session."""
        agent = Agent(
            tenant_id=TENANT,
            agent_id=AgentId("agent_1"),
            version=1,
            name="Echo",
            created_at=0.0,
            updated_at=0.0,
            runtime_binding=RuntimeBinding(runtime_id=RUNTIME, acp_agent_id="echo"),
            **limits,
        )
        self.actors.sessions.create(
            session_id, agent, title=None, metadata={}, environment_id="env", items=items, expires_in_s=DAY_S
        )

    def post(
        self, *items: Item, cause: Cause | None = None, expires_in_s: float = DAY_S, attempt: Try | None = None
    ) -> SessionRecord:
        """Somebody posts; one message if nothing else is given."""
        given = items or (text(),)
        return self.actors.sessions.post(
            TENANT, SESSION, given, expires_in_s=expires_in_s, cause=cause, attempt=attempt
        )

    @property
    def state(self) -> SessionState:
        """The session as it stands."""
        return self.log()[-1].state

    @property
    def turn_id(self) -> TurnId:
        """The running turn's id."""
        turn = self.state.turn
        assert turn is not None
        return turn.turn_id

    def log(self, session_id: SessionId = SESSION) -> list[SessionRecord]:
        """The session's records."""
        records = self.objects.logs.get(session_key(TENANT, session_id), {})
        return [open_session(records[n].body) for n in sorted(records)]

    def accept(self, connection_id: ConnectionId = C1) -> None:
        """The daemon has the running turn on disk."""
        self.say(connection_id, frames.SessionAccepted(runtime_id=RUNTIME, session_id=SESSION, turn_id=self.turn_id))

    def batch(self, *events: Struct, connection_id: ConnectionId = C1, outbox: OutboxId = A, **more: Any) -> None:
        """The daemon's next batch."""
        self.batches[outbox] += 1
        self.send_batch(*events, connection_id=connection_id, outbox=outbox, number=self.batches[outbox], **more)

    def send_batch(
        self, *events: Struct, number: int, connection_id: ConnectionId = C1, outbox: OutboxId = A, live_from: int = 0
    ) -> None:
        """A batch with a number of one's choice."""
        self.say(
            connection_id,
            frames.SessionEvent(
                runtime_id=RUNTIME,
                session_id=SESSION,
                outbox=outbox,
                batch=number,
                events=Raw(b"[" + b",".join(encode(one) for one in events) + b"]"),
                live_from=live_from,
            ),
        )

    def delta(self, counter: int, offset: int, said: str, event: str = "sevt_x", **more: Any) -> None:
        """A piece of what the agent is writing."""
        turn_id = more.pop("turn_id", None) or self.turn_id
        piece = frames.SessionDelta(
            runtime_id=RUNTIME,
            session_id=SESSION,
            turn_id=turn_id,
            counter=counter,
            event_id=EventId(event),
            event_type=more.pop("event_type", "agent.message"),
            offset=offset,
            text=said,
        )
        self.say(more.pop("connection_id", C1), piece)

    def said(self, name: str = "sevt_x", body: str = "Hi") -> ev.AgentMessage:
        """The agent's message in the running turn."""
        return ev.AgentMessage(id=EventId(name), turn_id=self.turn_id, content=(ev.TextBlock(body),))

    def asks(self, name: str = "sevt_ask") -> ev.AgentToolUse:
        """The agent's question in the running turn."""
        return ev.AgentToolUse(
            id=EventId(name), turn_id=self.turn_id, name="bash", input={}, evaluated_permission="ask", call_hash="c"
        )

    def ended(self, outcome: Any = "completed") -> ev.TurnEnded:
        """The daemon's last word on the running turn."""
        return ev.TurnEnded(id=EventId(f"sevt_end_{self.state.orders}"), turn_id=self.turn_id, outcome=outcome)


def text(said: str = "Hello") -> MessageIn:
    """A message with one piece of text."""
    return MessageIn((ev.TextBlock(said),))


def texts(events: list[dict[str, Any]]) -> list[str]:
    """What users and agents said in these events."""
    return [one["content"][0]["text"] for one in events if one["type"] in ("user.message", "agent.message")]


def conversation(plane: Plane, waiting: int = 2) -> None:
    """Two turns lived, a third running, and messages that wait; the second one waited through the first."""
    plane.post(text("one"))
    plane.accept()
    plane.post(text("two"))
    plane.post(text("three"))
    plane.batch(plane.said("sevt_1", "first"))
    plane.batch(plane.ended())
    plane.batch(plane.said("sevt_2", "second"), plane.ended())
    plane.batch(plane.said("sevt_3", "third"))
    for k in range(waiting):
        plane.post(text(f"waiting {k}"))


LIVED = ["one", "first", "two", "second", "three", "third", "waiting 0", "waiting 1"]
