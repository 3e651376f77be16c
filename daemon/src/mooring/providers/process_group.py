"""Who is still there of a child's process group, and how to signal it all.

A child starts a session of its own, so that its pid names its group and its session. Members that made a group of their
own within that session (shells with job control do) are found by the session; a process that left the session as well
is out of reach.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_HAS_PROC: Final = (_PROC / "self" / "stat").exists()


def members(leader: int) -> list[int]:
    """Returns the pids of the living processes in the group or session that ``leader`` began. Zombies are not alive.

    Where there is no /proc (macOS) only whether there is anyone can be told: then the answer is ``[leader]``.
    """
    if sys.platform == "win32":
        return []
    if not _HAS_PROC:
        return [leader] if _exists(leader) else []
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdigit() and _belongs(entry, leader)]


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


def _belongs(entry: str, leader: int) -> bool:
    try:
        stat = (_PROC / entry / "stat").read_bytes()
    except OSError:
        return False
    # The command's name stands in parentheses and may hold anything; what follows the last one is plain.
    state, _parent, group, session = stat[stat.rindex(b")") + 2 :].split()[:4]
    return state not in (b"Z", b"X") and leader in (int(group), int(session))


def _exists(leader: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        # macOS answers PermissionError for a group of nothing but zombies.
        return False
    return True
