"""The limits of a tenant: whoever reaches one is told so, which one it is, and when to come back. Never silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

import pytest
from chalice.test import HTTPResponse

from chalicelib import wiring
from chalicelib.core.tenant_limits import LimitName
from tests.knocking import STATE, Person, World

from .scene import Team, team, told


def enrol(person: Person) -> HTTPResponse:
    """Sets up another laptop."""
    code = person.post("/v1/runtimes/connect-runtime", {"state": STATE})["code"]
    machine = {"machine_id": "another", "hostname": "mbp", "os": "darwin/arm64", "version": "0.1.0"}
    return person.world.ask("POST", "/agents/runtime/exchange", None, {"code": code, "state": STATE, **machine})


def upload(person: Person) -> HTTPResponse:
    """Uploads three bytes."""
    parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n--b--\r\n'
    return person.ask("POST", "/v1/files", parts, content_type="multipart/form-data; boundary=b")


def by(name: str) -> Callable[[Team], HTTPResponse]:
    """Asks a route in the way in which the team would be answered."""
    return lambda ours: ours.ask(name, ours.person.secret)


MAKERS: Final[dict[str, Callable[[Team], HTTPResponse]]] = {
    "max_users": by("create_user"),
    "max_api_keys": by("create_key"),
    "max_runtimes": lambda ours: enrol(ours.person),
    "max_agents": by("create_agent"),
    "max_sessions": by("create_session"),
    "max_file_bytes": lambda ours: upload(ours.person),
}
"""By limit, what makes one more."""


@pytest.fixture(scope="module")
def ours() -> Iterator[Team]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        yield team(World())
        wiring.reset()


def test_every_limit_is_reached_here() -> None:
    assert set(MAKERS) == set(get_args(LimitName))


@pytest.mark.parametrize("name", MAKERS)
def test_one_more_than_a_tenant_may_have_is_refused_with_when_to_come_back(ours: Team, name: str) -> None:
    """Catches a limit that nobody looks at, and a refusal that an SDK repeats at once."""
    limits: dict[str, Any] = {name: 0}
    ours.person.post("/v1/tenant", {"limits": limits})
    refused = MAKERS[name](ours)
    ours.person.post("/v1/tenant", {"limits": {name: None}})
    assert told(refused) == (429, "limit_reached")
    assert refused.json_body["error"]["param"] == name
    assert int(refused.headers["Retry-After"]) > 0
    assert MAKERS[name](ours).status_code == 200, "the same request, once there is room"


def test_a_canary_counts_as_a_session_and_is_refused_like_one(ours: Team) -> None:
    ours.person.post("/v1/tenant", {"limits": {"max_sessions": 0}})
    refused = ours.laptop.ask("POST", "/agents/runtime/canary")
    ours.person.post("/v1/tenant", {"limits": {"max_sessions": None}})
    assert told(refused) == (429, "limit_reached")
    assert int(refused.headers["Retry-After"]) > 0
