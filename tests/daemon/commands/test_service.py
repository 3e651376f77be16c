"""``moor service``: what is said about a service, and what it refuses; how each platform does it is tested there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mooring.cli import main
from mooring.edge.creds import Paths
from mooring.edge.lock import DaemonLock
from tests.daemon.fake_plane import FakePlane
from tests.daemon.machine import set_up
from tests.daemon.service.tools import Tools

SHOW = "systemctl --user show"
FIELDS = [
    *("current", "enabled", "home", "installed", "last_exit", "name", "outside_pid", "pid", "running", "trouble"),
]


@pytest.fixture
def tools(tmp_path: Path, home: Paths, plane: FakePlane, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """A laptop that is set up, and a user's manager of systemd that is played."""
    set_up(home, plane)
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("XDG_CONFIG_HOME", "MOOR_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    made = Tools(folder)
    made.offer("systemctl")
    shows(made, "inactive", 0)
    return made


def shows(tools: Tools, active: str, pid: int, code: int = 0, status: int = 0) -> None:
    known = f"LoadState=loaded\nUnitFileState=enabled\nActiveState={active}\nMainPID={pid}\n"
    tools.answer(SHOW, f"{known}ExecMainCode={code}\nExecMainStatus={status}\n")


def moor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit status, and what standard output held (as JSON with ``--json``)."""
    status = main(arguments)
    out = capsys.readouterr().out
    return status, json.loads(out) if "--json" in arguments else out


def test_a_service_is_installed_shown_and_removed(
    tools: Tools, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = moor(capsys, "service", "status", "--json")
    assert (status, sorted(told)) == (1, FIELDS)
    assert (told["name"], told["installed"], told["home"]) == ("mooring.service", False, str(home.home))
    status, told = moor(capsys, "service", "install")
    assert status == 0
    assert "Installed and started mooring.service." in told
    assert "enable-linger" in told
    assert not [one for one in tools.calls() if "linger" in one], "it is offered, never done"
    shows(tools, "active", 4711)
    status, told = moor(capsys, "service", "status", "--json")
    assert (status, told["installed"], told["current"], told["running"], told["pid"]) == (0, True, True, True, 4711)
    for verb in ("start", "restart", "stop", "uninstall", "uninstall"):
        assert moor(capsys, "service", verb, "--json")[0] == 0
    assert moor(capsys, "service", "status")[1].startswith("service  mooring.service: not installed; run `moor service")


def test_each_profile_has_a_service_of_its_own(
    tools: Tools, home: Paths, plane: FakePlane, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(Paths(home.home / "profiles" / "work"), plane)
    status, told = moor(capsys, "--profile", "work", "service", "install", "--json")
    assert (status, told["name"]) == (0, "mooring-work.service")
    assert told["home"] == str(home.home / "profiles" / "work")
    assert f'"--service" "{told["home"]}"' in next(Path.home().rglob("mooring-work.service")).read_text()


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (1, 0, "ended with status 0: it was stopped"),
        (1, 1, "ended with status 1: `moor logs` may say why"),
        (1, 3, "ended with status 3: the laptop is not set up; run `moor setup`"),
        (1, 4, "--take-over"),
        (1, 5, "refuses this laptop's token; run `moor setup`"),
        (2, 9, "was ended by signal 9"),
    ],
)
def test_a_status_says_why_the_daemon_does_not_run(
    tools: Tools, capsys: pytest.CaptureFixture[str], code: int, status: int, said: str
) -> None:
    """Catches a daemon that stays away for good, and its owner who is told no more than a number."""
    moor(capsys, "service", "install")
    shows(tools, "failed", 0, code, status)
    exit_code, told = moor(capsys, "service", "status")
    assert exit_code == 1
    assert f"daemon   does not run; {said}" in told or said in told


def test_a_daemon_outside_the_service_is_told_and_not_fought(
    tools: Tools, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a service whose daemon is refused its lock every ten seconds, beside one in a terminal."""
    with DaemonLock(home.lock):
        for verb in ("install", "start", "restart"):
            status, told = moor(capsys, "service", verb, "--json")
            assert (status, told["error"]["code"]) == (1, "daemon_running")
            assert f"pid {os.getpid()}" in told["error"]["message"]
        assert moor(capsys, "service", "status", "--json")[1]["outside_pid"] == os.getpid()
        assert (
            f"outside  a daemon that the service has not started runs, pid {os.getpid()}"
            in (moor(capsys, "service", "status")[1])
        )
        shows(tools, "active", os.getpid())
        assert moor(capsys, "service", "install", "--json")[1]["outside_pid"] is None


def test_an_older_service_is_told(tools: Tools, capsys: pytest.CaptureFixture[str]) -> None:
    moor(capsys, "service", "install")
    unit = next(Path.home().rglob("mooring.service"))
    unit.write_text(unit.read_text().replace("KillMode=mixed\n", ""))
    assert "it would be installed otherwise now" in moor(capsys, "service", "status")[1]


def test_a_laptop_that_is_not_set_up_gets_no_service(
    tools: Tools, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    home.credentials.unlink()
    status, told = moor(capsys, "service", "install", "--json")
    assert (status, told["error"]["code"]) == (3, "not_set_up")
    assert tools.calls() == []


def test_where_there_is_no_service_manager_it_is_said_with_what_to_do(
    tools: Tools, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.answer(SHOW, status=1, err="Failed to connect to bus: No medium found\n")
    status, told = moor(capsys, "service", "install", "--json")
    assert (status, told["error"]["code"]) == (1, "service_unavailable")
    assert "Run `moor daemon` yourself" in told["error"]["message"]
    with DaemonLock(home.lock):  # It has been followed, and is not said to be in the way.
        assert moor(capsys, "service", "install", "--json")[1]["error"]["code"] == "service_unavailable"
    status, said = moor(capsys, "service", "status")
    assert status == 1
    assert "Failed to connect to bus" in said
