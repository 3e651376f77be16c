"""Wiring: one plane per container, made of what the environment says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.wire.ids import ConnectionId
from chalicelib.wiring import LearntSockets, Plane
from tests.fakes import FakeClock, FakeSockets, fake_stores

HERE = ConnectionId("c1")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, FakeSockets]]:
    """The sockets that wiring makes, by address."""
    found: dict[str, FakeSockets] = {}

    def make(endpoint_url: str, _region: str | None = None) -> FakeSockets:
        return found.setdefault(endpoint_url, FakeSockets())

    monkeypatch.setattr(wiring, "Sockets", make)
    for name in ("MOORING_CONNECTIONS_URL", "AWS_ENDPOINT_URL", "MOORING_WS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    wiring.reset()
    yield found
    wiring.reset()


def test_a_plane_is_made_once_and_can_be_put_in(made: dict[str, FakeSockets]) -> None:
    mine = Plane(fake_stores(FakeClock()))
    wiring.use(mine)
    assert wiring.plane() is mine
    wiring.reset()
    real = wiring.plane()
    assert real is wiring.plane()
    assert real is not mine
    assert made == {}


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({"MOORING_CONNECTIONS_URL": "http://a", "AWS_ENDPOINT_URL": "http://b"}, "http://a"),
        ({"AWS_ENDPOINT_URL": "http://b"}, "http://b"),
        ({}, "https://plane.example/api"),
    ],
)
def test_messages_go_where_the_environment_or_else_an_event_says(
    made: dict[str, FakeSockets], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wiring.plane().sockets_from("plane.example", "api")
    wiring.plane().sockets_from("other.example", "api")
    assert list(made) == [address]


def test_a_message_before_the_first_event_is_lost_and_logged(
    made: dict[str, FakeSockets], caplog: pytest.LogCaptureFixture
) -> None:
    sockets = LearntSockets()
    assert sockets.post(HERE, b"lost")
    sockets.close(HERE)
    assert "MOORING_CONNECTIONS_URL" in caplog.text
    sockets.learn("https://plane.example/api")
    assert sockets.post(HERE, b"sent")
    sockets.close(HERE)
    assert made["https://plane.example/api"].posted == {HERE: [b"sent"]}
    assert not sockets.post(HERE, b"too late")


def test_daemons_are_told_the_address_of_the_environment(
    made: dict[str, FakeSockets], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_WS_URL", "wss://ws.example")
    assert wiring.plane().ws_url() == "wss://ws.example"


def test_the_planes_log_is_one_json_line_a_record() -> None:
    code = """
import logging
from chalicelib import wiring
wiring.log_as_json()
wiring.log_as_json()
logging.getLogger("chalicelib.actors.frames").info("not told")
logging.getLogger("chalicelib.actors.frames").warning("connection=%s session=%s told once", "c1", "sesn_1")
"""
    env = {**os.environ, "POWERTOOLS_LOG_LEVEL": "WARNING", "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    told = json.loads(ran.stderr)
    assert (told["level"], told["service"]) == ("WARNING", "mooring-plane")
    assert told["message"] == "connection=c1 session=sesn_1 told once"
