"""Somebody who knocks at the plane: the app over in-memory stores, people with keys, and a laptop that answers.

One `World` is one plane. Requests go through Chalice's own request path; WebSocket events are handed to the app's
functions as Lambda would.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
from chalice.local import LambdaContext
from chalice.test import Client, HTTPResponse

from app import app
from chalicelib import wiring
from chalicelib.core.access import EVERYTHING, Role, token_hash
from chalicelib.core.catalog import ApiKey
from chalicelib.wire import frames
from chalicelib.wire.codec import decode_daemon_down, encode
from chalicelib.wire.events import TextBlock
from chalicelib.wire.ids import ConnectionId, KeyId, OutboxId, RuntimeId, TurnId
from chalicelib.wiring import Plane
from tests.fakes import FakeClock, FakeSockets, fake_stores

WS_URL = "ws://127.0.0.1:8081"
STATE = "0123456789abcdef"


class World:
    """A plane with nobody in it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sockets = FakeSockets()
        self.stores = fake_stores(self.clock, sockets=self.sockets)
        self.plane = Plane(self.stores, ws_url=WS_URL)
        wiring.use(self.plane)
        self.http = Client(app).http

    def tenant(self) -> Person:
        """A new tenant's first person, its owner."""
        people = self.plane.people
        user = people.join(people.found("a team").tenant_id, "Ada", None, "owner")
        minted = self.plane.keys.mint(user, "admin", EVERYTHING)
        return Person(self, minted.secret, user.user_id, minted.note.key_id)

    def old_key(self) -> Person:
        """A tenant's key from before there were people: it is nobody's, and may do everything."""
        secret = f"moor_{self.clock.token(24)}"
        tenant = self.plane.people.found("an old team")
        key = ApiKey(
            key_hash=token_hash(secret),
            key_id=KeyId(f"key_{self.clock.token(4)}"),
            tenant_id=tenant.tenant_id,
            name="admin",
            created_at=self.clock.now(),
        )
        self.stores.tenants.put_key(key)
        return Person(self, secret, "", key.key_id)

    def ask(self, method: str, path: str, secret: str | None = None, body: Any = None, **headers: str) -> HTTPResponse:
        """One request. A body that is no bytes is sent as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret is not None:
            sent["authorization"] = f"Bearer {secret}"
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if raw:
            sent.setdefault("content-type", "application/json")
        return self.http.request(method, path, headers=sent, body=raw)

    def ws(self, route: str, connection_id: str, **event: Any) -> dict[str, Any]:
        """Calls one of the three WebSocket functions."""
        functions = {"$connect": "ws_connect", "$default": "ws_message", "$disconnect": "ws_disconnect"}
        context = {
            "routeKey": route,
            "domainName": "plane.example",
            "stage": "api",
            "apiId": "a1b2c3",
            "connectionId": connection_id,
        }
        answer: dict[str, Any] = app.handler_map[functions[route]](
            {"requestContext": context, **event}, LambdaContext("f", 128)
        )
        return answer

    def said_to(self, connection_id: str) -> list[Any]:
        """What the plane has sent to a connection since this was last asked."""
        return [json.loads(one) for one in self.sockets.posted.pop(ConnectionId(connection_id), [])]


@dataclass
class Person:
    """Somebody with an API key."""

    world: World
    secret: str = field(repr=False)
    user_id: str = ""
    key_id: str = ""

    def colleague(self, role: Role) -> Person:
        """Another person of the tenant, with a key of their own."""
        user_id = self.post("/v1/users", {"name": f"a {role}", "role": role})["id"]
        return self.key(user_id=user_id)

    def key(self, **wanted: Any) -> Person:
        """Whoever holds another key, made by this one: for the same person unless another one is named."""
        made = self.post("/v1/api_keys", {"name": "another", **wanted})
        return Person(self.world, made["secret"], made["user_id"], made["id"])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        """One request with the person's key."""
        return self.world.ask(method, path, self.secret, body, **headers)

    def get(self, path: str) -> Any:
        """What a GET answers, which must succeed."""
        return answer(self.ask("GET", path))

    def post(self, path: str, body: Any) -> Any:
        """What a POST answers, which must succeed."""
        return answer(self.ask("POST", path, body))

    def laptop(self, machine_id: str = "machine-1") -> Laptop:
        """Enrols a laptop and connects its daemon."""
        code = self.post("/v1/runtimes/connect-runtime", {"state": STATE})["code"]
        body = {"code": code, "state": STATE, "machine_id": machine_id, "hostname": "mbp", "os": "darwin/arm64"}
        made = answer(self.world.ask("POST", "/agents/runtime/exchange", None, {**body, "version": "0.1.0"}))
        return Laptop(self.world, made["runtime_id"], made["token"])

    def agent(self, runtime_id: str, **more: Any) -> Any:
        """Makes an agent bound to a runtime."""
        binding = {"runtime_id": runtime_id, "acp_agent_id": "echo"}
        return self.post("/v1/agents", {"name": "reviewer", "runtime_binding": binding, **more})

    def session(self, agent_id: str, **more: Any) -> Any:
        """Makes a session."""
        return self.post("/v1/sessions", {"agent": agent_id, **more})

    def say(self, session_id: str, text: str, **headers: str) -> HTTPResponse:
        """Posts a message."""
        body = {"events": [{"type": "user.message", "content": [{"type": "text", "text": text}]}]}
        return self.ask("POST", f"/v1/sessions/{session_id}/events", body, **headers)


@dataclass
class Laptop:
    """A runtime, whose daemon says what a test makes it say."""

    world: World
    runtime_id: str
    token: str = field(repr=False)
    connection_id: str = "conn-1="
    outbox: str = "obx_1"
    batch: int = 0

    def ask(self, method: str, path: str, body: Any = None) -> HTTPResponse:
        """One request with the runtime's token."""
        return self.world.ask(method, path, self.token, body)

    def connect(self) -> Any:
        """Opens the daemon's WebSocket and says hello; the answers."""
        headers = {"Authorization": f"Bearer {self.token}"}
        assert self.world.ws("$connect", self.connection_id, headers=headers)["statusCode"] == 200
        hello = frames.Hello(
            runtime_id=RuntimeId(self.runtime_id),
            instance="i1",
            seq=1,
            outbox=OutboxId(self.outbox),
            version="0.2.0",
            hostname="mbp",
            os="darwin/arm64",
            agents=(frames.AgentReport(id="echo", binary="moor-echo-agent"),),
            local_skills={"echo": (frames.LocalSkill(id="audit", name="Audit"),)},
        )
        return self.say(hello)

    def say(self, frame: msgspec.Struct) -> Any:
        """Says a frame; what the plane answers on this connection."""
        self.world.ws("$default", self.connection_id, body=encode(frame).decode())
        return self.world.said_to(self.connection_id)

    def events(self, session_id: str, *events: dict[str, Any]) -> Any:
        """Sends a batch of events."""
        self.batch += 1
        frame = {
            "type": "session.event",
            "runtime_id": self.runtime_id,
            "session_id": session_id,
            "outbox": self.outbox,
            "batch": self.batch,
            "events": list(events),
        }
        self.world.ws("$default", self.connection_id, body=json.dumps(frame))
        return self.world.said_to(self.connection_id)

    def answers(self, session_id: str, turn_id: str, text: str) -> None:
        """Works a turn off: one message, and its end."""
        said = {"type": "agent.message", "id": f"sevt_a{turn_id[5:]}", "turn_id": turn_id, "content": [block(text)]}
        end = {"type": "mooring.turn_ended", "id": f"sevt_e{turn_id[5:]}", "turn_id": turn_id, "outcome": "completed"}
        self.events(session_id, said, end)


def block(text: str) -> dict[str, str]:
    """A text block as JSON."""
    built: dict[str, str] = msgspec.to_builtins(TextBlock(text))
    return built


def answer(response: HTTPResponse) -> Any:
    """The JSON of an answer that must be a success."""
    assert response.status_code == 200, (response.status_code, response.body)
    return response.json_body


def prompt_in(said: list[Any]) -> frames.SessionPrompt:
    """The prompt among the frames sent to a daemon."""
    found = [decode_daemon_down(json.dumps(one)) for one in said]
    (prompt,) = (one for one in found if isinstance(one, frames.SessionPrompt))
    assert isinstance(prompt.turn_id, str)
    return prompt


def turn_of(said: list[Any]) -> TurnId:
    """The turn that the frames sent to a daemon begin."""
    return prompt_in(said).turn_id
