"""A plane with two teams in it, and for every route a request that its own team would be answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from chalice.test import HTTPResponse

from app import surfaces
from chalicelib.api.surface import Route
from chalicelib.core.access import KeyPrincipal, RuntimePrincipal
from tests.knocking import Laptop, Person, World, turn_of

ROUTES: Final = {route.view.__name__: route for surface in surfaces for route in surface.routes}

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def asked_by(route: Route) -> type | None:
    """Whom a route answers: people, laptops, or anybody (None)."""
    asking = route.types.get("asking")
    return asking if asking in (KeyPrincipal, RuntimePrincipal) else None


PEOPLES: Final = [name for name, route in ROUTES.items() if asked_by(route) is KeyPrincipal]
LAPTOPS: Final = [name for name, route in ROUTES.items() if asked_by(route) is RuntimePrincipal]
WITH_IDS: Final = [name for name in PEOPLES + LAPTOPS if "{" in ROUTES[name].path]
JSON_BODIES: Final = [name for name, route in ROUTES.items() if route.types.get("body", bytes) is not bytes]

ABSENT: Final = {
    "agent_id": "agent_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "event_id": "sevt_0123456789abcdef",
    "file_id": "file_0123456789abcdef",
    "key_id": "key_0123456789abcdef",
    "model_id": "agent_0123456789abcdef",
    "runtime_id": "rt_0123456789abcdef",
    "session_id": "sesn_0123456789abcdef",
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
    binding = {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo"}
    message = {"type": "user.message", "content": [{"type": "text", "text": "Hello"}]}
    return Team(
        person,
        laptop,
        ids={
            "agent_id": agent["id"],
            "session_id": session["id"],
            "event_id": events[-1]["id"],
            "turn_id": turn_id,
            "runtime_id": laptop.runtime_id,
        },
        bodies={
            "connect_runtime": {"state": "0123456789abcdef"},
            "exchange_code": {"code": "c", "state": "0123456789abcdef", "machine_id": "m"},
            "create_agent": {"name": "reviewer", "runtime_binding": binding},
            "create_session": {"agent": agent["id"]},
            "post_events": {"events": [message]},
        },
        queries={"session_bundle": "?agent_id=echo"},
    )


def told(response: HTTPResponse) -> tuple[int, str]:
    """The status and code of a refusal, which has the one shape of all."""
    body = response.json_body
    assert set(body) == {"type", "error", "request_id"}, body
    assert set(body["error"]) == {"type", "code", "message", "param"}, body
    assert body["request_id"] == response.headers["request-id"]
    return response.status_code, body["error"]["code"]
