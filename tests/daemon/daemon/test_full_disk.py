"""A disk that is full: nothing that was acknowledged is lost, what is going on is said, and work goes on by itself."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from mooring.commands import daemon as daemon_command
from mooring.daemon import desk, outbox, session_run
from mooring.edge.creds import Paths
from mooring.edge.journal import Journal
from mooring.edge.journal_rows import DiskFull
from mooring.wire.ids import SessionId, TurnId
from tests.daemon.fake_plane import FakePlane
from tests.daemon.machine import Line, S, bundles, running

T2, OTHER = TurnId("turn_2"), SessionId("sesn_2")


class Disk:
    """A disk that can be filled up. ``held``: a transaction could not be committed; ``refuses``: which."""

    def __init__(self) -> None:
        self.refuses = ""
        self.held = threading.Event()

    def check(self, method: str) -> None:
        if self.refuses in ("all", method):
            self.held.set()
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    def fill(self, refuses: str = "all") -> None:
        self.refuses = refuses
        self.held.clear()

    def free(self) -> None:
        self.refuses = ""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of every daemon that begins now."""
    made = Disk()

    class OnDisk(Journal):
        def _run(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                made.check("all")
            if sql.startswith("INSERT INTO batches"):
                made.check("freeze")
            return super()._run(sql, *values)

    monkeypatch.setattr(daemon_command, "Journal", OnDisk)
    for module in (desk, outbox, session_run):
        monkeypatch.setattr(module, "DISK_S", 0.05)
    return made


def test_a_turn_whose_words_find_no_space_is_stopped_and_told_whole_when_there_is_some(
    plane: FakePlane, home: Paths, disk: Disk
) -> None:
    """Catches words lost or told twice, a session that is stuck for ever, and an agent that goes on unheard."""
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("first\n/tool bash {}\nsecond\n/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta", lambda frame: "holding" in frame["text"])
        said = [line.said(), line.event("agent.tool_use")["name"], line.event("agent.tool_result")["type"]]
        disk.fill()
        (home.sessions / S / "release").touch()
        assert disk.held.wait(30)
        line.prompt("while it is full", session=OTHER)
        disk.free()
        said.append(line.said())
        assert said == ["You said: first", "bash", "agent.tool_result", "You said: secondholding"]
        assert line.end()["outcome"] == "completed", "it was done before it was stopped"
        line.prompt("/count", T2, 2)
        assert line.said() == "This session has seen 2 prompts."
        line.end(T2)
        # The plane says what was not accepted again.
        line.prompt("while it is full", session=OTHER)
        assert line.end(session=OTHER)["outcome"] == "completed"


def test_an_agent_that_goes_on_where_nothing_can_be_written_is_stopped_with_the_reason(
    plane: FakePlane, home: Paths, disk: Disk
) -> None:
    """Catches an agent that works on unheard."""
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold\n/tool bash {}\n/slow 600 60000", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        disk.fill()
        (home.sessions / S / "release").touch()
        assert disk.held.wait(30)
        disk.free()
        assert line.said() == "holding", "what it did until it was stopped is told"
        ended = line.end()
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", "disk_full")
        assert "Free some space" in ended["error"]["message"]


def test_what_is_on_the_disk_goes_out_when_there_is_space_to_number_it(
    plane: FakePlane, home: Paths, disk: Disk
) -> None:
    """Catches events told twice because they were taken and could not be sent, and a session that falls silent."""
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        disk.fill("freeze")
        line.prompt("hello")
        assert disk.held.wait(30)
        disk.free()
        assert line.said() == "You said: hello"
        assert line.end()["outcome"] == "completed"
        assert not [one for one in line.events[S] if one["type"] == "agent.message"]


def test_a_daemon_that_stops_on_a_full_disk_leaves_its_turn_to_the_next_one(
    plane: FakePlane, home: Paths, disk: Disk
) -> None:
    """Catches a stop that waits for space for ever, and an end that nobody ever tells."""
    bundles(plane)
    with running(home, plane) as machine:
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        disk.fill()
        assert machine.stop() is None
    disk.free()
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome(2)
        assert line.end()["outcome"] == "unknown"


def test_a_disk_that_is_full_at_the_start_is_said_in_a_sentence(plane: FakePlane, home: Paths, disk: Disk) -> None:
    disk.fill()
    with running(home, plane) as machine:
        assert isinstance(machine.outcome(), DiskFull)
