"""The file that keeps the emulated AWS over restarts: one line per request that changed something.

The lines stand in the order in which the changes took effect.
A line is a JSON object. Each is handed to the operating system before its request is answered, so a killed process
loses nothing; a machine that loses power may lose the last lines. A line cut by such a death can only be the last.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)


class JournalDamaged(Exception):
    """A line other than the last can't be read, so the file was changed by something else."""


@dataclass(frozen=True)
class Entry:
    """One change.

    Args:
        service: AWS service by its signing name (`dynamodb`, `s3`, `kms`), or `kms-key` for a key's own material.
        region: AWS region the request was signed for.
        method: HTTP method.
        target: Path and query string, percent-encoded as sent.
        headers: What of the request's headers matters to the service; names in lower case.
        body: The request's body; kept as base64 when it is not UTF-8.
    """

    service: str
    region: str
    method: str = "POST"
    target: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self) -> bytes:
        """Write the entry as one line."""
        record: dict[str, object] = {
            "service": self.service,
            "region": self.region,
            "method": self.method,
            "target": self.target,
            "headers": self.headers,
        }
        try:
            record["text"] = self.body.decode()
        except UnicodeDecodeError:
            record["base64"] = base64.b64encode(self.body).decode()
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Entry:
        """Read one line.

        Raises:
            ValueError: The line is not a whole entry.
        """
        record = json.loads(line)
        if not isinstance(record, dict) or not {"service", "region", "method", "target", "headers"} <= record.keys():
            raise ValueError("not a journal entry")
        body = record["text"].encode() if "text" in record else base64.b64decode(record["base64"])
        return cls(record["service"], record["region"], record["method"], record["target"], record["headers"], body)


class Journal:
    """An open journal. Callers see to it that one thread writes at a time.

    Args:
        path: The file; made, with mode 0600, when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")

    def append(self, entry: Entry) -> None:
        """Add an entry; when this returns, it survives the death of this process.

        Raises:
            OSError: The disk is full or failing.
        """
        self._file.write(entry.encode())
        self._file.flush()

    def close(self) -> None:
        """Bring everything to the disk and close the file."""
        os.fsync(self._file.fileno())
        self._file.close()


def read(path: Path) -> list[Entry]:
    """Read a journal.

    Returns:
        Its entries; none when there is no file. A torn last line is left out, with a warning.

    Raises:
        JournalDamaged: An earlier line can't be read.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(Entry.decode(line))
        except (ValueError, KeyError) as exc:
            if number < len(lines) or line.endswith(b"\n"):
                raise JournalDamaged(f"{path}, line {number}: {exc}") from exc
            log.warning("file=%s line=%d is torn (%d bytes); skipped", path, number, len(line))
    return entries


def rewrite(path: Path, entries: Iterable[Entry]) -> int:
    """Replace a journal by another, so that a crash at any point leaves either the old or the new one whole.

    Returns:
        How many entries were written.
    """
    fresh = path.with_suffix(".new")
    count = 0
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for entry in entries:
            file.write(entry.encode())
            count += 1
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return count
