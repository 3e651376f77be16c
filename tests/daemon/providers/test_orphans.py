"""Orphans: who has outlived a killed daemon is ended by the next one, and nobody else is touched."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mooring.providers import orphans, process_group

from .scripted import environment, nobody_left, script

__all__ = ["nobody_left"]

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts children as a daemon does, and waits for each one's first line."""
    begun: list[subprocess.Popen[str]] = []

    def start(body: str) -> subprocess.Popen[str]:
        command = script(tmp_path, body)
        pipe = subprocess.PIPE
        env = environment()
        made = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        begun.append(made)
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        return made

    yield start
    for child in begun:
        process_group.signal_all(child.pid, 9)
        child.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where groups are written down."""
    return tmp_path / "children"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets two seconds."""
    monkeypatch.setattr(orphans, "TERM_S", 0.1)


WAITS = "print('ready', flush=True); time.sleep(600)"
DEAF = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
WRAPPER = """
code = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code])
sys.stdin.readline()
"""
"""Ends at its first line of input and leaves somebody behind who heeds nothing."""


def rewrite(folder: Path, leader: int, **fields: Any) -> None:
    """Makes a record say something else."""
    path = folder / f"{leader}.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **fields}))


@pytest.mark.parametrize("body", [WAITS, DEAF])
def test_a_child_that_outlived_its_daemon_is_ended(folder: Path, start: Start, body: str) -> None:
    """Catches an agent that works on unseen, in the folder in which the next one is started."""
    child = start(body)
    orphans.write_down(folder, child.pid)
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("has_proc", [True, False])
def test_who_is_left_of_a_wrapper_that_died_is_ended(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch, has_proc: bool
) -> None:
    """Catches a sweep that looks for the child alone: of a wrapper and its agent the agent would be left."""
    monkeypatch.setattr(process_group, "_HAS_PROC", has_proc)
    child = start(WRAPPER)
    orphans.write_down(folder, child.pid).confirm()
    assert child.stdin is not None
    print(file=child.stdin, flush=True)
    child.wait()
    assert process_group.starts(child.pid) != {}
    orphans.sweep(folder)
    assert process_group.starts(child.pid) == {}


def test_who_came_after_the_child_was_last_seen_is_ended_with_it_though_it_heeds_term_and_they_do_not(
    folder: Path, start: Start
) -> None:
    """Catches a sweep that loses sight of a group with the end of its leader, which its own TERM has brought about."""
    child = start(WRAPPER)
    orphans.write_down(folder, child.pid)
    rewrite(folder, child.pid, seen=0.0)
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []


def test_a_child_that_ended_before_it_was_written_down_is_told_by_whom_it_left(folder: Path, start: Start) -> None:
    child = start(WRAPPER)
    assert child.stdin is not None
    print(file=child.stdin, flush=True)
    child.wait()
    orphans.write_down(folder, child.pid)
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(folder: Path, start: Start) -> None:
    """Catches the worst: a program of the laptop's owner killed because an agent once had its number."""
    child = start(WAITS)
    record = orphans.write_down(folder, child.pid)
    for told in ({"started": process_group.starts(child.pid)[child.pid] - 1}, {"boot": "another"}):
        record.confirm()
        rewrite(folder, child.pid, **told)
        orphans.sweep(folder)
        assert process_group.members(child.pid) == [child.pid]
        assert list(folder.iterdir()) == []


def test_a_group_whose_members_all_came_after_the_child_was_last_seen_is_left_alone(folder: Path, start: Start) -> None:
    """Catches the same where the number's new owner is a group whose leader has ended, such as half a pipeline."""
    child = start(WRAPPER)
    orphans.write_down(folder, child.pid)
    rewrite(folder, child.pid, seen=process_group.starts(child.pid)[child.pid] - 1)
    assert child.stdin is not None
    print(file=child.stdin, flush=True)
    child.wait()
    (left,) = process_group.members(child.pid)
    orphans.sweep(folder)
    assert process_group.members(child.pid) == [left]
    assert list(folder.iterdir()) == []


def test_who_survives_a_kill_stays_written_down(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches an agent stuck in the kernel that is forgotten, and a daemon that waits for it for ever."""
    child = start(WAITS)
    orphans.write_down(folder, child.pid)
    with monkeypatch.context() as stuck:
        stuck.setattr(orphans, "KILL_S", 0.1)
        stuck.setattr(process_group, "signal_all", lambda leader, number: None)
        orphans.sweep(folder)
    assert [path.name for path in folder.iterdir()] == [f"{child.pid}.json"]
    assert f"child={child.pid} processes survive KILL: [{child.pid}]" in caplog.messages
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []


def test_what_is_no_record_is_said_and_the_others_count(
    folder: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches a daemon that does not start, or ends nobody, because a power cut has left half a record."""
    child = start(WAITS)
    orphans.write_down(folder, child.pid)
    (folder / "1.json").write_text('{"leader": 1, "st')
    (folder / "folder").mkdir()
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []
    assert [path.name for path in folder.iterdir()] == ["folder"]
    assert sum("can't be read" in told for told in caplog.messages) == 2
    assert sum("done with stays" in told for told in caplog.messages) == 1


def test_a_home_in_which_nobody_was_ever_written_down_is_swept_in_silence(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orphans.sweep(folder)
    assert caplog.messages == []


def test_a_copied_home_does_not_end_the_children_of_the_daemon_it_was_copied_from(folder: Path, start: Start) -> None:
    """Catches a second daemon on the same machine that kills the agents at which the first one's people look."""
    child = start(WAITS)
    orphans.write_down(folder, child.pid)
    copy = folder.with_name("copied") / "children"
    shutil.copytree(folder, copy)
    orphans.sweep(copy)
    assert process_group.members(child.pid) != []
    assert list(copy.iterdir()) == []
    orphans.sweep(folder)
    assert process_group.members(child.pid) == []
