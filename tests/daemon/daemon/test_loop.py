"""The loop: a daemon whose connections are cut, replaced, refused and rotated."""

from __future__ import annotations

import pytest

from mooring.core import link
from mooring.edge.config import Config
from mooring.edge.creds import Paths
from mooring.errors import EXIT_REFUSED, EXIT_TAKEN_OVER, MoorError
from mooring.wire import frames
from mooring.wire.ids import EventId, TurnId
from tests.daemon.fake_plane import FakePlane
from tests.daemon.machine import RUNTIME, TOKEN, Line, S, T, bundles, running

T2 = TurnId("turn_2")


@pytest.fixture(autouse=True)
def _quick_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BACKOFF_FIRST_S", 0.01)


def test_a_cut_connection_is_dialed_again_and_nothing_is_lost_or_changed(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        assert line.socket.authorization == f"Bearer {TOKEN}"
        first = line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        sent = line.socket.expect("session.event")
        line.socket.cut()
        line = Line(plane.socket())
        again = line.welcome(2)
        assert (again["instance"], again["outbox"]) == (first["instance"], first["outbox"])
        assert line.take_batch() == sent
        assert line.said() == "holding"
        assert line.end()["outcome"] == "cancelled"


def test_events_gather_while_the_daemon_is_offline(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.socket.cut()
        second = plane.socket()
        second.cut()
        third = Line(plane.socket())
        (home.sessions / S / "release").touch()
        third.welcome(2)
        assert third.said() == "holding"
        assert third.end()["outcome"] == "completed"


def test_a_rotation_opens_the_new_connection_before_it_closes_the_old_one(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "DRAIN_S", 0.1)
    bundles(plane)
    with running(home, plane, Config(connection_minutes=0.3 / 60)):
        old = Line(plane.socket())
        first = old.welcome()
        old.prompt("/hold", window_ms=10, as_of=1.0)
        old.socket.expect("session.delta")
        new = Line(plane.socket())
        hello = new.socket.expect("hello")
        assert hello["instance"] == first["instance"]
        assert not old.socket.closed.is_set()
        # Until the new one is welcomed, the old one is the runtime's own.
        old.socket.send(frames.SessionPrompt(session_id=S, turn_id=T, order=1, agent_id="echo"))
        old.socket.expect("session.accepted")
        new.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=2))
        old.socket.send(frames.Replaced(instance=first["instance"]))
        new.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        assert new.end()["outcome"] == "cancelled"
        assert old.socket.closed.wait(15)


def test_a_second_daemon_stops_this_one_for_good(plane: FakePlane, home: Paths) -> None:
    with running(home, plane) as machine:
        line = Line(plane.socket())
        line.welcome()
        line.socket.send(frames.Replaced(instance="another"))
        ended = machine.outcome()
        assert isinstance(ended, MoorError)
        assert (ended.code, ended.exit_code) == ("taken_over", EXIT_TAKEN_OVER)
        assert line.socket.closed.wait(15)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_it_for_good(plane: FakePlane, home: Paths, status: int) -> None:
    plane.refuse = status
    with running(home, plane) as machine:
        ended = machine.outcome()
        assert isinstance(ended, MoorError)
        assert (ended.code, ended.exit_code) == ("token_refused", EXIT_REFUSED)
        assert "moor setup" in ended.message


def test_a_plane_that_is_busy_is_dialed_again(plane: FakePlane, home: Paths) -> None:
    plane.refuse = 503
    with running(home, plane):
        plane.refused.get(timeout=15)
        plane.refused.get(timeout=15)
        plane.refuse = None
        Line(plane.socket()).welcome()


def test_frames_of_a_newer_plane_and_broken_ones_are_skipped(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.socket.send_text('{"type":"from.the.future"}')
        line.socket.send_text("{")
        line.socket.send_text('{"type":"session.prompt"}')
        line.socket.send(frames.ErrorFrame(code="rate_limited", message="Slow down."))
        line.socket.send(
            frames.PermissionVerdict(session_id=S, turn_id=T, tool_use_id=EventId("sevt_x"), result="allow")
        )
        line.prompt("hello")
        assert line.end()["outcome"] == "completed"


def test_a_plane_that_answers_no_ping_is_left_for_a_new_connection(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_silence_s", lambda ping_s: 2 * ping_s + 0.1)
    with running(home, plane):
        first = plane.socket()
        first.expect("hello")
        first.send(frames.Welcome(runtime_id=RUNTIME, epoch=1, ping_s=0.1))
        first.expect("ping")
        Line(plane.socket()).welcome(2)


def test_what_has_changed_is_said_on_the_newest_connection_once_it_is_the_runtimes_own(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a hello on a connection that is being replaced, by which the older one would win over the newer."""
    monkeypatch.setattr(link, "DRAIN_S", 0.1)
    with running(home, plane, Config(connection_minutes=3.0 / 60)) as machine:
        old = Line(plane.socket())
        old.welcome()
        new = Line(plane.socket())
        first = new.socket.expect("hello")
        machine.introduce()
        new.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=2))
        old.socket.send(frames.Replaced(instance=first["instance"]))
        again = new.socket.expect("hello")
        assert again["seq"] == first["seq"] + 1
