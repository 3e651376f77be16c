"""A little history of a plane over its real stores: everything that can be written down is written down once.

One team, one laptop and its daemon, three viewers, a reader that polls, and sessions:

    lived       from its creation through questions, interrupts, lost laptops and failures to its deletion
    asking      its turn waits for an answer, a message waits behind it, somebody watches; two of its events are spilled
    disposing   deleted here, not yet on its laptop
    away        messages wait for a laptop that was never there; an SDK posted one of them twice
    archived    was shown an image and a document, was renamed, and is read only now
    fresh       made, and never spoken to
    asked for   two, each of which was asked for twice: under a key, and by an SDK

Time moves by a second at each step, so that a plane as of any moment can be told from the times of its records.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from msgspec import Raw

from chalicelib import wiring
from chalicelib.core.access import token_hash
from chalicelib.core.catalog import ApiKey
from chalicelib.stores import Tables, bodies
from chalicelib.wire import events as ev
from chalicelib.wire import frames
from chalicelib.wire.codec import digest, encode
from chalicelib.wire.ids import EventId, KeyId, RuntimeId, SessionId, TurnId
from tests.knocking import Laptop, Person, answer
from tests.schedules.moto_world import tables_on_moto

from .team import Team
from .world import Daemon, MotoWorld

PART_BYTES = 9_000
"""Size of a body's parts here: what is read back does not depend on it, and what is frozen stays small."""

MADE_UNDER: Final = "make-key"
"""The idempotency key under which a session was asked for, with ``made_under_a_key``."""


@dataclass(frozen=True)
class Lived:
    """What the history leaves behind: the tables, whoever may go on, and the bundle of the session that still runs."""

    tables: Tables
    api_key: str
    laptop: Laptop
    bundle: bytes


@contextmanager
def lived() -> Iterator[Lived]:
    """The history, from an empty plane to its last step."""
    with tables_on_moto() as tables, patch.object(bodies, "PART_BYTES", PART_BYTES):
        try:
            yield _History(MotoWorld(tables)).run(tables)
        finally:
            wiring.reset()


class _History:
    def __init__(self, world: MotoWorld) -> None:
        self.world = world
        self.tenant_id, secret = world.plane.tenants.bootstrap(None)
        self.me = Person(world, secret)
        self.laptop = self.me.laptop()
        self.daemon = Daemon(world, self.laptop, self.tenant_id)
        self.team = Team(world, self.me, self.laptop)
        self.plain = str(self.me.agent(self.laptop.runtime_id)["id"])
        self.events = 0

    def run(self, tables: Tables) -> Lived:
        self._beside()
        lived = self._make(self.plain, title="The first one", metadata={"ticket": "M-1"})
        self._questions(lived)
        self._turns_that_end_otherwise(lived)
        self._other_outboxes(lived)
        self._away_and_back(lived)
        self._deletes(lived)
        self.team.at_work(self.plain)
        self._ends_archived(self._make(self.plain, title="A drawing"))
        self._asked_for_twice()
        asking = self._make(self._whole_agent(), initial_events=[message("Look at the build.")])
        self._spills(asking)
        self._is_watched(asking)
        self._make(self.plain)
        path = f"/agents/runtime/sessions/{asking}/bundle?agent_id=echo"
        return Lived(tables, self.me.secret, self.laptop, self.laptop.ask("GET", path).body)

    def _beside(self) -> None:
        """What belongs to no session: a code that nobody used, a revoked key, a laptop that is never there."""
        at = self.world.clock.now()
        self.me.post("/v1/runtimes/connect-runtime", {"state": "0123456789abcdef", "code_challenge": "c" * 43})
        revoked = ApiKey(
            key_hash=token_hash("moor_gone"),
            key_id=KeyId("key_gone"),
            tenant_id=self.tenant_id,
            name="gone",
            created_at=at,
        )
        self.world.stores.tenants.put_key(revoked)
        self.world.stores.tenants.revoke_key(revoked.key_hash, at + 1)
        away = self.me.laptop("machine-2")
        self.world.stores.runtimes.revoke_tokens(self.tenant_id, RuntimeId(away.runtime_id), at + 1)
        self.me.laptop("machine-2")
        waiting = self._make(str(self.me.agent(away.runtime_id)["id"]))
        self._post(waiting, message("Are you there?"))
        for count in range(2):
            self._post(waiting, message("Hello?"), x_stainless_retry_count=str(count))

    def _questions(self, session_id: SessionId) -> None:
        """A turn that waited for its laptop, with every event that a daemon writes, and two questions."""
        self._post(session_id, message("one"), idempotency_key="first-key")
        self.daemon.hello("obx_1")
        turn = self.daemon.accept(session_id)
        call = ev.AgentToolUse(id=self._id(), turn_id=turn, name="read", input={"path": "a.py"}, title="Read a.py")
        self.daemon.tell(
            session_id,
            ev.AgentThinking(id=self._id(), turn_id=turn, text="Let me see."),
            call,
            ev.AgentToolResult(id=self._id(), turn_id=turn, tool_use_id=call.id, content=(ev.TextBlock("1 + 1"),)),
            ev.Planned(id=self._id(), turn_id=turn, entries=({"content": "Fix it", "status": "pending"},)),
            ev.Used(id=self._id(), turn_id=turn, usage={"input_tokens": 12, "output_tokens": 3}),
            ev.Noted(id=self._id(), turn_id=turn, kind="context_lost", text="The agent began anew."),
            Raw(b'{"type":"agent.of_tomorrow","id":"sevt_newer","turn_id":"turn_1","mood":{"good":true}}'),
        )
        asked = [self._ask(turn, "write"), self._ask(turn, "push")]
        self.daemon.tell(session_id, *asked, live_from=7)
        self._post(session_id, {"type": "user.tool_confirmation", "tool_use_id": asked[0].id, "result": "allow"})
        no = {"result": "deny", "deny_message": "Not today."}
        self._post(session_id, {"type": "user.tool_confirmation", "tool_use_id": asked[1].id, **no})
        self._post(session_id, message("two"), message("two and a half"))
        self.daemon.tell(
            session_id,
            ev.PermissionSettled(id=self._id(), turn_id=turn, tool_use_id=asked[0].id, outcome="allow"),
            ev.PermissionSettled(id=self._id(), turn_id=turn, tool_use_id=asked[1].id, outcome="deny"),
            self._said(turn, "Done.\n" * 1_400),
            self._said(turn, "And told.\n" * 850),
        )
        self.daemon.tell(session_id, self._ended(turn, outcome="completed", stop_reason="end_turn"))

    def _turns_that_end_otherwise(self, session_id: SessionId) -> None:
        """A cancelled turn, a failed one, and one whose laptop lost its disk."""
        turn = self.daemon.accept(session_id)
        self._post(session_id, message("three"))
        self._post(session_id, {"type": "user.interrupt"})
        self.daemon.tell(session_id, self._ended(turn, outcome="cancelled", stop_reason="cancelled"))
        turn = self.daemon.accept(session_id)
        error = ev.ErrorBody(message="The agent ended.", code="agent_crashed", retry_status=ev.RetryStatus("exhausted"))
        self.daemon.tell(
            session_id,
            ev.SessionError(id=self._id(), error=error, turn_id=turn),
            self._ended(turn, outcome="failed", error=error),
        )
        self._post(session_id, message("four"))

    def _other_outboxes(self, session_id: SessionId) -> None:
        """More outboxes than a session keeps watermarks of; the running turn ends with the first of them."""
        turn = self.daemon.turn_of(session_id)
        for outbox in range(2, 7):
            self.daemon.hello(f"obx_{outbox}")
            self.daemon.tell(session_id, ev.Noted(id=self._id(), turn_id=turn, kind="outbox_renewed"))

    def _away_and_back(self, session_id: SessionId) -> None:
        """A ping that renews the lease; then the laptop sleeps, one message expires, one is taken back."""
        self.world.clock.time += 100
        self.daemon.say(frames.Ping(runtime_id=RuntimeId(self.laptop.runtime_id)))
        self.daemon.say(frames.RuntimeSleep(runtime_id=RuntimeId(self.laptop.runtime_id)))
        self._post(session_id, message("five"), expires_in=5)
        self.world.clock.time += 60
        self.world.plane.sessions.sweep()
        self._post(session_id, message("six"))
        self._post(session_id, {"type": "user.interrupt"})
        self._post(session_id, message("seven"))
        self.daemon.hello("obx_6")
        self.daemon.accept(session_id)
        self._post(session_id, message("eight"))

    def _deletes(self, session_id: SessionId) -> None:
        """One session is deleted here and there, another one here only."""
        other = self._make(self.plain, initial_events=[message("Never mind.")])
        for one in (session_id, other):
            self.world.clock.time += 1
            answer(self.me.ask("DELETE", f"/v1/sessions/{one}"))
        self.daemon.say(frames.SessionDisposed(runtime_id=RuntimeId(self.laptop.runtime_id), session_id=session_id))

    def _ends_archived(self, session_id: SessionId) -> None:
        """It is shown a file by its id and another one whole; it is renamed, worked off, and put away."""
        drawing = {"type": "image", "source": {"type": "file", "file_id": self.team.drawing}}
        notes = {"type": "base64", "media_type": "text/plain", "data": b64encode(b"Mind the gap.\n").decode()}
        document = {"type": "document", "source": notes, "title": "Notes", "context": "Mine, from yesterday."}
        content = [*message("What is this?")["content"], drawing, document]
        self._post(session_id, {"type": "user.message", "content": content}, x_stainless_retry_count="0")
        self._change(session_id, title="The drawing", metadata={"ticket": "M-2"})
        turn = self.daemon.accept(session_id)
        self.daemon.tell(session_id, self._said(turn, "A bridge."), self._ended(turn, outcome="completed"))
        self.world.clock.time += 1
        self.me.post(f"/v1/sessions/{session_id}/archive", {})

    def _asked_for_twice(self) -> None:
        """Each of two requests for a session comes again, and makes one."""
        for count in range(2):
            self.world.clock.time += 1
            by_key = made_under_a_key(self.plain)
            answer(self.me.ask("POST", "/v1/sessions", by_key, idempotency_key=MADE_UNDER))
            by_sdk = {"agent": self.plain, "title": "Made by an SDK"}
            answer(self.me.ask("POST", "/v1/sessions", by_sdk, x_stainless_retry_count=str(count)))

    def _spills(self, session_id: SessionId) -> None:
        """Events that are too large: one that the plane puts aside, one that the daemon has uploaded in parts."""
        turn = self.daemon.accept(session_id)
        large = self._said(turn, "A long story.\n" * 1_250)
        body = encode(large)
        answer(self.laptop.ask("PUT", f"/agents/runtime/sessions/{session_id}/events/{large.id}", body))
        spilled = ev.Spilled(
            id=large.id, of="agent.message", n_bytes=len(body), sha256=digest(body), turn_id=large.turn_id
        )
        self.daemon.tell(session_id, spilled)
        self.daemon.tell(session_id, self._said(turn, "One half.\n" * 850), self._said(turn, "The other.\n" * 780))

    def _is_watched(self, session_id: SessionId) -> None:
        """Three viewers, one by the session's own token, and a reader that polls follow; a message is being written."""
        world, ticket = self.world, self.team.ticket(session_id)
        world.ws("$connect", "view-1=", headers={"Authorization": f"Bearer {self.me.secret}"})
        world.ws("$connect", "browser-1=", queryStringParameters={"ticket": ticket}, headers={})
        attach = frames.Attach(session_id=session_id, after="0", include=("mooring",))
        token = self.team.token(session_id)
        world.ws("$connect", "page-1=", headers={"Authorization": f"Bearer {token}"})
        for viewer in ("view-1=", "browser-1=", "page-1="):
            world.ws("$default", viewer, body=encode(attach).decode())
        world.plane.reading.follow(self.tenant_id, session_id, after=None, ours=False, deltas=())
        self._change(session_id, title="The build")
        self.daemon.write(session_id, 7, 0, "It is ")
        self.daemon.write(session_id, 8, 6, "the test that")
        self.daemon.tell(session_id, self._ask(self.daemon.turn_of(session_id), "run"), live_from=7)
        self._post(session_id, message("And then?"), idempotency_key="second-key")

    # ---- what the steps are made of

    def _whole_agent(self) -> str:
        """An agent with everything that one can have."""
        made = self.me.agent(
            self.laptop.runtime_id,
            name="Reviewer",
            model={"id": "some-model", "effort": "high"},
            description="Reviews code.",
            system="Be kind.",
            tools=[
                {
                    "type": "agent_toolset_20260401",
                    "default_config": {"permission_policy": {"type": "always_allow"}},
                    "configs": [{"name": "bash", "permission_policy": {"type": "always_ask"}}],
                }
            ],
            mcp_servers=[{"type": "url", "name": "linear", "url": "https://mcp.example/linear"}],
            skills=[{"type": "anthropic", "skill_id": "pdf"}],
            metadata={"team": "core"},
            permission_policy="always_allow",
            appendable_prompts=["Be brief."],
            workspace="/srv/shop",
            idle_limit_s=120,
            hard_limit_s=0,
        )
        return str(made["id"])

    def _make(self, agent_id: str, **more: Any) -> SessionId:
        self.world.clock.time += 1
        return SessionId(self.me.session(agent_id, **more)["id"])

    def _post(
        self, session_id: SessionId, *events: dict[str, Any], expires_in: float = 86_400.0, **headers: str
    ) -> None:
        self.world.clock.time += 1
        body = {"events": events, "expires_in": expires_in}
        answer(self.me.ask("POST", f"/v1/sessions/{session_id}/events", body, **headers))

    def _change(self, session_id: SessionId, **details: Any) -> None:
        self.world.clock.time += 1
        self.me.post(f"/v1/sessions/{session_id}", details)

    def _id(self) -> EventId:
        self.events += 1
        return EventId(f"sevt_{self.events:024x}")

    def _said(self, turn_id: TurnId, text: str) -> ev.AgentMessage:
        return ev.AgentMessage(id=self._id(), turn_id=turn_id, content=(ev.TextBlock(text),))

    def _ask(self, turn_id: TurnId, name: str) -> ev.AgentToolUse:
        return ev.AgentToolUse(
            id=self._id(),
            turn_id=turn_id,
            name=name,
            input={"path": "a.py"},
            evaluated_permission="ask",
            call_hash=digest(name.encode()),
        )

    def _ended(self, turn_id: TurnId, **how: Any) -> ev.TurnEnded:
        return ev.TurnEnded(id=self._id(), turn_id=turn_id, **how)


def message(text: str) -> dict[str, Any]:
    """A message as people post it."""
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def made_under_a_key(agent_id: str) -> dict[str, Any]:
    """What was asked for under ``MADE_UNDER``."""
    return {"agent": agent_id, "title": "Made under a key", "initial_events": [message("Begin.")]}
