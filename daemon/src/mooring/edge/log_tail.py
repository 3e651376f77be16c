"""Reads a log that somebody else writes and rotates: its last lines, and its new ones as they come.

No file stays open in between: on Windows the writer could not rename it then.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path


class LogTail:
    """A log and the files that it was before it was rotated.

    Args:
        path: of the newest file; it may be missing, or come and go.
        older: the files before it, newest first.
        keep: which of its lines count.
    """

    def __init__(self, path: Path, older: Iterable[Path], keep: Callable[[str], bool] = lambda line: True) -> None:
        self._files = [path, *older]
        self._keep = keep
        self._inode = 0
        self._read_to = 0
        self._unfinished = b""

    def last(self, count: int) -> list[str]:
        """Returns the last lines, oldest first; ``new`` goes on after them."""
        self._inode = 0
        places, contents = zip(*map(self._unread, self._files), strict=True)
        self._inode, self._read_to = places[0]
        lines: deque[str] = deque(maxlen=count)
        lines.extend(self._lines(b"".join(reversed(contents))))
        return list(lines)

    def new(self) -> list[str]:
        """Returns the whole lines that have come since; those of a file that was rotated away meanwhile, too."""
        places, contents = [], []
        for file in self._files:
            place, content = self._unread(file)
            places.append(place)
            contents.append(content)
            if self._is_known(place[0]):
                break
        else:
            del contents[1:]  # The file that was read is gone, and nobody can say how much of the others is new.
        self._inode, self._read_to = places[0]
        return list(self._lines(b"".join(reversed(contents))))

    def _unread(self, file: Path) -> tuple[tuple[int, int], bytes]:
        """A file's identity and size, and what is new in it; of one that is not there, nothing."""
        try:
            with file.open("rb") as opened:
                now = os.fstat(opened.fileno())
                # Shorter than what was read of it: somebody has emptied it.
                if self._is_known(now.st_ino) and now.st_size >= self._read_to:
                    opened.seek(self._read_to)
                content = opened.read()
                return (now.st_ino, opened.tell()), content
        except FileNotFoundError:
            return (0, 0), b""

    def _is_known(self, inode: int) -> bool:
        return inode == self._inode != 0

    def _lines(self, content: bytes) -> Iterable[str]:
        *whole, self._unfinished = (self._unfinished + content).split(b"\n")
        return filter(self._keep, (line.decode("utf-8", "replace").rstrip("\r") for line in whole))
