"""``moor logs``: the daemon's log and an agent's, shown, filtered and followed."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from mooring.cli import main
from mooring.edge.creds import Paths
from tests.daemon.fake_plane import WAIT_S
from tests.daemon.machine import spawn

LINES = [
    "2026-11-21T08:00:00Z INFO runtime=rt_1 connection=1 online, epoch 1",
    "2026-11-21T08:00:01Z INFO session=sesn_1 turn=turn_1 started",
    "2026-11-21T08:00:02Z WARNING session=sesn_10 turn=turn_2 slow",
    "2026-11-21T08:00:03Z INFO session=sesn_1 turn=turn_1 ended: completed",
]


@pytest.fixture
def logs(home: Paths) -> Paths:
    home.logs.mkdir(parents=True)
    home.daemon_log.with_name("daemon.log.1").write_text(f"{LINES[0]}\n")
    home.daemon_log.write_text("".join(f"{line}\n" for line in LINES[1:]))
    return home


def moor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Any]]:
    """Exit status and lines, as objects with ``--json``."""
    status = main(["logs", *arguments])
    out = capsys.readouterr().out.splitlines()
    return status, [json.loads(line) for line in out] if "--json" in arguments else out


def test_the_last_lines_are_shown_over_rotated_files(logs: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert moor(capsys) == (0, LINES)
    assert moor(capsys, "-n", "2") == (0, LINES[-2:])
    assert moor(capsys, "--lines=0") == (0, [f"There is nothing in {logs.daemon_log}."])


def test_one_sessions_lines_are_its_own(logs: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a session whose id begins like another's."""
    assert moor(capsys, "--session", "sesn_1") == (0, [LINES[1], LINES[3]])
    assert moor(capsys, "--session", "sesn_1", "-n", "1") == (0, [LINES[3]])


def test_json_is_an_object_a_line_and_a_summary(logs: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = moor(capsys, "--json", "-n", "1")
    assert status == 0
    assert told == [
        {
            "at": "2026-11-21T08:00:03Z",
            "level": "INFO",
            "text": "session=sesn_1 turn=turn_1 ended: completed",
            "session": "sesn_1",
            "turn": "turn_1",
        },
        {"path": str(logs.daemon_log), "lines": 1},
    ]
    logs.daemon_log.write_text("cut off\n")
    assert moor(capsys, "--json", "-n", "1")[1][0] == {"text": "cut off"}


def test_an_agents_log_is_shown_without_what_moves_the_cursor(logs: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an agent that draws over what its reader has on the screen."""
    (logs.logs / "sesn_1.log.1").write_text("first\n")
    (logs.logs / "sesn_1.log").write_text("\x1b[2J\x1b[31mred\x1b[0m\n")
    assert moor(capsys, "--session", "sesn_1", "--agent") == (0, ["first", "red"])
    assert moor(capsys, "--session", "sesn_1", "--agent", "--json")[1][0] == {"text": "first"}
    assert moor(capsys, "--session", "sesn_2", "--agent")[1] == [f"There is nothing in {logs.logs / 'sesn_2.log'}."]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("--agent",), 2, "usage"),
        (("-n", "-1"), 2, "usage"),
        (("-n", "many"), 2, "usage"),
        (("--agent", "--session", "../credentials"), 1, "bad_session_id"),
    ],
)
def test_what_can_not_be_shown_is_refused(
    logs: Paths, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, code: str
) -> None:
    """Catches a session's id that climbs out of the folder of logs."""
    exit_code, [told] = moor(capsys, "--json", *arguments)
    assert (exit_code, told["error"]["code"]) == (status, code)


def test_without_a_log_it_is_said(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert moor(capsys) == (0, [f"There is nothing in {home.daemon_log}."])
    assert not home.home.exists()


def test_a_follower_goes_on_over_a_rotation_until_ctrl_c(logs: Paths) -> None:
    """Catches a follower that stays with the file it began with, and one that ends with an error."""
    with spawn(logs, "logs", "-f", "-n", "1") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == f"{LINES[-1]}\n"
        with logs.daemon_log.open("a") as file:
            file.write("one\n")
        logs.daemon_log.rename(logs.daemon_log.with_name("daemon.log.1"))
        logs.daemon_log.write_text("two\n")
        assert [follower.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
        follower.send_signal(signal.SIGINT)
        out, err = follower.communicate(timeout=WAIT_S)
    assert (follower.returncode, out, err) == (0, "", "")


def test_a_reader_that_goes_away_ends_it_quietly(logs: Paths) -> None:
    """Catches a traceback after ``moor logs -f | head``."""
    with spawn(logs, "logs", "-f") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == f"{LINES[0]}\n"
        follower.stdout.close()
        with logs.daemon_log.open("a") as file:
            file.write("more\n")
        assert follower.wait(WAIT_S) == 1
        assert follower.stderr is not None
        assert follower.stderr.read() == ""
