"""``moor status``: it looks at everything and disturbs nothing."""

from __future__ import annotations

import os
import time

import msgspec
import pytest

from mooring import __version__
from mooring.edge import https
from mooring.edge.creds import Paths, read_credentials, write_credentials
from mooring.edge.lock import DaemonLock
from tests.daemon.commands.command_line import moor
from tests.daemon.fake_plane import FakePlane, fault
from tests.daemon.machine import TOKEN, set_up

ME = "GET /agents/runtime/me"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


def test_status_without_a_setup(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    status, told, _ = moor(capsys, "status", "--json")
    assert status == 3
    assert told["set_up"] is False
    assert told["daemon"] == {"running": False, "pid": None, "taken_over_at": None}
    assert not home.home.exists()


def test_status_of_a_laptop_that_its_plane_knows(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a look that attaches: the running daemon would be told that it was replaced."""
    set_up(home, plane)
    runtime = {"status": "asleep", "asleep_since": 1_800_000_000, "waiting": 2, "version": "0.0.1"}
    plane.route(ME, (200, {"runtime_id": "rt_1", "runtime": runtime}))
    home.config.write_text('workspaces = ["/src/shop"]')
    home.children.mkdir()
    (home.children / "7.json").write_text("{}")
    with DaemonLock(home.lock):
        status, told, _ = moor(capsys, "status", "--json")
        assert status == 0
        wanted = [
            "agents",
            "agents_running",
            "daemon",
            "home",
            "plane",
            "profile",
            "runtime_id",
            "server_url",
            "service",
        ]
        assert sorted(told) == [*wanted, "set_up", "token", "version", "workspaces"]
        assert told["daemon"] == {"running": True, "pid": os.getpid(), "taken_over_at": None}
        assert told["plane"] == {"reachable": True, "runtime": runtime}
        assert (told["agents_running"], told["workspaces"]) == (1, ["/src/shop"])
        assert {"installed", "running", "trouble"} <= told["service"].keys()
        assert "echo" in [one["id"] for one in told["agents"]]
        out = moor(capsys, "status")[1]
    assert "sees this laptop asleep since 2027-01-1" in out
    assert "2 messages waiting" in out
    assert f"version 0.0.1; restart it for {__version__}" in out
    assert TOKEN not in out
    assert plane.attached() == 0
    assert {one.method for one in plane.asked} == {"GET"}


def test_status_tells_what_keeps_a_laptop_away(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a takeover and a token that is over, of which nothing else on the laptop tells."""
    set_up(home, plane)
    plane.route(ME, (200, {"runtime": {"status": "offline"}}))
    write_credentials(home, msgspec.structs.replace(read_credentials(home), expires_at=time.time() - 1))
    home.taken_over.touch()
    status, told, _ = moor(capsys, "status", "--json")
    assert told["daemon"]["taken_over_at"] == home.taken_over.stat().st_mtime
    assert told["token"]["expires_at"] < time.time()
    out = moor(capsys, "status")[1]
    assert "expired on" in out
    assert "another one took this runtime over on" in out


@pytest.mark.parametrize(("code", "exit_code"), [(401, 5), (503, 1)])
def test_status_tells_what_the_plane_says(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str], code: int, exit_code: int
) -> None:
    set_up(home, plane)
    plane.route(ME, fault(code, "some_code"))
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["plane"]["error"]["code"], told["plane"]["reachable"]) == (exit_code, "some_code", True)


def test_status_of_a_plane_that_is_away(plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(home, plane)
    home.credentials.write_bytes(home.credentials.read_bytes().replace(plane.url.encode(), b"http://127.0.0.1:9"))
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["plane"]["reachable"]) == (1, False)
    assert told["plane"]["error"]["code"] == "plane_unreachable"


def test_a_bad_configuration_is_told_with_its_line(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home.home.mkdir()
    home.config.write_text("\nmax_sessions = 0\n")
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["error"]["code"]) == (1, "bad_config")
    assert "line 2" in told["error"]["message"]
