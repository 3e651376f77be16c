"""The daemon's lock: at most one daemon per home folder, and a way to see it without disturbing it.

The operating system drops the lock when its holder dies, however it dies; the pid in the file is only for people.

``waited_for`` is for the short moments in which two processes must not write the same file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from ..errors import MoorError

_ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.05
"""``read_holder`` takes the lock for an instant to see whether it is free; a starting daemon tries again past that."""


class DaemonLock:
    """Holds the lock from entry to exit.

    Raises:
        MoorError: ``already_running``, on entry.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> DaemonLock:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        for attempt in range(_ATTEMPTS):
            if _take(handle):
                break
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_S)
        else:
            holder = _pid(handle)
            os.close(handle)
            who = f" (pid {holder})" if holder else ""
            why = f"A daemon{who} is running for {self._path.parent} already. `moor status` shows it."
            raise MoorError("already_running", why)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.ftruncate(self._handle, 0)
        os.close(self._handle)


def read_holder(path: Path) -> int | None:
    """The pid of the running daemon, or None when none is running."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _take(handle) else _pid(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[None]:
    """Holds a lock within the block, after whoever holds it now."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _take(handle):
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _pid(handle: int) -> int | None:
    text = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


if sys.platform == "win32":
    import msvcrt

    _FAR: Final = 1 << 30
    """Windows locks bytes against reading too, so the locked one lies behind the pid."""

    def _take(handle: int) -> bool:
        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
