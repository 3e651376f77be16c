"""Who acts in the history: a plane over its real stores, and the daemon of its laptop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from msgspec import Raw, Struct
from msgspec.structs import replace

from chalicelib import wiring
from chalicelib.stores import Tables
from chalicelib.wire import frames
from chalicelib.wire.codec import encode
from chalicelib.wire.ids import EventId, OutboxId, RuntimeId, SessionId, TenantId, TurnId
from chalicelib.wiring import Plane
from tests.fake_files import FakeBlobs
from tests.knocking import WS_URL, Laptop, World
from tests.stores.conftest import as_stores

CLAUDE = frames.AgentReport(
    id="claude-acp",
    binary="claude-agent-acp",
    version="0.12.1",
    name="Claude Code",
    login="yes",
    capabilities=frames.AgentCapabilities(load=True, resume=True, image=True, auth_methods=("claude-login",)),
    measured=frames.AgentMeasures(asks=True, resumes=True, cancels=True, images=True, mcp=False, at=1_790_000_000.0),
    never_asks=("read",),
)


class MotoWorld(World):
    """A plane over the real stores, but for the bytes of files: those are no rows."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.blobs = FakeBlobs()
        self.stores = replace(as_stores(tables), blobs=self.blobs, sockets=self.sockets, clock=self.clock)
        self.plane = Plane(self.stores, ws_url=WS_URL)
        wiring.use(self.plane)


@dataclass
class Daemon:
    """The laptop's daemon, which says what the history makes it say."""

    world: World
    laptop: Laptop
    tenant_id: TenantId
    hellos: int = 0
    batches: Counter[tuple[str, SessionId]] = field(default_factory=Counter)

    def hello(self, outbox: str) -> None:
        """Opens another connection, says hello on it, and closes the one before."""
        before = self.laptop.connection_id if self.hellos else None
        self.hellos += 1
        self.laptop.connection_id, self.laptop.outbox = f"conn-{self.hellos}=", outbox
        headers = {"Authorization": f"Bearer {self.laptop.token}"}
        assert self.world.ws("$connect", self.laptop.connection_id, headers=headers)["statusCode"] == 200
        self.say(
            frames.Hello(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                instance="inst_1",
                seq=self.hellos,
                outbox=OutboxId(outbox),
                version="0.1.0",
                hostname="ada.example",
                os="darwin/arm64",
                agents=(CLAUDE,),
                local_skills={"claude-acp": (frames.LocalSkill(id="pdf", name="PDF", source="user"),)},
            )
        )
        if before is not None:
            self.world.ws("$disconnect", before)

    def leave(self) -> None:
        """Closes the connection."""
        self.world.clock.time += 1
        self.world.ws("$disconnect", self.laptop.connection_id)

    def say(self, frame: Struct) -> None:
        """Says a frame, a second after the one before."""
        self.world.clock.time += 1
        self.laptop.say(frame)

    def turn_of(self, session_id: SessionId) -> TurnId:
        """The session's running turn."""
        turn = self.world.plane.sessions.head(self.tenant_id, session_id).state.turn
        assert turn is not None
        return turn.turn_id

    def accept(self, session_id: SessionId) -> TurnId:
        """Has the session's turn on disk."""
        turn_id = self.turn_of(session_id)
        runtime_id = RuntimeId(self.laptop.runtime_id)
        self.say(frames.SessionAccepted(runtime_id=runtime_id, session_id=session_id, turn_id=turn_id))
        return turn_id

    def tell(self, session_id: SessionId, *events: Struct | Raw, live_from: int = 0) -> None:
        """Sends a batch."""
        self.batches[self.laptop.outbox, session_id] += 1
        joined = b",".join(bytes(one) if isinstance(one, Raw) else encode(one) for one in events)
        self.say(
            frames.SessionEvent(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                session_id=session_id,
                outbox=OutboxId(self.laptop.outbox),
                batch=self.batches[self.laptop.outbox, session_id],
                events=Raw(b"[" + joined + b"]"),
                live_from=live_from,
            )
        )

    def write(self, session_id: SessionId, counter: int, offset: int, text: str) -> None:
        """Sends a piece of a message still being written."""
        self.say(
            frames.SessionDelta(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                session_id=session_id,
                turn_id=self.turn_of(session_id),
                counter=counter,
                event_id=EventId("sevt_open"),
                event_type="agent.message",
                offset=offset,
                text=text,
            )
        )
