"""Who is still there of a child's process group, since when, and how to signal it all.

A child starts a session of its own, so that its pid names its group and its session. Members that made a group of their
own within that session (shells with job control do) are found by the session; a process that left the session as well
is out of reach.

Times are seconds on the clock by which the system dates its processes: since the laptop's start where there is /proc,
of the calendar elsewhere. The first can't be set by anybody; ``boot`` names the start that it counts from. (psutil has
the calendar's on Linux too, where they change for a process that runs when somebody sets the clock.)
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_HAS_PROC: Final = (_PROC / "self" / "stat").exists()
_PS: Final = ("ps", "-axo", "pid=,pgid=,stat=,lstart=")
_PS_ENV: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC0"}
_PS_TIME: Final = "%a %b %d %H:%M:%S %Y"


def members(leader: int) -> list[int]:
    """Returns the pids of the living processes in the group or session that ``leader`` began. Zombies are not alive.

    Where there is no /proc (macOS) only whether there is anyone can be told: then the answer is ``[leader]``.
    """
    if sys.platform == "win32":
        return []
    if not _HAS_PROC:
        return [leader] if _exists(leader) else []
    return list(_listed(leader))


def starts(leader: int) -> dict[int, float]:
    """Returns the members by pid, with the time at which each of them started.

    Where there is no /proc, ``ps`` tells; it is asked for the group only. Empty on Windows.

    Raises:
        OSError: there is no ``ps`` either.
    """
    if sys.platform == "win32":
        return {}
    return _listed(leader) if _HAS_PROC else _told_by_ps(leader)


def now() -> float:
    """Returns the time on the clock of ``starts``."""
    if sys.platform == "linux" and _HAS_PROC:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


def boot() -> str:
    """Names what the clock counts from: this start of the laptop, or "" for the calendar's."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip() if _HAS_PROC else ""


def signal_all(leader: int, number: int) -> None:
    """Sends a signal to the group and to all others of the session. Who is gone already is no error."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
    if not _HAS_PROC:
        return
    for pid in members(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) != leader:
                os.kill(pid, number)


def _listed(leader: int) -> dict[int, float]:
    found = {}
    for entry in os.listdir(_PROC):
        if entry.isdigit() and (started := _start_in(entry, leader)) is not None:
            found[int(entry)] = started
    return found


def _start_in(entry: str, leader: int) -> float | None:
    """When a process started, if it lives and belongs to the group or session."""
    try:
        stat = (_PROC / entry / "stat").read_bytes()
    except OSError:
        return None
    # The command's name stands in parentheses and may hold anything; what follows the last one is plain.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X") or leader not in (int(fields[2]), int(fields[3])):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _told_by_ps(leader: int) -> dict[int, float]:
    told = subprocess.run(_PS, env=_PS_ENV, capture_output=True, text=True, check=False).stdout
    found = {}
    for line in told.splitlines():
        pid, group, state, started = line.split(maxsplit=3)
        if int(group) == leader and not state.startswith("Z"):
            found[int(pid)] = datetime.strptime(started.strip(), _PS_TIME).replace(tzinfo=UTC).timestamp()
    return found


def _exists(leader: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        # macOS answers PermissionError for a group of nothing but zombies.
        return False
    return True
