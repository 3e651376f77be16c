"""A scene to measure in: a laptop online, an agent, a session, and what it takes to get a turn going."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from urllib3.filepost import encode_multipart_formdata

from bench.meter import Request
from bench.plane import MeteredWorld, Site
from chalicelib.actors.follower import Follower
from chalicelib.wire import frames
from chalicelib.wire.codec import encode
from chalicelib.wire.ids import EventId, OutboxId, RuntimeId, SessionId, TurnId
from tests.knocking import Laptop, answer, block, turn_of

TEXT = (
    "The tests of the parser fail because the fixture still has the old column order; I change it and run them again."
)
"""What an event of the agent says here: a sentence, 115 bytes."""

PICTURE: Final = b"\x89PNG\r\n\x1a\n" + bytes(1000)


class Cost(Struct, frozen=True, kw_only=True):
    """What an action cost. Posts of the answers to HTTP requests are not messages and not counted.

    Attributes:
        strong_reads: strongly consistent DynamoDB requests.
        other_reads: eventually consistent ones.
        writes: puts, updates and deletes, those of ``rows`` among them.
        rows: of the writes, those to plain records: a session's summary row, a runtime's description.
        read_units: DynamoDB's read request units.
        write_units: DynamoDB's write request units.
        s3_requests: to S3, by the plane itself; an address that it signs for somebody else's is none.
        invocations: Lambda invocations.
        to_daemon: messages posted to the laptop.
        to_viewers: messages posted to viewers, by connection.
    """

    strong_reads: int
    other_reads: int
    writes: int
    rows: int
    read_units: float
    write_units: int
    invocations: int
    to_daemon: int
    to_viewers: tuple[int, ...]
    s3_requests: int = 0

    @property
    def posts(self) -> int:
        """All messages posted."""
        return self.to_daemon + sum(self.to_viewers)


class Scene:
    """A plane with one person and one laptop online, whose container has just served its first frames."""

    def __init__(self, site: Site) -> None:
        self.world: MeteredWorld = site.world()
        self.person = self.world.tenant()
        self.laptop: Laptop = self.person.laptop()
        self.first_said = self.laptop.connect()
        self.agent_id = self.person.agent(self.laptop.runtime_id)["id"]
        self.session_id = ""
        self.turn_id = TurnId("")
        self.viewers: list[str] = []
        self.follower: Follower | None = None
        self.file_id = ""
        self.cookie = ""
        self._counter = 0

    # ---- measuring

    def cost(self, act: Callable[[], object]) -> Cost:
        """Does it and tells what it cost."""
        self.world.site.meter.take()
        self.world.site.blob_meter.take()
        self.world.sockets.posted.clear()
        posted_at_end: dict[str, int] = {}
        counted = self._count_posts(posted_at_end)
        before = self.world.invocations
        act()
        counted()
        cost = _cost(self.world.site.meter.take(), self.world.invocations - before, posted_at_end)
        return replace(cost, s3_requests=self.world.site.blob_meter.take())

    def _count_posts(self, into: dict[str, int]) -> Callable[[], None]:
        def deliver(connection_id: str, _message: bytes) -> None:
            into[connection_id] = into.get(connection_id, 0) + 1

        self.world.sockets.deliver = deliver

        def stop() -> None:
            self.world.sockets.deliver = None

        return stop

    # ---- getting there

    def session(self) -> Scene:
        """Makes a session, and has the container know whose it is: that is remembered and read once."""
        self.session_id = self.person.session(self.agent_id)["id"]
        self.belongs()
        return self

    def belongs(self) -> None:
        """Has the container remember which laptop the session is bound to, as it does after one frame."""
        tenant_id = self.world.plane.tenants.key_principal(self.person.secret, "read").tenant_id
        runtime_id = RuntimeId(self.laptop.runtime_id)
        assert self.world.plane.sessions.belongs(tenant_id, SessionId(self.session_id), runtime_id)

    def running(self) -> Scene:
        """Makes a session with a turn that the laptop has on disk and that has said something."""
        self.session()
        self.say()
        self.accept()
        self.event("first")
        return self

    def watched(self, n_viewers: int = 1) -> Scene:
        """Attaches viewers by WebSocket."""
        for k in range(n_viewers):
            self.viewers.append(f"viewer-{k}=")
            self.connect_viewer(self.viewers[-1])
            self.attach(self.viewers[-1])
        return self

    # ---- people

    def say(self, **headers: str) -> None:
        """Somebody posts a message; remembers the turn that begins with it, if one does."""
        assert self.person.say(self.session_id, "Please fix the parser.", **headers).status_code == 200
        said = self.world.said_to(self.laptop.connection_id)
        if any(one["type"] == "session.prompt" for one in said):
            self.turn_id = turn_of(said)

    def post(self, event: dict[str, Any]) -> None:
        """Somebody posts another event."""
        self.person.post(f"/v1/sessions/{self.session_id}/events", {"events": [event]})

    def say_with_file(self) -> None:
        """Somebody posts a message that brings the uploaded picture."""
        picture = {"type": "image", "source": {"type": "file", "file_id": self.file_id}}
        self.post({"type": "user.message", "content": [block("Please look at this."), picture]})
        self.turn_id = turn_of(self.world.said_to(self.laptop.connection_id))

    def upload(self) -> None:
        """Somebody uploads a picture."""
        form, content_type = encode_multipart_formdata({"file": ("plan.png", PICTURE, "image/png")})
        self.file_id = answer(self.person.ask("POST", "/v1/files", form, content_type=content_type))["id"]

    def look(self) -> None:
        """Somebody asks for the session."""
        self.person.get(f"/v1/sessions/{self.session_id}")

    def sign_in(self) -> None:
        """Somebody's browser signs in."""
        signed = self.world.ask("POST", "/v1/login", None, {"key": self.person.secret})
        self.cookie = signed.headers["Set-Cookie"].partition(";")[0]

    def look_by_browser(self) -> None:
        """A page asks for the session by the browser's cookie."""
        answer(self.world.ask("GET", f"/v1/sessions/{self.session_id}", cookie=self.cookie))

    def rotate_key(self) -> None:
        """Somebody gives their key another secret."""
        self.person.post(f"/v1/api_keys/{self.person.key_id}/rotate", {})

    def share(self) -> None:
        """Somebody shares their laptop with the tenant."""
        self.person.post(f"/v1/runtimes/{self.laptop.runtime_id}", {"shared": True})

    def update_agent(self) -> None:
        """Somebody makes the agent's next version."""
        self.person.post(f"/v1/agents/{self.agent_id}", {"version": 1, "system": "Answer briefly."})

    def create_by_sdk(self) -> None:
        """An SDK makes another session."""
        asked = {"agent": self.agent_id}
        assert self.person.ask("POST", "/v1/sessions", asked, x_stainless_retry_count="0").status_code == 200

    def rename(self) -> None:
        """Somebody changes the session's title."""
        self.person.post(f"/v1/sessions/{self.session_id}", {"title": "Parser"})

    def archive(self) -> None:
        """Somebody archives the session."""
        self.person.post(f"/v1/sessions/{self.session_id}/archive", {})

    def delete(self) -> None:
        """Somebody deletes the session."""
        assert self.person.ask("DELETE", f"/v1/sessions/{self.session_id}").status_code == 200

    def connect_viewer(self, connection_id: str) -> None:
        """A viewer's WebSocket opens."""
        headers = {"Authorization": f"Bearer {self.person.secret}"}
        assert self.world.ws("$connect", connection_id, headers=headers)["statusCode"] == 200

    def attach(self, connection_id: str, after: str | None = None) -> None:
        """A viewer attaches to the session."""
        self.frame(connection_id, frames.Attach(session_id=SessionId(self.session_id), after=after))

    def frame(self, connection_id: str, frame: Struct) -> None:
        """Somebody says something on a WebSocket."""
        self.world.ws("$default", connection_id, body=encode(frame).decode())

    def follow(self) -> None:
        """Somebody's SSE request begins: what the streaming function does for it."""
        plane = self.world.plane
        tenant_id = plane.tenants.key_principal(self.person.secret, "read").tenant_id
        session_id = SessionId(self.session_id)
        self.follower = plane.reading.follow(tenant_id, session_id, after=None, ours=False, deltas=["agent.message"])

    def poll(self) -> None:
        """The streaming function looks for news for its reader."""
        assert self.follower is not None
        self.follower.poll()

    # ---- the laptop

    def reconnect(self, connection_id: str = "conn-2=") -> None:
        """The laptop's next WebSocket opens."""
        self.laptop.connection_id = connection_id
        headers = {"Authorization": f"Bearer {self.laptop.token}"}
        assert self.world.ws("$connect", connection_id, headers=headers)["statusCode"] == 200

    def hello(self, seq: int = 2) -> None:
        """The laptop says on its newest WebSocket what it said on its first one."""
        self.frame(
            self.laptop.connection_id,
            frames.Hello(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                instance="i1",
                seq=seq,
                outbox=OutboxId(self.laptop.outbox),
                version="0.2.0",
                hostname="mbp",
                os="darwin/arm64",
                agents=(frames.AgentReport(id="echo", binary="moor-echo-agent"),),
                local_skills={"echo": (frames.LocalSkill(id="audit", name="Audit"),)},
            ),
        )

    def ping(self, *, working: bool = False) -> None:
        """The laptop pings, with its open turn if it has one."""
        turn = frames.OpenTurn(session_id=SessionId(self.session_id), turn_id=self.turn_id, order=1)
        self.frame(
            self.laptop.connection_id,
            frames.Ping(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                active=(self.turn_id,) if working else (),
                turns=(turn,) if working else (),
            ),
        )

    def accept(self) -> None:
        """The laptop has the turn on disk."""
        self.frame(
            self.laptop.connection_id,
            frames.SessionAccepted(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                session_id=SessionId(self.session_id),
                turn_id=self.turn_id,
            ),
        )

    def event(self, name: str, kind: str = "agent.message", /, **fields: Any) -> None:
        """The laptop sends a batch of one event."""
        told = fields or {"content": [{"type": "text", "text": TEXT}]}
        event = {"type": kind, "id": f"sevt_{name}", "turn_id": self.turn_id, **told}
        self.laptop.events(self.session_id, event)

    def resend(self, name: str) -> None:
        """The laptop sends its newest batch again, which was the event ``name``."""
        self.laptop.batch -= 1
        self.event(name)

    def end(self) -> None:
        """The laptop sends the turn's end."""
        self.event(f"end{self.turn_id[5:]}", "mooring.turn_ended", outcome="completed", stop_reason="end_turn")

    def ask(self) -> None:
        """The agent asks whether it may run a tool."""
        command = {"command": "make test"}
        self.event("ask", "agent.tool_use", name="bash", input=command, evaluated_permission="ask", call_hash="0" * 64)

    def deny(self) -> None:
        """Somebody answers the agent's question."""
        self.post({"type": "user.tool_confirmation", "tool_use_id": "sevt_ask", "result": "deny"})

    def delta(self) -> None:
        """The laptop sends a piece of the event that the agent is writing."""
        self._counter += 1
        self.frame(
            self.laptop.connection_id,
            frames.SessionDelta(
                runtime_id=RuntimeId(self.laptop.runtime_id),
                session_id=SessionId(self.session_id),
                turn_id=self.turn_id,
                counter=self._counter,
                event_id=EventId("sevt_open"),
                event_type="agent.message",
                offset=(self._counter - 1) * 20,
                text=TEXT[:20],
            ),
        )

    def fetch_bundle(self) -> None:
        """The laptop asks for what the session's folder gets."""
        path = f"/agents/runtime/sessions/{self.session_id}/bundle?agent_id=echo"
        assert self.laptop.ask("GET", path).status_code == 200

    def fetch_file(self) -> None:
        """The laptop asks for the picture that the turn's message brings."""
        path = f"/agents/runtime/sessions/{self.session_id}/turns/{self.turn_id}/files/{self.file_id}"
        fetched = self.world.ask("GET", path, self.laptop.token, accept="application/octet-stream")
        assert fetched.body == PICTURE

    def disposed(self) -> None:
        """The laptop has disposed of the session."""
        runtime_id, session_id = RuntimeId(self.laptop.runtime_id), SessionId(self.session_id)
        self.frame(self.laptop.connection_id, frames.SessionDisposed(runtime_id=runtime_id, session_id=session_id))


def _cost(requests: list[Request], invocations: int, posted: dict[str, int]) -> Cost:
    writes = [one for one in requests if one.is_write]
    reads = [one for one in requests if not one.is_write]
    viewers = {name: n for name, n in posted.items() if name.startswith("viewer")}
    return Cost(
        strong_reads=sum(one.is_strong for one in reads),
        other_reads=sum(not one.is_strong for one in reads),
        writes=len(writes),
        rows=sum(one.table.endswith("-records") for one in writes),
        read_units=sum(one.read_units for one in reads),
        write_units=sum(one.write_units for one in writes),
        invocations=invocations,
        to_daemon=sum(posted.values()) - sum(viewers.values()),
        to_viewers=tuple(viewers[name] for name in sorted(viewers)),
    )
