"""The daemon's log: one line a record, on standard error and in a file that its user alone reads, of bounded size."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 5 * 1024 * 1024
"""A file that would grow beyond this becomes ``daemon.log.1``. A quiet laptop writes some 100 KB a day, a busy one a
few MB: one file is at least a day, and opens in any editor."""

OLDER_FILES: Final = 4
"""With the newest they hold 25 MB: weeks of a laptop's life, and nothing that a disk would notice."""


class OneLine(logging.Formatter):
    """A record on one line, tracebacks too: whoever greps for a session's id finds all of it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return " | ".join(line.strip() for line in super().format(record).splitlines())


def log_to_stderr() -> None:
    """Logs what is ours. Other libraries' records may hold what agents and people say, so they are not written."""
    logging.getLogger().addHandler(logging.NullHandler())
    ours = logging.getLogger("mooring")
    ours.handlers, ours.propagate = [], False
    ours.setLevel(logging.INFO)
    if sys.stderr is not None:  # A program without a console has none on Windows.
        _write_with(logging.StreamHandler(sys.stderr))


@contextlib.contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Logs it there as well, within the block. Only a daemon that holds its lock may: two would rotate the same files.

    A disk that can't take it is said once, on standard error, and costs the daemon nothing.
    """
    file = _File(path)
    _write_with(file)
    try:
        yield
    finally:
        logging.getLogger("mooring").removeHandler(file)
        file.close()


def older(path: Path) -> list[Path]:
    """Returns the files that the log was before, newest first, there or not."""
    return [path.with_name(f"{path.name}.{number}") for number in range(1, OLDER_FILES + 1)]


def _write_with(handler: logging.Handler) -> None:
    handler.setFormatter(OneLine())
    logging.getLogger("mooring").addHandler(handler)


class _File(logging.handlers.RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        self._is_broken = False
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=OLDER_FILES, encoding="utf-8", delay=True)

    def _open(self) -> io.TextIOWrapper:
        # Opened for its user alone from the first byte on.
        folder = Path(self.baseFilename).parent
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, RUF100 - logging's own name
        """What logging calls when a record could not be written; it would print a traceback for each."""
        if not self._is_broken and sys.stderr is not None:
            print(f"moor: {self.baseFilename} can't be written: {sys.exc_info()[1]}", file=sys.stderr, flush=True)
        self._is_broken = True
