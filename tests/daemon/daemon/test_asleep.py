"""A laptop that sleeps: it says goodnight, comes back at once, and nothing of it costs anybody's patience."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from mooring.core.sleep import Clocks
from mooring.daemon import loop, outbox
from mooring.edge.clocks import read_clocks
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.wire import frames
from mooring.wire.ids import SessionId, TurnId
from tests.daemon.fake_logind import FakeLogind, system_bus
from tests.daemon.fake_plane import FakePlane
from tests.daemon.machine import RUNTIME, Line, S, bundles, running

T2, OTHER = TurnId("turn_2"), SessionId("sesn_2")
NIGHT_S = 3 * 3600.0


class Bed:
    """A laptop's clocks, whose owner shuts the lid for a while or sets the time."""

    def __init__(self) -> None:
        self.asleep_s = self.set_by_s = 0.0

    def __call__(self) -> Clocks:
        real = read_clocks()
        boot = time.monotonic() + self.asleep_s
        return Clocks(awake=real.awake, boot=boot, wall=real.wall + self.asleep_s + self.set_by_s)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WATCH_S", 0.02)


def test_after_three_hours_of_sleep_it_is_back_at_once_and_works_off_what_waits_in_order(
    plane: FakePlane, home: Paths
) -> None:
    """Catches a wait for timeouts of dead sockets, a turn that the night ends, and a prompt that is run twice."""
    bundles(plane)
    bed = Bed()
    limits = AgentConfig(idle_limit_s=600, hard_limit_s=3600)
    with running(home, plane, Config(agents={"echo": limits}), bed):
        evening = Line(plane.socket())
        hello = evening.welcome()
        evening.prompt("/hold", window_ms=10, as_of=1.0)
        evening.socket.expect("session.delta")
        bed.asleep_s = NIGHT_S
        morning = Line(plane.socket())
        assert evening.socket.closed.wait(30)
        again = morning.welcome(2)
        assert (again["instance"], again["outbox"]) == (hello["instance"], hello["outbox"])
        # What the plane does not know to be on the machine it says again, and what waited follows.
        morning.prompt("/hold")
        morning.prompt("/count", session=OTHER)
        (home.sessions / S / "release").touch()
        assert morning.said() == "holding"
        assert morning.end()["outcome"] == "completed"
        morning.prompt("/count", T2, 2)
        assert morning.said() == "This session has seen 2 prompts."
        assert morning.said(OTHER) == "This session has seen 1 prompts."
        assert morning.end(T2)["outcome"] == morning.end(session=OTHER)["outcome"] == "completed"
        assert plane.attached() == 2, "one try was enough"


@pytest.mark.parametrize("set_by_s", [NIGHT_S, -NIGHT_S])
def test_a_clock_that_is_put_right_costs_no_connection(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch, set_by_s: float
) -> None:
    """Catches a daemon that leaves its connection, or falls silent on it, because somebody set the time."""
    monkeypatch.setattr(outbox, "MIN_PING_S", 0.05)
    bed = Bed()
    with running(home, plane, clocks=bed):
        line = Line(plane.socket())
        line.socket.expect("hello")
        line.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=1, ping_s=0.05))
        line.socket.expect("ping")
        bed.set_by_s = set_by_s
        for _ in range(5):
            line.socket.expect("ping")
        assert plane.attached() == 1


def test_the_idle_limit_counts_from_the_laptops_return(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a night that counts as an agent's silence, where timers go on while the laptop sleeps."""
    monkeypatch.setattr(loop.DaemonLoop, "woke_at", lambda _: time.monotonic())
    bundles(plane)
    limits = AgentConfig(idle_limit_s=0.2, hard_limit_s=1.0)
    with running(home, plane, Config(agents={"echo": limits})):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold")
        assert line.end()["error"]["code"] == "turn_hard_limit"


def test_the_system_waits_until_the_plane_has_heard_goodnight_and_stays_awake_during_a_turn(
    plane: FakePlane, home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a goodnight lost on its way, a dial while it falls asleep, and a sleep in mid-turn."""
    bundles(plane)
    with system_bus(tmp_path, monkeypatch) as address, closing(FakeLogind(address)) as logind, running(home, plane):
        delay = logind.lock()
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        idle = logind.lock()
        line.socket.expect("session.delta")
        assert (delay.what, idle.what) == ("sleep", "idle")
        (home.sessions / S / "release").touch()
        line.end()
        assert idle.released()
        logind.prepare(True)
        assert line.socket.expect("runtime.sleep")["runtime_id"] == RUNTIME
        assert delay.is_held()
        line.socket.close()
        assert delay.released()
        assert plane.attached() == 1
        logind.prepare(False)
        line = Line(plane.socket())
        line.welcome(2)
        assert logind.lock().what == "sleep", "for the next night"
        line.prompt("hello", T2, 2)
        assert line.end(T2)["outcome"] == "completed"
