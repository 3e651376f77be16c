"""``moor uninstall``: it undoes `moor setup`, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mooring.commands import service as service_command
from mooring.commands.uninstall import run
from mooring.edge import https
from mooring.edge.creds import Paths, make_home, write_credentials
from mooring.edge.lock import DaemonLock
from mooring.errors import MoorError
from mooring.providers import orphans
from tests.daemon.commands.command_line import moor
from tests.daemon.commands.test_setup import ENROLLED, EXCHANGE, REVOKE, SCRIPT, bearers
from tests.daemon.fake_plane import WAIT_S, Answer, FakePlane, fault
from tests.daemon.fake_service import FakeService
from tests.daemon.machine import TOKEN, set_up
from tests.daemon.shown import Shown


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    """The only service that these tests touch."""
    made = FakeService()
    monkeypatch.setattr(service_command, "manager", made.manager)
    return made


@pytest.fixture(autouse=True)
def forgetting(plane: FakePlane) -> None:
    """A plane that forgets tokens when it is asked to."""
    plane.route(REVOKE, (200, {"type": "ended"}))


def uninstall(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit status and result."""
    return moor(capsys, "uninstall", "--json", *arguments)[:2]


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that is below a folder, with what is in it."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


@pytest.mark.parametrize("profile", [(), ("--profile", "work")])
@pytest.mark.parametrize("owns", [True, False])
def test_after_it_the_disk_is_as_before_the_setup(
    plane: FakePlane,
    home: Paths,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    profile: tuple[str, ...],
    owns: bool,
) -> None:
    """Catches anything that setup or a daemon leaves behind, and anything of the owner's that goes with it."""
    plane.route(EXCHANGE, (200, ENROLLED))
    if owns:
        home.home.mkdir()
        home.config.write_text("max_sessions = 1\n")
        home.login.write_text("{}")
    before = tree(tmp_path)
    assert moor(capsys, "setup", "--server", plane.url, *SCRIPT, *profile)[0] == 0
    made = Paths(home.home / "profiles" / "work") if profile else home
    (made.sessions / "sesn_1").mkdir(parents=True)
    for path in (made.journal("rt_1"), made.sessions / "sesn_1" / "notes.md", made.taken_over, made.service_env):
        path.write_text("x")
    with DaemonLock(made.lock):
        pass
    status, told = uninstall(capsys, "--yes", *profile)
    assert (status, told["revoked"], told["service"]) == (0, True, None)
    assert str(made.credentials) in told["removed"]
    assert tree(tmp_path) == before
    again: dict[str, Any] = {"removed": [], "service": None, "revoked": None}
    assert uninstall(capsys, "--yes", *profile) == (0, again)
    assert tree(tmp_path) == before
    assert len(plane.requests(REVOKE)) == 1


def test_one_profile_goes_and_the_others_stay(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an uninstall that takes another plane's pairing with it."""
    profiles = [Paths(home.home / "profiles" / name, name) for name in ("one", "two")]
    for where in (home, *profiles):
        set_up(where, plane)
    assert uninstall(capsys, "--yes", "--profile", "one")[0] == 0
    assert [where.credentials.exists() for where in (home, *profiles)] == [True, False, True]
    assert uninstall(capsys, "--yes", "--profile", "")[0] == 0
    assert [where.credentials.exists() for where in (home, *profiles)] == [False, False, True]


def test_nothing_goes_unasked(plane: FakePlane, home: Paths, service: FakeService) -> None:
    """Catches a script that loses a laptop's sessions because nobody was there to say no."""
    set_up(home, plane)
    service.installed = True
    screen = Shown()
    assert run(screen, yes=False).exit_code == 1
    assert str(home.home) in screen.questions[0]
    assert (service.asked, plane.asked, home.credentials.exists()) == ([], [], True)
    assert run(Shown(says=True), yes=False).exit_code == 0
    assert not home.home.exists()


def test_what_is_wanted_stays(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    home.machine_id.write_text("m-1\n")
    (home.sessions / "sesn_1").mkdir(parents=True)
    run(Shown(), yes=True, keep_id=True, keep_sessions=True)
    assert sorted(one.name for one in home.home.iterdir()) == ["machine-id", "sessions"]
    run(Shown(), yes=True, keep_id=True)
    assert [one.name for one in home.home.iterdir()] == ["machine-id"]


def test_the_service_goes_before_its_token(plane: FakePlane, home: Paths, service: FakeService) -> None:
    """Catches a daemon that is refused and says `moor setup` in its log while it is being uninstalled."""
    set_up(home, plane)
    service.installed = service.current = True
    seen: list[list[str]] = []

    def forget(_: object) -> Answer:
        seen.append(list(service.asked))
        return 200, {}

    plane.route(REVOKE, forget)
    told = run(Shown(), yes=True)
    assert (told.data["service"], seen) == ("mooring.service", [["uninstall"]])
    assert bearers(plane, REVOKE) == [TOKEN]


def test_a_running_service_of_this_home_goes(plane: FakePlane, home: Paths, service: FakeService) -> None:
    set_up(home, plane)
    daemon = contextlib.ExitStack()
    daemon.enter_context(DaemonLock(home.lock))
    service.installed = service.running = True
    service.pid, service.when_ended = os.getpid(), daemon.close
    assert run(Shown(), yes=True).data["service"] == "mooring.service"
    assert not home.home.exists()


@pytest.mark.parametrize("answer", [fault(401, "unauthorized"), fault(404, "runtime_not_found")])
def test_a_token_that_opens_nothing_any_more_is_no_trouble(plane: FakePlane, home: Paths, answer: Answer) -> None:
    set_up(home, plane)
    plane.route(REVOKE, answer)
    assert run(Shown(), yes=True).data["revoked"] is True
    assert not home.home.exists()


@pytest.mark.parametrize("server_url", ["", "http://127.0.0.1:9"])
def test_a_plane_that_is_away_is_told_and_keeps_nobody(plane: FakePlane, home: Paths, server_url: str) -> None:
    """Catches a laptop that can't be taken out because its plane is gone, and a token that lives on unsaid."""
    known = set_up(home, plane)
    write_credentials(home, replace(known, server_url=server_url or plane.url))
    plane.route(REVOKE, fault(503, "busy", "Come back later."))
    told = run(Shown(), yes=True)
    assert (told.exit_code, told.data["revoked"]) == (0, False)
    assert "not revoked" in told.lines[0]
    assert "rt_1" in told.lines[0]
    assert not home.home.exists()


def test_credentials_that_can_not_be_read_go_too(plane: FakePlane, home: Paths) -> None:
    make_home(home)
    home.credentials.write_text("{")
    assert run(Shown(), yes=True).data["revoked"] is None
    assert not home.home.exists()


def test_the_agents_that_a_killed_daemon_has_left_are_ended(plane: FakePlane, home: Paths) -> None:
    """Catches an agent that works on in a folder that is removed, and that nobody can find any more."""
    set_up(home, plane)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as left:
        orphans.write_down(home.children, left.pid)
        assert run(Shown(), yes=True).exit_code == 0
        assert left.wait(WAIT_S) == -signal.SIGTERM
    assert not home.children.exists()


def test_a_daemon_that_somebody_runs_is_left_alone(plane: FakePlane, home: Paths) -> None:
    known = set_up(home, plane)
    with DaemonLock(home.lock), pytest.raises(MoorError, match="^daemon_running: "):
        run(Shown(), yes=True)
    assert plane.asked == []
    write_credentials(home, known)


def test_what_can_not_be_removed_is_named(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(home, plane)
    home.taken_over.mkdir()
    (home.taken_over / "x").write_text("")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("mooring.commands.uninstall.shutil.rmtree", refuse)
    with pytest.raises(MoorError, match="^not_removed: .*taken-over.*Permission denied"):
        run(Shown(), yes=True)
