"""The three WebSocket functions: who is let in, as what, and what becomes of what they say."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.wire.ids import ConnectionId
from chalicelib.wire.limits import MAX_CONNECTION_S
from chalicelib.wiring import Plane
from tests.knocking import Laptop, Person, World, answer, block, turn_of


def row_of(world: World, connection_id: str) -> Any:
    return world.stores.connections.get(ConnectionId(connection_id))


def test_a_daemon_is_let_in_as_its_runtime(world: World, laptop: Laptop) -> None:
    (welcome,) = laptop.connect()
    assert (welcome["type"], welcome["epoch"]) == ("welcome", 1)
    row = row_of(world, laptop.connection_id)
    assert (row.role, row.runtime_id, row.key_id) == ("daemon", laptop.runtime_id, None)
    assert row.expires_at > world.clock.now() + MAX_CONNECTION_S


def test_a_daemon_is_told_to_ping_as_often_as_its_plane_wants(world: World, laptop: Laptop) -> None:
    wiring.use(Plane(world.stores, ping_s=5.0))
    (welcome,) = laptop.connect()
    assert welcome["ping_s"] == 5.0


@pytest.mark.parametrize("how", ["header", "x-api-key"])
def test_a_person_is_let_in_as_a_viewer(world: World, ada: Person, how: str) -> None:
    event: dict[str, Any] = {
        "header": {"headers": {"authorization": f"Bearer {ada.secret}"}},
        "x-api-key": {"headers": {"X-Api-Key": ada.secret}},
    }[how]
    assert world.ws("$connect", "c1", **event)["statusCode"] == 200
    row = row_of(world, "c1")
    assert (row.role, row.runtime_id) == ("viewer", None)
    assert row.key_id.startswith("key_")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"headers": {}},
        {"headers": {"Authorization": "Bearer moor_" + "0" * 48}},
        {"headers": {}, "queryStringParameters": {"ticket": "moor_tk_nope"}},
    ],
)
def test_nobody_is_refused_by_status(world: World, event: dict[str, Any]) -> None:
    assert world.ws("$connect", "c1", **event)["statusCode"] == 401
    assert row_of(world, "c1") is None


def test_a_key_in_the_address_lets_nobody_in(world: World, ada: Person) -> None:
    """Catches keys that end up in the logs of everything between a browser and the plane."""
    for name in ("token", "ticket", "api_key"):
        assert world.ws("$connect", "c1", headers={}, queryStringParameters={name: ada.secret})["statusCode"] == 401


def test_a_viewer_follows_a_session_from_its_beginning(world: World, ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    answer(ada.say(session_id, "hello"))
    world.ws("$connect", "c1", headers={"Authorization": f"Bearer {ada.secret}"})
    world.ws("$default", "c1", body=f'{{"type":"attach","session_id":"{session_id}","after":"0"}}')
    attached, *records = world.said_to("c1")
    assert (attached["type"], attached["online"]) == ("attached", True)
    seen = [one["event"]["type"] for record in records for one in record["events"]]
    assert seen == ["user.message", "session.status_running"]
    laptop.answers(session_id, turn_of(world.said_to(laptop.connection_id)), "hi")
    (pushed,) = world.said_to("c1")
    assert pushed["events"][0]["event"]["content"] == [block("hi")]


def test_what_is_no_frame_is_answered_not_raised(world: World, ada: Person) -> None:
    world.ws("$connect", "c1", headers={"Authorization": f"Bearer {ada.secret}"})
    assert world.ws("$default", "c1", body="nonsense")["statusCode"] == 200
    (said,) = world.said_to("c1")
    assert (said["type"], said["code"]) == ("error", "not_json")


def test_a_closed_connection_takes_its_runtime_offline(world: World, ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    assert world.ws("$disconnect", laptop.connection_id)["statusCode"] == 200
    assert ada.get("/v1/runtimes")["runtimes"][0]["status"] == "offline"
    assert row_of(world, laptop.connection_id) is None


def test_a_bug_flies_out_of_the_function(world: World, ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str, _phase: str) -> None:
        raise RuntimeError(name)

    world.stores.connections.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    with pytest.raises(RuntimeError):
        world.ws("$connect", "c1", headers={"Authorization": f"Bearer {ada.secret}"})
    assert "connection=c1" in caplog.text
