"""The command line's contract: exit statuses, and the JSON that scripts read."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from typing import Any

import pytest

from mooring import __version__
from mooring.cli import main
from mooring.edge import https
from mooring.edge.creds import Paths, read_credentials, read_login
from mooring.edge.lock import DaemonLock
from mooring.providers import orphans
from tests.daemon.fake_plane import WAIT_S, FakePlane, fault
from tests.daemon.machine import TOKEN, set_up

SETUP = ("--code", "c0de", "--state", "state-1", "--no-service")
ENROLLED = {"runtime_id": "rt_1", "token": TOKEN, "ws_url": "ws://127.0.0.1:1/ws"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


def moor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit status, what standard output held (as JSON with ``--json``), and standard error."""
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, json.loads(out) if "--json" in arguments else out, err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"moor {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["setup", "--server", "x"], ["ask"]])
def test_a_command_line_that_can_not_be_read_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: moor" in capsys.readouterr().err


def test_setup_pairs_the_laptop_and_again_gives_the_same_machine(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("POST /agents/runtime/exchange", (200, ENROLLED))
    status, told, err = moor(capsys, "setup", "--server", f"{plane.url}/", *SETUP, "--json")
    assert (status, err) == (0, "")
    assert sorted(told) == ["agents", "machine_id", "next", "runtime_id", "server_url", "ws_url"]
    assert (told["runtime_id"], told["server_url"], told["next"]) == ("rt_1", plane.url, "moor daemon")
    assert "echo" in [one["id"] for one in told["agents"]]
    assert stat.S_IMODE(home.credentials.stat().st_mode) == 0o600
    assert read_credentials(home).token == TOKEN
    home.taken_over.touch()
    status, told, _ = moor(capsys, "setup", "--server", plane.url, *SETUP)
    assert (status, home.taken_over.exists()) == (0, False)
    assert "moor daemon" in told
    assert TOKEN not in told
    assert plane.asked[0].json["machine_id"] == plane.asked[1].json["machine_id"]


def test_a_refused_code_changes_nothing_and_is_told(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("POST .*", fault(400, "code_expired", "The code has expired."))
    status, told, _ = moor(capsys, "setup", "--server", plane.url, *SETUP, "--json")
    assert status == 1
    assert told == {"error": {"code": "code_expired", "message": "The code has expired.", "request_id": "req_1"}}
    assert not home.credentials.exists()
    status, out, err = moor(capsys, "setup", "--server", plane.url, *SETUP)
    assert (status, out) == (1, "")
    assert err == "moor: The code has expired. [code_expired]\n"


def test_login_keeps_a_key_that_the_plane_takes(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.route("GET /v1/runtimes", (200, {"runtimes": [{"id": "rt_1"}]}))
    status, told, _ = moor(capsys, "login", "--server", plane.url, "--api-key", "moor_secret", "--json")
    assert (status, told) == (0, {"server_url": plane.url, "runtimes": 1})
    assert plane.asked[0].headers["authorization"] == "Bearer moor_secret"
    assert stat.S_IMODE(home.login.stat().st_mode) == 0o600
    monkeypatch.setenv("MOOR_SERVER", plane.url)
    monkeypatch.setenv("MOOR_API_KEY", "moor_other")
    assert moor(capsys, "login")[0] == 0
    assert read_login(home, {}).api_key == "moor_other"


def test_login_keeps_no_key_that_the_plane_refuses(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("GET .*", fault(401, "unauthorized"))
    status, told, _ = moor(capsys, "login", "--server", plane.url, "--api-key", "moor_bad", "--json")
    assert (status, told["error"]["code"]) == (5, "unauthorized")
    assert not home.login.exists()
    assert moor(capsys, "login", "--json")[0:2][0] == 2


def test_status_without_a_setup(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    status, told, _ = moor(capsys, "status", "--json")
    assert status == 3
    assert told["set_up"] is False
    assert told["daemon"] == {"running": False, "pid": None}
    assert not home.home.exists()


def test_status_of_a_laptop_that_its_plane_knows(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(home, plane)
    plane.route("GET /agents/runtime/me", (200, {"runtime_id": "rt_1", "runtime": {"status": "online"}}))
    with DaemonLock(home.lock):
        status, told, _ = moor(capsys, "status", "--json")
        assert status == 0
        assert sorted(told) == ["agents", "daemon", "home", "plane", "runtime_id", "server_url", "set_up", "version"]
        assert told["daemon"] == {"running": True, "pid": os.getpid()}
        assert told["plane"] == {"reachable": True, "runtime": {"status": "online"}}
        out = moor(capsys, "status")[1]
    assert "sees this laptop online" in out
    assert TOKEN not in out
    # It looked, and did not attach.
    assert plane.attached() == 0


@pytest.mark.parametrize(("code", "exit_code"), [(401, 5), (503, 1)])
def test_status_tells_what_the_plane_says(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str], code: int, exit_code: int
) -> None:
    set_up(home, plane)
    plane.route("GET /agents/runtime/me", fault(code, "some_code"))
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["plane"]["error"]["code"], told["plane"]["reachable"]) == (exit_code, "some_code", True)


def test_status_of_a_plane_that_is_away(plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(home, plane)
    home.credentials.write_bytes(home.credentials.read_bytes().replace(plane.url.encode(), b"http://127.0.0.1:9"))
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["plane"]["reachable"]) == (1, False)
    assert told["plane"]["error"]["code"] == "plane_unreachable"


def test_uninstall_undoes_setup_and_can_be_repeated(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(home, plane)
    (home.sessions / "sesn_1").mkdir(parents=True)
    home.journal("rt_1").write_text("")
    home.taken_over.touch()
    home.config.write_text("")
    status, told, _ = moor(capsys, "uninstall", "--json")
    assert (status, told) == (1, {"removed": []})
    assert home.credentials.exists()
    status, told, _ = moor(capsys, "uninstall", "--yes", "--json")
    assert status == 0
    removed = (home.credentials, home.journal("rt_1"), home.sessions, home.taken_over)
    assert told == {"removed": [str(one) for one in removed]}
    assert [one.name for one in home.home.iterdir()] == ["config.toml"]
    assert moor(capsys, "uninstall", "--yes", "--json")[:2] == (0, {"removed": []})


def test_uninstall_ends_the_agents_that_a_killed_daemon_has_left(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an agent that works on in a folder that is removed, and that nobody can find any more."""
    set_up(home, plane)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as left:
        orphans.write_down(home.children, left.pid)
        assert moor(capsys, "uninstall", "--yes")[0] == 0
        assert left.wait(WAIT_S) == -signal.SIGTERM
    assert not home.children.exists()


def test_uninstall_leaves_a_running_daemon_alone(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(home, plane)
    with DaemonLock(home.lock):
        status, told, _ = moor(capsys, "uninstall", "--yes", "--json")
    assert (status, told["error"]["code"]) == (1, "daemon_running")
    assert home.credentials.exists()


def test_a_bad_configuration_is_told_with_its_line(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    home.home.mkdir()
    home.config.write_text("\nmax_sessions = 0\n")
    status, told, _ = moor(capsys, "status", "--json")
    assert (status, told["error"]["code"]) == (1, "bad_config")
    assert "line 2" in told["error"]["message"]
