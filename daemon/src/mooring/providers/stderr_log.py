"""A child's standard error: kept in two files of bounded size, and its end in memory for error messages.

A session's log goes with the session. Sessions that nobody deletes are many in the end, so each new child lets the
oldest logs go.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILE_BYTES: Final = 512 * 1024
"""A file that would grow beyond this becomes ``<name>.1``: a megabyte is kept at most, and half of it at least."""

KEPT_LOGS: Final = 200
"""Of how many sessions the logs are kept: 200 MB at most, and far less in truth."""

KEPT_S: Final = 90 * 86_400.0
"""For how long after its last line a log is kept at most (seconds): 90 days."""

TAIL_BYTES: Final = 4096
"""How much of the end is kept for error messages."""

_LOGS: Final = "sesn_*.log"  # Other logs than those of sessions are in the folder, too.
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_MIN_SECRET: Final = 8
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")

_log = logging.getLogger("mooring.child")


class StderrLog:
    """Takes what a child writes to standard error. A disk that can't take it is said once and costs no turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._older = older_log(path)
        self._tail = b""
        self._is_broken = False
        self._size = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _prune(path.parent)
            self._size = path.stat().st_size if path.exists() else 0
        except OSError as exc:
            self._give_up(exc)

    def write(self, written: bytes) -> None:
        """Appends bytes, and rotates when the file is full."""
        self._tail = (self._tail + written)[-TAIL_BYTES:]
        if self._is_broken:
            return
        try:
            for start in range(0, len(written), FILE_BYTES):
                self._append(written[start : start + FILE_BYTES])
        except OSError as exc:
            self._give_up(exc)

    def tail(self, secrets: tuple[str, ...] = ()) -> str:
        """Returns the last lines as text without control sequences, with each of ``secrets`` blotted out."""
        return blot(plain(self._tail.decode("utf-8", "replace")), secrets).strip()

    def _append(self, piece: bytes) -> None:
        if self._size and self._size + len(piece) > FILE_BYTES:
            self._path.replace(self._older)
            self._size = 0
        with self._path.open("ab") as file:
            file.write(piece)
        self._size += len(piece)

    def _give_up(self, exc: OSError) -> None:
        self._is_broken = True
        _log.warning("path=%s standard error of the child is not kept: %s", self._path, exc)


def older_log(path: Path) -> Path:
    """Returns the file that a log becomes when it is full."""
    return path.with_name(f"{path.name}.1")


def plain(text: str) -> str:
    """Returns the text without the sequences that would move a terminal's cursor."""
    return _ESCAPES.sub("", text)


def secrets_of(*named: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the values in environments or headers that must not be repeated to anyone, longest first."""
    found = {value for values in named for name, value in values.items() if _is_secret(name, value)}
    return tuple(sorted(found, key=len, reverse=True))


def blot(text: str, secrets: tuple[str, ...]) -> str:
    """Returns the text with each of the secrets replaced."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _prune(folder: Path) -> None:
    """Removes what is too old or too much of the sessions' logs. Raises OSError."""
    ages = {log: log.stat().st_mtime for log in folder.glob(_LOGS)}
    newest_first = sorted(ages, key=lambda log: ages[log], reverse=True)
    for number, log in enumerate(newest_first):
        if number >= KEPT_LOGS or ages[log] < time.time() - KEPT_S:
            for path in (log, older_log(log)):
                path.unlink(missing_ok=True)


def _is_secret(name: str, value: str) -> bool:
    return len(value) >= _MIN_SECRET and (name.lower() == "authorization" or bool(_SECRET_NAME.search(name)))
