"""The daemon's lock: one holder, seen by others without being disturbed, free once the holder is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mooring.edge.lock import DaemonLock, read_holder
from mooring.errors import MoorError

HOLD = "import sys, pathlib; from mooring.edge.lock import DaemonLock\n"
HOLD += "with DaemonLock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_a_lock_names_its_holder_until_it_is_left(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert read_holder(lock) is None
    with DaemonLock(lock):
        assert read_holder(lock) == os.getpid()
        assert read_holder(lock) == os.getpid()
    assert read_holder(lock) is None


def test_a_second_daemon_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with DaemonLock(tmp_path / "lock"), pytest.raises(MoorError, match=rf"already_running.*pid {os.getpid()}"):  # noqa: SIM117
        with DaemonLock(tmp_path / "lock"):
            pass


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert read_holder(lock) == holder.pid
        holder.kill()
        holder.wait()
        assert read_holder(lock) is None
