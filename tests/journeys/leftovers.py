"""Leftovers: which processes the journeys have started that still run.

All that they start inherits a mark in its environment. Agents do not, since the daemon gives them a few variables only;
but they work in a session's folder, which lies below the journeys' own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

MARK = "MOORING_JOURNEYS"
PROC = Path("/proc")


def running(mark: str, below: Path) -> dict[int, str]:
    """Those processes, by pid, with their command lines. Empty where there is no ``/proc`` to see them by."""
    return {pid: _command(pid) for pid in _pids() if _is_ours(pid, f"{MARK}={mark}".encode(), below)}


def working_in(folder: Path) -> list[int]:
    """The processes whose working directory is this folder."""
    return [pid for pid in _pids() if _folder(pid) == folder]


def _pids() -> Iterator[int]:
    if PROC.is_dir():
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())


def _is_ours(pid: int, variable: bytes, below: Path) -> bool:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:  # Ended meanwhile, or somebody else's.
        return False
    folder = _folder(pid)
    return variable in environment.split(b"\0") or (folder is not None and below in folder.parents)


def _folder(pid: int) -> Path | None:
    try:
        return Path(os.readlink(PROC / str(pid) / "cwd").removesuffix(" (deleted)"))
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(ended)"
