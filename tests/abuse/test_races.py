"""Many at once, through the whole app over the real stores: of those who change one thing, one is told yes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from app import app
from chalicelib import wiring
from chalicelib.outbound.clock import Clock
from chalicelib.stores import open_tables
from chalicelib.wiring import Plane
from infra.local.functions import PlaneFunctions
from infra.tables import create_tables
from tests.knocking import WS_URL, Person, World
from tests.stores.conftest import REGION, as_stores, at_once

N = 50


class RealWorld(World):
    """A plane over the real stores, with real chance: two threads may draw at the same moment."""

    def __init__(self) -> None:
        super().__init__()
        create_tables(prefix="races")
        self.stores = replace(as_stores(open_tables("races", region=REGION)), sockets=self.sockets, clock=Clock())
        self.plane = Plane(self.stores, ws_url=WS_URL)
        wiring.use(self.plane)


@pytest.fixture(scope="module")
def ada(aws: None) -> Iterator[Person]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", REGION)
        yield RealWorld().tenant()
        wiring.reset()


@pytest.fixture(scope="module")
def functions() -> PlaneFunctions:
    """The app as the local gateway calls it, from many threads."""
    return PlaneFunctions(app, connections_url="http://127.0.0.1:9", timeout_s=29)


def post_at_once(functions: PlaneFunctions, ada: Person, path: str, bodies: list[Any]) -> list[dict[str, Any]]:
    """What each of these bodies is answered when all are sent at the same moment."""
    headers = {"authorization": f"Bearer {ada.secret}", "content-type": "application/json"}

    def post(i: int) -> dict[str, Any]:
        return functions.http("POST", path, headers, json.dumps(bodies[i]).encode())

    answers = at_once(len(bodies), post)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    return [one for one in answers if not isinstance(one, Exception)]


def header(answer: dict[str, Any], name: str) -> str | None:
    """A header of an answer, by its name in whatever case."""
    return next((value for key, value in answer["headers"].items() if key.lower() == name), None)


def test_of_fifty_updates_of_one_version_one_wins_and_the_others_are_told_which_version_there_is(
    ada: Person, functions: PlaneFunctions
) -> None:
    """Catches an update that is lost, one that is told yes twice, and an SDK that sends a refused one again."""
    agent = ada.agent(ada.laptop().runtime_id)
    bodies = [{"version": 1, "description": f"of writer {i}"} for i in range(N)]
    answers = post_at_once(functions, ada, f"/v1/agents/{agent['id']}", bodies)
    won = [i for i, one in enumerate(answers) if one["statusCode"] == 200]
    assert len(won) == 1, [one["statusCode"] for one in answers]
    for one in answers[: won[0]] + answers[won[0] + 1 :]:
        error = json.loads(one["body"])["error"]
        assert (one["statusCode"], error["code"]) == (409, "agent_version_conflict")
        assert "is at version 2 now" in error["message"]
        assert header(one, "x-should-retry") == "false"
    found = ada.get(f"/v1/agents/{agent['id']}")
    assert (found["version"], found["description"]) == (2, f"of writer {won[0]}")
    assert [one["version"] for one in ada.get(f"/v1/agents/{agent['id']}/versions")["data"]] == [2, 1]


def test_of_twenty_rotations_of_one_session_token_every_secret_that_was_shown_is_known_and_one_is_the_newest(
    ada: Person, functions: PlaneFunctions
) -> None:
    """Catches a secret that is shown and opens nothing, since somebody else's was written over it."""
    session = ada.session(ada.agent(ada.laptop("machine-2").runtime_id)["id"])
    path = f"/v1/sessions/{session['id']}/tokens"
    made = ada.post(path, {"name": "ci"})
    answers = post_at_once(functions, ada, f"{path}/{made['id']}/rotate", [{"grace_s": 60}] * 20)
    told = {one["statusCode"] for one in answers}
    assert told <= {200, 503}
    shown = [json.loads(one["body"])["token"] for one in answers if one["statusCode"] == 200]
    assert shown
    for secret in shown:
        assert ada.world.ask("GET", f"/v1/sessions/{session['id']}", secret).status_code == 200
    assert all(header(one, "retry-after") for one in answers if one["statusCode"] == 503)
