"""``moor daemon`` as a process: how it ends, what it leaves, what it writes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from mooring.edge.creds import Paths
from mooring.edge.env_file import write_env_file
from mooring.edge.lock import read_holder
from mooring.wire import frames
from mooring.wire.ids import TurnId
from tests.daemon.fake_plane import WAIT_S, Answer, FakePlane, fault
from tests.daemon.machine import TOKEN, Line, S, T, bundles, gone, pids_in, set_up, spawn

T2 = TurnId("turn_2")
ME = "GET /agents/runtime/me"


def test_a_laptop_that_is_not_set_up_ends_with_3(home: Paths) -> None:
    with spawn(home, "daemon", "--json") as daemon:
        out, _ = daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 3
    assert json.loads(out)["error"]["code"] == "not_set_up"


def test_a_refused_token_ends_with_5(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    plane.refuse = 401
    with spawn(home, "daemon") as daemon:
        _, err = daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 5
    assert "moor setup" in err
    assert TOKEN not in err


def test_a_replaced_daemon_ends_with_4(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    with spawn(home, "daemon", "--json") as daemon:
        line = Line(plane.socket())
        line.welcome()
        line.socket.send(frames.Replaced(instance="another"))
        out, _ = daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 4
    assert json.loads(out)["error"]["code"] == "taken_over"
    assert home.taken_over.exists()


def test_a_daemon_that_was_taken_over_stays_away_while_the_other_one_is_there(plane: FakePlane, home: Paths) -> None:
    """Catches two daemons with one token, restarted whatever their status is, that replace each other for ever."""
    set_up(home, plane)
    home.taken_over.touch()
    plane.route(ME, (200, {"runtime": {"status": "online"}}))
    for _ in range(2):
        with spawn(home, "daemon", "--json") as daemon:
            out, _ = daemon.communicate(timeout=WAIT_S)
        assert daemon.returncode == 4
        told = json.loads(out)["error"]
        assert told["code"] == "taken_over"
        assert "--take-over" in told["message"]
    assert plane.attached() == 0


@pytest.mark.parametrize(("arguments", "status"), [((), "offline"), (("--take-over",), "online")])
def test_a_daemon_that_was_taken_over_goes_on_when_the_other_one_is_away_or_it_is_told_to(
    plane: FakePlane, home: Paths, arguments: tuple[str, ...], status: str
) -> None:
    """Catches a mark that locks a laptop out for ever, and one that outlives its reason."""
    set_up(home, plane)
    home.taken_over.touch()
    plane.route(ME, (200, {"runtime": {"status": status}}))
    with spawn(home, "daemon", *arguments) as daemon:
        Line(plane.socket()).welcome()
        assert not home.taken_over.exists()
        daemon.terminate()
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [(fault(400, "bad_request"), 1), ((200, {"runtime": None}), 1), (fault(401, "unauthorized"), 5)],
)
def test_a_daemon_that_was_taken_over_and_can_not_ask_stays_away(
    plane: FakePlane, home: Paths, answer: Answer, exit_code: int
) -> None:
    """Catches a question whose failure counts as a no: the plane's bad minute would begin the fight again."""
    set_up(home, plane)
    home.taken_over.touch()
    plane.route(ME, answer)
    with spawn(home, "daemon", "--json") as daemon:
        daemon.communicate(timeout=WAIT_S)
    assert (daemon.returncode, plane.attached()) == (exit_code, 0)
    assert home.taken_over.exists()


def test_a_second_daemon_of_one_home_is_refused_and_disturbs_nothing(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    with spawn(home, "daemon") as first:
        line = Line(plane.socket())
        line.welcome()
        assert read_holder(home.lock) == first.pid
        with spawn(home, "daemon", "--json") as second:
            out, _ = second.communicate(timeout=WAIT_S)
        assert second.returncode == 1
        assert json.loads(out)["error"]["code"] == "already_running"
        assert not line.socket.closed.is_set()
        first.terminate()
        first.communicate(timeout=WAIT_S)
    assert first.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_its_log_holds_no_secret(
    plane: FakePlane, home: Paths, number: signal.Signals
) -> None:
    set_up(home, plane)
    bundles(plane)
    with spawn(home, "daemon", "--json") as daemon:
        line = Line(plane.socket())
        line.welcome()
        line.prompt("SECRET-PROMPT\n/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        daemon.send_signal(number)
        assert line.end()["error"]["code"] == "daemon_stopped"
        out, err = daemon.communicate(timeout=WAIT_S)
    assert (daemon.returncode, json.loads(out)) == (0, {"stopped": True, "runtime_id": "rt_1"})
    assert gone(child)
    for log in (err, home.daemon_log.read_text()):
        assert "SECRET-PROMPT" not in log
        assert TOKEN not in log
    assert f"session={S} turn={T} ended: failed code=daemon_stopped" in err
    assert all(line[:4].isdigit() for line in err.splitlines())
    assert home.daemon_log.read_text() == err


def test_a_hang_up_has_it_report_its_agents_anew_while_a_turn_goes_on(plane: FakePlane, home: Paths) -> None:
    """Catches an agent that is heard of at the next connection only, and a refresh that costs a turn."""
    set_up(home, plane)
    bundles(plane)
    with spawn(home, "daemon") as daemon:
        line = Line(plane.socket())
        first = line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        place = home.agents / "late"
        (place / "1").mkdir(parents=True)
        (place / "1" / "program").symlink_to(sys.executable)
        note = {"id": "late", "package": "p", "version": "1", "folder": "1", "program": "program"}
        (place / "mooring.json").write_text(json.dumps({**note, "args": ["-m", "mooring.echo_agent"]}))
        daemon.send_signal(signal.SIGHUP)
        found = line.socket.expect("hello", lambda hello: any(one["id"] == "late" for one in hello["agents"]))
        assert found["seq"] > first["seq"]
        (child_then,) = pids_in(home.sessions / S)
        assert (child_then, line.socket.closed.is_set()) == (child, False)
        (home.sessions / S / "release").touch()
        assert line.end()["outcome"] == "completed"
        daemon.terminate()
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0


def test_a_turn_that_was_running_when_the_daemon_was_killed_is_told_as_unknown(plane: FakePlane, home: Paths) -> None:
    set_up(home, plane)
    bundles(plane)
    with spawn(home, "daemon") as daemon:
        line = Line(plane.socket())
        first = line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        daemon.kill()
        daemon.communicate(timeout=WAIT_S)
    with spawn(home, "daemon") as daemon:
        line = Line(plane.socket())
        again = line.welcome(2)
        assert again["outbox"] == first["outbox"]
        assert again["instance"] != first["instance"]
        ended = line.end()
        assert (ended["outcome"], ended["error"]["code"]) == ("unknown", "daemon_restarted")
        line.prompt("/hold")
        line.socket.expect("session.accepted")
        line.prompt("hello", T2, 2)
        assert line.end(T2)["outcome"] == "completed"
        daemon.terminate()
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0


def test_a_service_has_its_own_home_and_the_variables_of_its_file(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches agents without their keys and proxy, since no shell has given a service's daemon any."""
    set_up(home, plane)
    bundles(plane)
    write_env_file(home, {"no_proxy": "127.0.0.1, $HOME 100%", "MOOR_TEST": "not for agents"})
    home.config.write_text('proxy = "http://proxy.test:1"\n')
    monkeypatch.setenv("MOOR_PROFILE", "another")
    with spawn(Paths(home.home / "elsewhere"), "daemon", "--service", str(home.home)) as daemon:
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        variables = Path(f"/proc/{child}/environ").read_text().split("\0")
        assert "no_proxy=127.0.0.1, $HOME 100%" in variables
        assert [one for one in variables if one.endswith("=http://proxy.test:1")], "what this home's config.toml says"
        assert not any(one.startswith("MOOR_TEST=") for one in variables)
        daemon.terminate()
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0


@pytest.mark.parametrize(("name", "code"), [("service.env", "bad_env_file"), ("config.toml", "bad_config")])
def test_why_a_service_could_not_begin_is_in_its_log(plane: FakePlane, home: Paths, name: str, code: str) -> None:
    """Catches a daemon that ends again and again, and nobody learns why: a service has no screen."""
    set_up(home, plane)
    (home.home / name).write_text("sk-ant-SECRET\n")
    with spawn(home, "daemon", "--service", str(home.home)) as daemon:
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 1
    [line] = home.daemon_log.read_text().splitlines()
    assert f"runtime=rt_1 ended by: {code}: " in line
    assert "SECRET" not in line
