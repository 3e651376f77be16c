"""``moor setup``: it pairs, has the daemon kept running, and run again it repairs."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from msgspec.structs import replace

from mooring.commands import service as service_command
from mooring.commands import setup
from mooring.commands.pairing import Grant
from mooring.commands.result import Result
from mooring.commands.setup import LOOK_S, Wish, run
from mooring.edge import https
from mooring.edge.creds import Paths, make_home, read_credentials, write_credentials
from mooring.edge.lock import DaemonLock
from mooring.errors import MoorError
from tests.daemon.commands.command_line import moor
from tests.daemon.commands.test_pairing import CODES, query_of
from tests.daemon.fake_plane import WAIT_S, Answer, Asked, FakePlane, fault
from tests.daemon.fake_service import FakeService
from tests.daemon.machine import TOKEN, set_up
from tests.daemon.shown import Shown

NEW = "sk_machine_new"
ENROLLED = {"runtime_id": "rt_1", "token": NEW, "ws_url": "ws://127.0.0.1:1/ws", "expires_at": 9_000_000_000}
EXCHANGE, ME = "POST /agents/runtime/exchange", "GET /agents/runtime/me"
REVOKE = "DELETE /agents/runtime/token"
GRANT = Grant("c0de", "state-1")
SCRIPT = ("--code", "c0de", "--state", "state-1", "--no-service")


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
def enrolling(plane: FakePlane) -> None:
    """A plane that takes the code, and forgets tokens when it is asked to."""
    plane.route(EXCHANGE, (200, ENROLLED))
    plane.route(REVOKE, (200, {"type": "ended"}))
    plane.route("GET /health", (200, {"status": "ok"}))


def me(status: str) -> Answer:
    return 200, {"runtime_id": "rt_1", "runtime": {"status": status}}


def bearers(plane: FakePlane, pattern: str) -> list[str]:
    return [one.headers["authorization"].removeprefix("Bearer ") for one in plane.requests(pattern)]


def go(
    plane: FakePlane, screen: Shown | None = None, pause: Callable[[float], None] | None = None, **wish: Any
) -> Result:
    return run(Wish(**{"server": plane.url, **wish}), screen or Shown(), pause=pause or (lambda _: None))


def test_a_code_pairs_the_laptop_and_again_gives_the_same_machine(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a change in what scripts read, credentials that others can read, a second setup that is another one."""
    status, told, err = moor(capsys, "setup", "--server", f"{plane.url}/", *SCRIPT, "--json")
    assert (status, err) == (0, "")
    names = ["agents", "is_new", "machine_id", "next", "runtime_id", "server_url", "service", "ws_url"]
    assert sorted(told) == names
    assert (told["runtime_id"], told["server_url"], told["next"]) == ("rt_1", plane.url, "moor daemon")
    assert (told["is_new"], told["service"]) == (True, None)
    assert "echo" in [one["id"] for one in told["agents"]]
    assert stat.S_IMODE(home.credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.home.stat().st_mode) == 0o700
    kept = read_credentials(home)
    assert (kept.token, kept.expires_at) == (NEW, 9_000_000_000)
    home.taken_over.touch()
    plane.route(EXCHANGE, (200, {**ENROLLED, "token": "sk_machine_newer"}))
    status, out, _ = moor(capsys, "setup", "--server", plane.url, *SCRIPT)
    assert (status, home.taken_over.exists()) == (0, False)
    assert "moor daemon" in out
    assert "sk_machine" not in out
    first, second = plane.requests(EXCHANGE)
    assert first.json["machine_id"] == second.json["machine_id"]
    assert bearers(plane, REVOKE) == [NEW]


def test_a_refused_code_changes_nothing_and_is_told(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    known = set_up(home, plane)
    plane.route("POST .*", fault(400, "code_expired", "The code has expired."))
    plane.routes = dict(reversed(plane.routes.items()))
    status, told, _ = moor(capsys, "setup", "--server", plane.url, *SCRIPT, "--json")
    assert status == 1
    assert told == {"error": {"code": "code_expired", "message": "The code has expired.", "request_id": "req_1"}}
    assert read_credentials(home) == known
    status, out, err = moor(capsys, "setup", "--server", plane.url, *SCRIPT)
    assert (status, out) == (1, "")
    assert err == "moor: The code has expired. [code_expired]\n"
    assert bearers(plane, REVOKE) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--no-service",),
        ("--server", "x.example", "--code", "c"),
        ("--server", "x.example", "--state", "s"),
        ("--server", "x.example", "--code", "c", "--state", "s", "--device-code"),
    ],
)
def test_what_can_not_be_meant_is_a_fault_of_the_command_line(
    home: Paths, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert moor(capsys, "setup", *arguments, "--json")[0] == 2
    assert not home.home.exists()


def test_the_browsers_way_pairs_the_laptop(plane: FakePlane, home: Paths) -> None:
    """Catches a verifier or a state of which the exchange knows nothing."""
    screen = Shown()

    def browse() -> None:
        asked = query_of(screen.next_event()["url"])
        with urllib3.PoolManager() as pool:
            pool.request("GET", f"{asked['redirect_uri']}?code=c0de&state={asked['state']}", timeout=WAIT_S)

    browsing = threading.Thread(target=browse)
    browsing.start()
    told = go(plane, screen, service=False)
    browsing.join(WAIT_S)
    [exchanged] = plane.requests(EXCHANGE)
    assert (exchanged.json["code"], len(exchanged.json["code_verifier"])) == ("c0de", 64)
    assert told.data["is_new"]
    assert read_credentials(home).token == NEW


def test_the_device_code_pairs_the_laptop(plane: FakePlane, home: Paths) -> None:
    plane.route("POST /agents/runtime/device", (200, {**CODES, "interval": 0}))
    plane.route("POST /agents/runtime/device/token", (200, {"code": "c0de"}))
    go(plane, service=False, device_code=True)
    [asked], [exchanged] = plane.requests("POST /agents/runtime/device"), plane.requests(EXCHANGE)
    assert (exchanged.json["code"], exchanged.json["state"]) == ("c0de", asked.json["state"])
    assert read_credentials(home).token == NEW


def test_a_service_is_installed_and_waited_for_until_the_plane_sees_the_laptop(
    plane: FakePlane, home: Paths, service: FakeService
) -> None:
    """Catches a setup that says it is done before the laptop can be reached, and a service of another home."""
    answers = [fault(503, "busy"), me("offline"), me("offline"), me("online")]
    plane.route(ME, lambda _: answers.pop(0))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)

    told = go(plane, grant=GRANT, pause=pause)
    assert service.asked == ["install"]
    assert str(home.home) in service.specs[0].command
    assert pauses == [LOOK_S] * 3
    assert (told.data["service"], told.data["next"]) == ("mooring.service", None)
    assert "online" in told.lines[0]
    assert "A hint." in told.lines
    assert set(bearers(plane, ME)) == {NEW}


def test_a_laptop_that_does_not_come_online_is_a_failure_that_says_what_to_run(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a wait without an end, and a success that is none."""
    monkeypatch.setattr(setup, "ONLINE_S", 0.1)
    plane.route(ME, fault(503, "busy", "Come back later."))
    with pytest.raises(MoorError, match="^not_online: .*Come back later.*moor logs") as caught:
        go(plane, grant=GRANT)
    assert caught.value.exit_code == 1
    assert read_credentials(home).token == NEW


def test_a_token_that_is_revoked_while_the_laptop_is_waited_for_ends_the_waiting(plane: FakePlane, home: Paths) -> None:
    plane.route(ME, fault(401, "unauthorized"))
    with pytest.raises(MoorError, match="^unauthorized: "):
        go(plane, grant=GRANT)
    assert len(plane.requests(ME)) == 1


def test_a_machine_without_a_service_manager_is_paired_and_says_so(
    plane: FakePlane, home: Paths, service: FakeService
) -> None:
    """Catches a pairing that is lost, or believed to keep running, where nothing runs services."""
    service.refuses = MoorError("service_unavailable", "There is none. Run `moor daemon` yourself.")
    with pytest.raises(MoorError, match="^service_unavailable: This laptop is paired, .*moor daemon"):
        go(plane, grant=GRANT)
    assert read_credentials(home).token == NEW


def test_run_again_it_keeps_what_works_and_repairs_the_rest(
    plane: FakePlane, home: Paths, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a repair that bothers a person, or that ends sessions by taking a working token away."""
    known = set_up(home, plane)
    home.taken_over.touch()
    plane.route(ME, me("online"))
    screen = Shown()
    told = go(plane, screen, server=None)
    assert not told.data["is_new"]
    assert any("already" in text for text in screen.texts)
    assert read_credentials(home) == known
    assert service.asked == ["install"]
    assert not home.taken_over.exists()
    assert plane.requests(EXCHANGE) + plane.requests(REVOKE) == []
    monkeypatch.setenv("MOOR_SERVER", "https://other.example")
    assert not go(plane, server=None, service=False).data["is_new"]


@pytest.mark.parametrize("answer", [fault(401, "unauthorized"), fault(404, "runtime_not_found")])
def test_run_again_it_pairs_anew_where_the_token_opens_nothing_any_more(
    plane: FakePlane, home: Paths, answer: Answer
) -> None:
    """Catches a laptop whose owner is told to run `moor setup`, which then finds nothing to do."""
    set_up(home, plane)
    plane.route(ME, answer)
    plane.route(REVOKE, fault(401, "unauthorized"))
    plane.route("POST /agents/runtime/device", (200, {**CODES, "interval": 0}))
    plane.route("POST /agents/runtime/device/token", (200, {"code": "c0de"}))
    screen = Shown()
    assert go(plane, screen, service=False, device_code=True).data["is_new"]
    assert read_credentials(home).token == NEW
    assert "revoked" not in "".join(screen.texts)


def test_run_again_while_the_plane_is_away_changes_nothing(plane: FakePlane, home: Paths) -> None:
    """Catches a bad minute of the plane that counts as a refused token."""
    known = set_up(home, plane)
    plane.route(ME, fault(503, "busy"))
    with pytest.raises(MoorError, match="^busy: "):
        go(plane, device_code=True)
    assert read_credentials(home) == known


def test_a_new_token_takes_the_place_of_the_one_that_is_there_which_is_revoked(plane: FakePlane, home: Paths) -> None:
    """Catches the token that a daemon renewed while a person was approving, and that nobody would ever end."""
    known = set_up(home, plane)

    def renewed_meanwhile(_: Asked) -> Answer:
        write_credentials(home, replace(known, token="sk_machine_renewed"))
        return 200, ENROLLED

    plane.route(EXCHANGE, renewed_meanwhile)
    go(plane, grant=GRANT, service=False)
    assert read_credentials(home).token == NEW
    assert bearers(plane, REVOKE) == ["sk_machine_renewed"]


def test_an_old_token_that_can_not_be_revoked_is_told(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    plane.route(REVOKE, fault(503, "busy", "Come back later."))
    screen = Shown()
    go(plane, screen, grant=GRANT, service=False)
    assert "could not be revoked" in "".join(screen.texts)
    assert read_credentials(home).token == NEW


def test_a_running_daemon_is_left_alone_and_finds_the_new_token_by_itself(
    plane: FakePlane, home: Paths, service: FakeService
) -> None:
    """Catches a second daemon of one home, which its service would start again and again."""
    set_up(home, plane)
    plane.route(ME, me("online"))
    with DaemonLock(home.lock):
        with pytest.raises(MoorError, match="^daemon_running: "):
            go(plane, grant=GRANT)
        assert plane.asked == []
        assert service.asked == []
        told = go(plane, grant=GRANT, service=False)
        assert f"pid {os.getpid()}" in told.lines[-1]
        assert told.data["next"] is None
        service.installed = service.running = True
        go(plane, grant=GRANT)
    assert read_credentials(home).token == NEW


def test_another_plane_needs_another_profile(plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a second plane that takes the first one's laptop away, and profiles that share anything."""
    known = replace(set_up(home, plane), server_url="https://first.example")
    write_credentials(home, known)
    with pytest.raises(MoorError, match="^other_plane: .*--profile NAME"):
        go(plane, grant=GRANT, service=False)
    assert plane.asked == []
    status, told, _ = moor(capsys, "setup", "--server", plane.url, *SCRIPT, "--profile", "second", "--json")
    assert (status, told["next"]) == (0, "moor daemon --profile second")
    assert read_credentials(home) == known
    second = Paths(home.home / "profiles" / "second", "second")
    assert read_credentials(second).token == NEW
    assert told["machine_id"] == second.machine_id.read_text().strip() != known.machine_id


def test_a_plane_that_has_moved_keeps_its_laptop_when_it_is_told_so(plane: FakePlane, home: Paths) -> None:
    write_credentials(home, replace(set_up(home, plane), server_url="https://first.example"))
    go(plane, grant=GRANT, service=False, force=True)
    assert read_credentials(home).server_url == plane.url
    assert bearers(plane, REVOKE) == [TOKEN]


def test_an_approval_for_another_runtime_changes_nothing_here_and_is_given_back(plane: FakePlane, home: Paths) -> None:
    """Catches two teams' sessions in one home, and a token that nobody knows of."""
    known = set_up(home, plane)
    plane.route(EXCHANGE, (200, {**ENROLLED, "runtime_id": "rt_of_another_team"}))
    with pytest.raises(MoorError, match="^other_runtime: .*--profile NAME"):
        go(plane, grant=GRANT, service=False, force=True)
    assert read_credentials(home) == known
    assert bearers(plane, REVOKE) == [NEW]


def test_credentials_that_can_not_be_read_are_replaced(plane: FakePlane, home: Paths) -> None:
    """Catches a broken file that makes the repair impossible for which it asks."""
    make_home(home)
    home.credentials.write_text("{")
    screen = Shown()
    go(plane, screen, grant=GRANT, service=False)
    assert "replaced" in screen.texts[0]
    assert read_credentials(home).token == NEW


def test_an_exposed_plane_is_warned_of(plane: FakePlane, home: Paths) -> None:
    plane.route(EXCHANGE, (200, {**ENROLLED, "ws_url": "ws://plane.example/ws"}))
    assert any("Beware" in line for line in go(plane, grant=GRANT, service=False).lines)
