"""Orphans: children's process groups that have outlived their daemon, and how the next daemon ends them.

A daemon that is killed takes nobody along. An agent that ignores the end of its input then works on, in a folder in
which the next daemon would soon start another one. So each group is written down in the daemon's home before anything
is said to its child, and struck out when nobody of it lives; a daemon that starts, once it holds the lock, ends those
that are still written down.

The system uses numbers again, so nobody is killed by number alone. A group is the one written down if

- its leader, the child, still runs, started at the time written down; or
- the leader is gone (a wrapper that died before the agent that it had started) and somebody of the group is older than
  the last moment at which the child was seen alive. A number is not given away while a group or session bears it: who
  was there at that moment has kept it taken ever since.

Whoever is neither is left alone. A record counts for one start of the laptop only; a later one finds no process of it.
That a power cut may take a record with it is therefore no loss, and nothing here is synced.

Linux could have the kernel kill a child with its parent (PR_SET_PDEATHSIG). That reaches the direct child only, so that
of a wrapper and its agent the agent would be left, and goes by the death of the thread that started it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from . import process_group

TERM_S: Final = 2.0
"""What orphans are given between TERM and KILL. Whom they could answer is gone, and the daemon's start waits."""

KILL_S: Final = 5.0
"""How long killed orphans may take to vanish before the daemon starts without that."""

_SCAN_S: Final = 0.02

_log = logging.getLogger("mooring.child")


class _Group(Struct, frozen=True):
    """One group as it is written down. Times are those of ``process_group``.

    Attributes:
        leader: the child's pid.
        started: when it started.
        seen: when it was last seen alive.
        boot: the laptop's start that the times count from.
        folder: where it was written down: in a home that was copied, the children are those of the first one's daemon.
    """

    leader: int
    started: float
    seen: float
    boot: str
    folder: str

    def found(self) -> _Group | None:
        """Returns the group as seen now; None = nobody of it lives who is certain to belong to it."""
        if self.boot != process_group.boot():
            return None
        now, starts = process_group.now(), process_group.starts(self.leader)
        if self.leader in starts:
            is_it = starts[self.leader] == self.started
        else:
            is_it = any(started <= self.seen for started in starts.values())
        return msgspec.structs.replace(self, seen=now) if is_it else None


class Record:
    """The record of one child's group, made by ``write_down``."""

    def __init__(self, path: Path, group: _Group) -> None:
        self._path, self._group = path, group

    def confirm(self) -> None:
        """Notes that the child is alive now.

        Raises:
            OSError: the disk.
        """
        self._group = msgspec.structs.replace(self._group, seen=process_group.now())
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._group))
        os.replace(fresh, self._path)

    def strike(self) -> None:
        """Forgets the group: nobody of it lives."""
        _remove(self._path)


def write_down(folder: Path, leader: int) -> Record:
    """Writes down the group of a child that has just been started.

    Args:
        folder: where groups are written down.
        leader: the child's pid.

    Raises:
        OSError: the disk.
    """
    # One that has ended already may have left somebody: the moment of this look is then all that tells them.
    started = process_group.starts(leader).get(leader, process_group.now())
    folder.mkdir(mode=0o700, exist_ok=True)
    group = _Group(leader, started, started, process_group.boot(), str(folder.resolve()))
    record = Record(folder / f"{leader}.json", group)
    record.confirm()
    return record


def sweep(folder: Path) -> None:
    """Ends the groups that a killed daemon has left. To be called before any child is started.

    Args:
        folder: where they are written down; nobody else writes there.
    """
    if not folder.is_dir():
        return
    records = {path: _read(path) for path in folder.iterdir()}
    left = {group.leader for group in _ended([group for group in records.values() if group is not None])}
    for path, record in records.items():
        if record is None or record.leader not in left:
            _remove(path)


def _ended(groups: list[_Group]) -> list[_Group]:
    """Ends those of the groups that are there. Returns those that still are."""
    if sys.platform == "win32":
        return []
    groups = _found(groups)
    for group in groups:
        _log.warning("child=%s outlived the daemon that started it; it is ended", group.leader)
    groups = _signalled(groups, signal.SIGTERM, TERM_S)
    for group in groups:
        _log.warning("child=%s did not stop within %g s of TERM; killed", group.leader, TERM_S)
    groups = _signalled(groups, signal.SIGKILL, KILL_S)
    for group in groups:
        _log.error("child=%s processes survive KILL: %s", group.leader, process_group.members(group.leader))
    return groups


def _signalled(groups: list[_Group], number: int, grace_s: float) -> list[_Group]:
    """Sends a signal to groups that are there. Returns those that still are after ``grace_s``."""
    for group in groups:
        process_group.signal_all(group.leader, number)
    deadline = time.monotonic() + grace_s
    while (groups := _found(groups)) and time.monotonic() < deadline:
        time.sleep(_SCAN_S)
    return groups


def _found(groups: list[_Group]) -> list[_Group]:
    return [found for group in groups if (found := group.found()) is not None]


def _read(path: Path) -> _Group | None:
    """Returns the group in a file; None = it holds none of this home's, or half of one, as a power cut leaves it."""
    try:
        group = msgspec.json.decode(path.read_bytes(), type=_Group)
        return group if group.folder == str(path.parent.resolve()) else None
    except (OSError, msgspec.MsgspecError) as exc:
        _log.warning("path=%s the record of a child can't be read: %s", path, exc)
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        _log.warning("path=%s a record that is done with stays, and does no harm: %s", path, exc)
