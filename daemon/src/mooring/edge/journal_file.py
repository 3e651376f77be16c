"""The journal's file: its schema, how it is opened, and what happens when it can't be read.

A file that is no database any more is moved aside, never deleted: somebody may want to look at it. What was in it and
not acknowledged is lost to the plane, which is why the caller is told.
"""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Final

from ..errors import MoorError
from .journal_rows import DiskFull

MEMORY: Final = ":memory:"

SCHEMA_VERSION: Final = 1
"""Kept in SQLite's ``user_version``."""

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY,
  agent_id TEXT,
  continuation TEXT,
  highest_order INTEGER NOT NULL DEFAULT 0,
  buried_at REAL,
  next_batch INTEGER NOT NULL DEFAULT 1,
  head_n INTEGER NOT NULL DEFAULT 0,
  head_hash TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE turns (
  session_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  turn_order INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('accepted', 'started', 'done')),
  stop INTEGER NOT NULL,
  prompt BLOB NOT NULL,
  PRIMARY KEY (session_id, turn_id)
) STRICT;
CREATE TABLE pending (seq INTEGER PRIMARY KEY, session_id TEXT NOT NULL, event BLOB NOT NULL) STRICT;
CREATE INDEX pending_of_session ON pending (session_id, seq);
CREATE TABLE batches (
  session_id TEXT PRIMARY KEY,
  batch INTEGER NOT NULL,
  events BLOB NOT NULL,
  live_from INTEGER NOT NULL
) STRICT;
"""

_BUSY_TIMEOUT_S: Final = 5.0


def open_database(path: str, image: bytes | None = None) -> tuple[sqlite3.Connection, Path | None]:
    """A connection with the schema in place, and where an unreadable file went (None when there was none).

    Args:
        path: the file, or ``":memory:"``.
        image: what a database in memory begins with.

    Raises:
        MoorError: ``journal_newer`` or ``journal_busy``.
        DiskFull: the disk takes nothing.
        sqlite3.Error: the disk's permissions; the file is left alone.
    """
    try:
        return _open(path, image), None
    except sqlite3.DatabaseError as exc:
        if is_full(exc):
            raise DiskFull(str(exc)) from exc
        if path == MEMORY or exc.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
    moved = _move_aside(Path(path))
    return _open(path, None), moved


def is_full(exc: sqlite3.Error) -> bool:
    """Whether the disk is full, or can't be written for the moment. Source: https://sqlite.org/rescode.html."""
    primary = exc.sqlite_errorcode & 0xFF
    return primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _open(path: str, image: bytes | None) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        if image is not None:
            db.deserialize(image)
        _prepare(db)
    except BaseException as exc:
        db.close()
        if isinstance(exc, sqlite3.OperationalError) and exc.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            why = f"Another process is using {path}. Run `moor status` to see which daemon is running."
            raise MoorError("journal_busy", why) from exc
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        why = f"The journal has version {version}; this daemon knows {SCHEMA_VERSION}. Install the newer daemon again."
        raise MoorError("journal_newer", why)
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        broken = sqlite3.DatabaseError(f"quick_check: {found}")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise broken


def _move_aside(path: Path) -> Path:
    """Renames the file and its write-ahead log to the first free ``*.corrupt-<n>``."""
    names = (path.with_name(f"{path.name}.corrupt-{n}") for n in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
