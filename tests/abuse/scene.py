"""A plane with two teams in it, and for every route a request that its own team would be answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from chalice.test import HTTPResponse

from app import surfaces
from chalicelib.api.surface import Route
from chalicelib.core.access import CanaryPrincipal, KeyPrincipal, RuntimePrincipal, SessionPrincipal
from tests.knocking import Laptop, Person, World, answer, turn_of

ROUTES: Final = {route.view.__name__: route for surface in surfaces for route in surface.routes}

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def asked_by(route: Route) -> tuple[type, ...]:
    """Whom a route answers: people, laptops, session tokens; nobody where it answers anybody."""
    asking = route.types.get("asking")
    return get_args(asking) or (() if asking is None else (asking,))


PEOPLES: Final = [name for name, route in ROUTES.items() if KeyPrincipal in asked_by(route)]
LAPTOPS: Final = [name for name, route in ROUTES.items() if RuntimePrincipal in asked_by(route)]
OF_TOKENS: Final = [name for name in PEOPLES if SessionPrincipal in asked_by(ROUTES[name])]
OF_CANARIES: Final = [name for name in PEOPLES if CanaryPrincipal in asked_by(ROUTES[name])]
WITH_IDS: Final = [name for name in PEOPLES + LAPTOPS if "{" in ROUTES[name].path]
JSON_BODIES: Final = [name for name, route in ROUTES.items() if route.types.get("body", bytes) is not bytes]

ABSENT: Final = {
    "agent_id": "agent_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "event_id": "sevt_0123456789abcdef",
    "file_id": "file_0123456789abcdef",
    "key_id": "key_0123456789abcdef",
    "model_id": "agent_0123456789abcdef",
    "resource_id": "res_0123456789abcdef",
    "runtime_id": "rt_0123456789abcdef",
    "session_id": "sesn_0123456789abcdef",
    "thread_id": "sthr_0123456789abcdef",
    "token_id": "rtk_0123456789abcdef",
    "turn_id": "turn_0123456789abcdef",
    "user_id": "user_0123456789abcdef",
}
"""Ids of the right form that nobody has."""


@dataclass
class Team:
    """A tenant with one of everything.

    Attributes:
        ids: what stands in the braces of paths.
        bodies: for each route with a JSON body, one that is in order.
        queries: for each route that needs one, a query.
    """

    person: Person
    laptop: Laptop
    ids: dict[str, str]
    bodies: dict[str, Any] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)

    def path(self, name: str, ids: dict[str, str] | None = None) -> str:
        """The path of a route, with this team's ids or others."""
        filled = _PARAMETER.sub(lambda found: (ids or self.ids)[found[1]], ROUTES[name].path)
        return filled + self.queries.get(name, "")

    def body(self, name: str) -> Any:
        """A body in order; raises KeyError for a route that nobody has thought of."""
        wanted = ROUTES[name].types.get("body")
        if wanted is None:
            return None
        return b"{}" if wanted is bytes else self.bodies[name]

    def ask(self, name: str, secret: str | None, ids: dict[str, str] | None = None) -> HTTPResponse:
        """Asks a route in the way in which its own team would be answered, but by any secret and for any ids."""
        route = ROUTES[name]
        kind = route.content_type.replace("form-data", "form-data; boundary=b")
        return self.person.world.ask(route.method, self.path(name, ids), secret, self.body(name), content_type=kind)


def team(world: World) -> Team:
    """Makes a tenant with one of everything in it."""
    person = world.tenant()
    laptop = person.laptop(f"machine-{world.clock.token(4)}")
    laptop.connection_id = f"conn-{world.clock.token(4)}="
    laptop.connect()
    agent = person.agent(laptop.runtime_id)
    session = person.session(agent["id"])
    person.say(session["id"], "Hello")
    turn_id = turn_of(world.said_to(laptop.connection_id))
    laptop.answers(session["id"], turn_id, "Hi")
    events = person.get(f"/v1/sessions/{session['id']}/events")["data"]
    environment = person.post("/v1/environments", {"name": "desk", "config": {"type": "self_hosted"}})
    (token,) = person.get(f"/v1/runtimes/{laptop.runtime_id}/tokens")["tokens"]
    binding = {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo"}
    starts = {"state": "0123456789abcdef", "code_challenge": "A" * 43, "hostname": "build-7", "os": "linux"}
    device = answer(world.ask("POST", "/agents/runtime/device", None, starts))
    message = {"type": "user.message", "content": [{"type": "text", "text": "Hello"}]}
    return Team(
        person,
        laptop,
        ids={
            "agent_id": agent["id"],
            "environment_id": environment["id"],
            "event_id": events[-1]["id"],
            "file_id": upload(person)["id"],
            "key_id": person.key_id,
            "model_id": agent["id"],
            "resource_id": ABSENT["resource_id"],
            "runtime_id": laptop.runtime_id,
            "session_id": session["id"],
            "thread_id": ABSENT["thread_id"],
            "token_id": token["id"],
            "turn_id": turn_id,
            "user_id": person.user_id,
        },
        bodies={
            "answer_device": {"user_code": device["user_code"], "decision": "denied"},
            "announce_file": {"filename": "a.txt", "mime_type": "text/plain", "size_bytes": 3},
            "change_tenant": {"name": "a team"},
            "change_user": {"name": "Ada"},
            "connect_runtime": {"state": "0123456789abcdef"},
            "create_agent": {"name": "reviewer", "runtime_binding": binding},
            "create_environment": {"name": "desk", "config": {"type": "self_hosted"}},
            "create_key": {"name": "another"},
            "create_session": {"agent": agent["id"]},
            "create_session_token": {"name": "ci"},
            "create_user": {"name": "Bob", "role": "member"},
            "exchange_code": {"code": "c", "state": "0123456789abcdef", "machine_id": "m"},
            "find_device": {"user_code": device["user_code"]},
            "poll_device": {"device_code": device["device_code"]},
            "post_events": {"events": [message]},
            "rotate_key": {"grace_s": 60},
            "rotate_session_token": {"grace_s": 60},
            "share_runtime": {"shared": False},
            "start_device": starts,
            "sign_in": {"key": "moor_" + "0" * 48},
            "update_agent": {"description": "Reviews."},
            "update_environment": {"description": "Upstairs."},
            "update_session": {"title": "A title"},
        },
        queries={"session_bundle": "?agent_id=echo"},
    )


def upload(person: Person) -> Any:
    """A file of a team's."""
    parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n--b--\r\n'
    return answer(person.ask("POST", "/v1/files", parts, content_type="multipart/form-data; boundary=b"))


def told(response: HTTPResponse) -> tuple[int, str]:
    """The status and code of a refusal, which has the one shape of all."""
    body = response.json_body
    assert set(body) == {"type", "error", "request_id"}, body
    assert set(body["error"]) == {"type", "code", "message", "param"}, body
    assert body["request_id"] == response.headers["request-id"]
    return response.status_code, body["error"]["code"]
