"""``moor doctor``: each thing that can be wrong is found, named, and comes with what to do."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mooring.commands import checks
from mooring.edge import https, reach
from mooring.edge.creds import Credentials, Login, Paths, make_home, write_credentials, write_login
from mooring.edge.lock import DaemonLock
from tests.daemon.commands.command_line import moor
from tests.daemon.fake_plane import FakePlane, fault

DAY_S = 24 * 3600.0
TOKEN = "sk_machine_secret"

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


@pytest.fixture
def paired(plane: FakePlane, home: Paths) -> Paths:
    """A laptop that lacks nothing but a daemon."""
    plane.route("GET /health", (200, {"status": "ok"}))
    plane.route("GET /agents/runtime/me", (200, {"runtime_id": "rt_1", "runtime": {"status": "online"}}))
    pair(plane, home)
    return home


def pair(plane: FakePlane, home: Paths, **more: Any) -> None:
    facts = {"server_url": plane.url, "ws_url": plane.ws_url, "created_at": 0.0, "expires_at": time.time() + 60 * DAY_S}
    write_credentials(home, Credentials(**{"runtime_id": "rt_1", "token": TOKEN, "machine_id": "m", **facts, **more}))


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The status, and the findings by their names; nothing secret is in them."""
    status, told, err = moor(capsys, "doctor", *arguments, "--json")
    assert err == ""
    assert TOKEN not in str(told)
    assert told["ok"] is (status == 0) is not any(one["level"] == "problem" for one in told["findings"])
    return status, {one["name"]: one for one in told["findings"]}


def test_a_laptop_that_lacks_nothing_is_well(paired: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing agents and a missing service are notes: this laptop does its work."""
    with DaemonLock(paired.lock):
        status, found = findings(capsys)
        assert status == 0
        well = ("home", "credentials", "network", "clock", "plane", "websocket", "disk", "daemon")
        assert {name: found[name]["level"] for name in well} == dict.fromkeys(well, "ok")
        status, out, _ = moor(capsys, "doctor")
        assert status == 0
        assert out.splitlines()[-1] == "All is well."


def break_nothing_but_pairing(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    home.credentials.unlink()


def break_the_credentials(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    home.credentials.write_text("{")


def let_the_token_expire(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    pair(plane, home, expires_at=time.time() - 1)


def revoke_the_token(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.route("GET /agents/runtime/me", fault(401, "unauthorized", "This token opens nothing."))


def put_the_clock_wrong(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "parsedate_to_datetime", lambda _: datetime(2001, 1, 1, tzinfo=UTC))


def take_the_plane_away(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    pair(plane, home, server_url="http://nowhere.invalid")


def say_it_in_the_clear(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_exposed", lambda _: True)


def let_no_websocket_through(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.refuse = 403


def fill_the_disk(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 99, 1))


def want_more_room(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config.write_text("min_free_mb = 1000000000\n")


def open_the_home(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_login(home, Login(server_url=plane.url, api_key="moor_secret"))
    home.login.chmod(0o644)


def write_nonsense(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    home.config.write_text("max_sesions = 4\n")


def be_unseen(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.route("GET /agents/runtime/me", (200, {"runtime_id": "rt_1", "runtime": {"status": "offline"}}))


Break = Callable[[FakePlane, Paths, pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    ("broken", "name", "word"),
    [
        (break_nothing_but_pairing, "credentials", "moor setup"),
        (break_the_credentials, "credentials", "moor setup"),
        (let_the_token_expire, "credentials", "moor setup"),
        (revoke_the_token, "plane", "moor setup"),
        (put_the_clock_wrong, "clock", "set by the network"),
        (take_the_plane_away, "network", "address"),
        (say_it_in_the_clear, "tls", "https"),
        (let_no_websocket_through, "websocket", "proxy"),
        (fill_the_disk, "disk", "Make room"),
        (want_more_room, "disk", "min_free_mb"),
        (open_the_home, "home", "chmod"),
        (write_nonsense, "config", "line"),
        (be_unseen, "daemon", "moor logs"),
    ],
)
def test_what_is_wrong_is_found_and_comes_with_a_remedy(
    paired: Paths,
    plane: FakePlane,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    broken: Break,
    name: str,
    word: str,
) -> None:
    """Catches a fault that is passed over, one that hides behind another, and one that nobody could mend."""
    broken(plane, paired, monkeypatch)
    with DaemonLock(paired.lock):
        status, found = findings(capsys)
    assert status == 1
    assert [one for one in found if found[one]["level"] == "problem"] == [name]
    assert word in found[name]["told"] + found[name]["remedy"]


def test_a_daemon_that_does_not_run_is_a_problem(paired: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = findings(capsys)
    assert (status, found["daemon"]["level"]) == (1, "problem")
    paired.taken_over.touch()
    _, found = findings(capsys)
    assert "--take-over" in found["daemon"]["remedy"]


def test_what_could_be_better_is_a_note(
    paired: Paths, capsys: pytest.CaptureFixture[str], tmp_path: Path, plane: FakePlane
) -> None:
    paired.config.write_text(f'workspaces = ["{tmp_path}/gone"]\n')
    pair(plane, paired, expires_at=time.time() + DAY_S)
    with DaemonLock(paired.lock):
        status, found = findings(capsys)
    assert status == 0
    assert (found["workspaces"]["level"], found["credentials"]["level"]) == ("note", "note")


def test_a_laptop_that_was_never_set_up_is_told_to_be(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = findings(capsys)
    assert status == 1
    assert found["home"]["level"] == "note"
    assert "moor setup" in found["credentials"]["remedy"]
    assert not home.home.exists(), "a look leaves nothing behind"


def test_no_canary_is_sent_where_it_could_not_come_back(
    paired: Paths, plane: FakePlane, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = findings(capsys, "--prove")
    assert found["canary"]["level"] == "note"
    assert plane.requests("POST .*") == []


def test_a_canary_that_the_plane_refuses_is_a_problem(
    paired: Paths, plane: FakePlane, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("POST /agents/runtime/canary", fault(404, "runtime_not_found", "There is no such runtime."))
    with DaemonLock(paired.lock):
        status, found = findings(capsys, "--prove")
    assert (status, found["canary"]["facts"]["code"]) == (1, "runtime_not_found")


def test_others_who_may_read_the_home_are_found(paired: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    make_home(paired)
    os.chmod(paired.home, 0o755)
    with DaemonLock(paired.lock):
        _, found = findings(capsys)
    assert found["home"]["level"] == "problem"
