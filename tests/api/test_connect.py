"""Connecting a machine without a browser, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.local import LambdaContext

from app import app
from chalicelib.actors.devices import DEVICE_TTL_S, INTERVAL_S, MAX_GUESSES
from chalicelib.actors.enrolment import challenge_of
from tests.house.tree import ROOT
from tests.knocking import STATE, Person, World, answer

VERIFIER = "v" * 50
STARTS = {"state": STATE, "code_challenge": challenge_of(VERIFIER), "hostname": "build-7", "os": "linux"}


def start(world: World, **headers: str) -> Any:
    return answer(world.ask("POST", "/agents/runtime/device", None, STARTS, **headers))


def poll(world: World, started: Any) -> tuple[int, str]:
    """The status, and the code of the refusal or the connect code."""
    told = world.ask("POST", "/agents/runtime/device/token", None, {"device_code": started["device_code"]})
    return told.status_code, told.json_body["code"] if told.status_code == 200 else told.json_body["error"]["code"]


def test_a_machine_gets_what_it_shows_and_what_it_keeps(world: World) -> None:
    started = start(world, host="plane.example", x_forwarded_proto="https")
    user_code = started["user_code"]
    assert started == {
        "device_code": started["device_code"],
        "user_code": user_code,
        "verification_uri": "https://plane.example/connect/device",
        "verification_uri_complete": f"https://plane.example/connect/device?user_code={user_code}",
        "expires_in": DEVICE_TTL_S,
        "interval": INTERVAL_S,
    }
    assert len(user_code) == 9
    assert start(world)["verification_uri"] == "http://localhost/connect/device"


def test_the_page_of_a_plane_with_a_stage_in_its_address_is_told_with_it(world: World) -> None:
    """Catches an address that leads nowhere on API Gateway's own names."""
    event = json.loads((ROOT / "tests" / "house" / "events" / "http_get_root.json").read_text(encoding="utf-8"))
    path = "/agents/runtime/device"
    context = {**event["requestContext"], "resourcePath": path, "path": f"/api{path}", "httpMethod": "POST"}
    headers = {**event["headers"], "content-type": "application/json"}
    sent = {**event, "path": path, "httpMethod": "POST", "body": json.dumps(STARTS), "requestContext": context}
    told = app({**sent, "headers": headers, "multiValueHeaders": None}, LambdaContext("f", 128))
    uri = json.loads(told["body"])["verification_uri"]
    assert uri == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/api/connect/device"


def test_a_person_connects_a_machine_by_the_code_that_it_shows(world: World, ada: Person) -> None:
    started = start(world)
    assert [poll(world, started), poll(world, started)] == [(400, "authorization_pending"), (400, "slow_down")]
    found = ada.post("/v1/runtimes/find-device", {"user_code": started["user_code"].lower()})
    assert found == {
        "user_code": started["user_code"],
        "hostname": "build-7",
        "os": "linux",
        "expires_at": int(world.clock.now() + DEVICE_TTL_S),
    }
    said = {"user_code": started["user_code"], "decision": "approved"}
    assert ada.post("/v1/runtimes/answer-device", said) == said
    status, code = poll(world, started)
    assert status == 200
    body = {"code": code, "state": STATE, "code_verifier": VERIFIER, "machine_id": "m1", "hostname": "build-7"}
    enrolled = answer(world.ask("POST", "/agents/runtime/exchange", None, body))
    (runtime,) = ada.get("/v1/runtimes")["runtimes"]
    assert (runtime["id"], runtime["owner"], runtime["hostname"]) == (enrolled["runtime_id"], ada.user_id, "build-7")


def test_a_machine_that_was_denied_or_forgotten_hears_so(world: World, ada: Person) -> None:
    denied, forgotten = start(world), start(world)
    ada.post("/v1/runtimes/answer-device", {"user_code": denied["user_code"], "decision": "denied"})
    assert poll(world, denied) == (400, "access_denied")
    world.clock.time += DEVICE_TTL_S
    assert poll(world, forgotten) == (400, "expired_token")


def test_too_many_guesses_are_told_when_to_come_back(world: World, ada: Person) -> None:
    wrong = {"user_code": "ZZZZ-ZZZZ"}
    for _ in range(MAX_GUESSES):
        assert ada.ask("POST", "/v1/runtimes/find-device", wrong).status_code == 404
    refused = ada.ask("POST", "/v1/runtimes/find-device", wrong)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "600")


@pytest.mark.parametrize(
    "changes", [{"state": "short"}, {"code_challenge": "x"}, {"code_challenge": None}, {"hostname": "x" * 256}]
)
def test_a_machine_that_asks_wrongly_is_refused(world: World, changes: dict[str, Any]) -> None:
    refused = world.ask("POST", "/agents/runtime/device", None, {**STARTS, **changes})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "bad_request")
