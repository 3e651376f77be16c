"""``moor daemon`` as a process: how it ends, what it leaves, what it writes."""

from __future__ import annotations

import json
import signal

import pytest

from mooring.edge.creds import Paths
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
    assert "SECRET-PROMPT" not in err
    assert TOKEN not in err
    assert f"session={S} turn={T} ended: failed code=daemon_stopped" in err
    assert all(line[:4].isdigit() for line in err.splitlines())


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
