"""The journal: one SQLite file that holds a laptop's turns and its outbox, so that neither can be ahead of the other.

Turns go ``accepted -> started -> done`` and are journalled before the agent is called; ``highest_order`` keeps an old
prompt from running again after its turn was pruned. The outbox holds whole events first as *pending* rows, then frozen
into one *batch* per session: its number and its bytes are on disk before they are sent for the first time, and stay as
they are until the plane has acknowledged them. Numbers are dense from 1 per session and outbox id.

Every public method is one transaction, committed when it returns (write-ahead log with ``synchronous=FULL``: it
survives a power cut), and changes nothing when it raises, such as ``DiskFull``. What holds at every commit:

- at most one batch of a session is in flight, and its number is ``next_batch - 1``;
- an event is in exactly one place, pending or frozen, until it was acknowledged or its session buried;
- a turn's end and its last events are on disk together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw

from ..errors import MoorError
from ..wire import codec
from ..wire.events import DaemonEvent
from ..wire.ids import OutboxId, SessionId, TurnId
from ..wire.limits import MAX_BATCH_BYTES
from .journal_file import MEMORY, is_full, open_database
from .journal_rows import Batch, Continuation, DiskFull, OutboxFull, TurnRow

DEFAULT_MAX_BYTES: Final = 256 * 1024 * 1024
"""Unacknowledged events kept before ``OutboxFull`` (bytes of their JSON)."""

KEPT_TURNS: Final = 200
"""Done turns remembered per session, so that a repeated prompt is answered; older ones are known by their order."""

TOMBSTONE_S: Final = 90 * 24 * 3600.0
"""How long a disposed session is remembered (seconds)."""


class Journal:
    """The file at ``path``, or a database in memory for ``":memory:"``.

    Args:
        path: where; its folder exists.
        dice: gives 32 fresh hex digits at each call; a new file's outbox id is made of them.
        max_bytes: bound of the unacknowledged events.
        image: for ``":memory:"``, what another journal's ``image()`` gave.

    Attributes:
        moved_aside: where an unreadable file was moved to, so that a new one could begin; None when there was none.

    Raises:
        MoorError: ``journal_newer``, the file was written by a newer version; ``journal_busy``, another process has it.
    """

    def __init__(
        self, path: str, dice: Callable[[], str], *, max_bytes: int = DEFAULT_MAX_BYTES, image: bytes | None = None
    ) -> None:
        self.max_bytes = max_bytes
        self._db, moved = open_database(path, image if path == MEMORY else None)
        self.moved_aside: Path | None = moved
        self._held = 0
        if self._one("SELECT value FROM meta WHERE key = 'outbox'") is None:
            with self._transaction():
                self._run("INSERT INTO meta VALUES ('outbox', ?)", f"obx_{dice()}")
        self._outbox = OutboxId(self._one("SELECT value FROM meta WHERE key = 'outbox'")[0])
        pending = self._one("SELECT COALESCE(SUM(LENGTH(event)), 0) FROM pending")[0]
        frozen = self._one("SELECT COALESCE(SUM(LENGTH(events)), 0) FROM batches")[0]
        self._held = pending + frozen

    # ---- what is asked

    @property
    def outbox(self) -> OutboxId:
        """The outbox id under which batches are numbered now."""
        return self._outbox

    @property
    def held_bytes(self) -> int:
        """Bytes of events that the plane has not acknowledged."""
        return self._held

    def turn(self, session_id: SessionId, turn_id: TurnId) -> TurnRow | None:
        """The turn, or None when it was never journalled (or has been pruned)."""
        found = self._turns("WHERE session_id = ? AND turn_id = ?", session_id, turn_id)
        return found[0] if found else None

    def open_turns(self, session_id: SessionId | None = None) -> tuple[TurnRow, ...]:
        """Turns that have not ended, of one session or of all, lowest order first."""
        if session_id is None:
            return self._turns("WHERE state != 'done'")
        return self._turns("WHERE state != 'done' AND session_id = ?", session_id)

    def highest_order(self, session_id: SessionId) -> int:
        """The highest order of a turn that the session was ever given; 0 for an unknown session."""
        row = self._one("SELECT highest_order FROM sessions WHERE session_id = ?", session_id)
        return int(row[0]) if row else 0

    def is_buried(self, session_id: SessionId) -> bool:
        """Whether the session was disposed of here."""
        row = self._one("SELECT buried_at FROM sessions WHERE session_id = ?", session_id)
        return row is not None and row[0] is not None

    def highest_batch(self, session_id: SessionId) -> int:
        """The highest batch number used for the session under the current outbox id; 0 for none."""
        row = self._one("SELECT next_batch FROM sessions WHERE session_id = ?", session_id)
        return int(row[0]) - 1 if row else 0

    def head(self, session_id: SessionId) -> tuple[int, str]:
        """Number and hash of the newest record of the session's log that the plane told of; ``(0, "")`` for none."""
        row = self._one("SELECT head_n, head_hash FROM sessions WHERE session_id = ?", session_id)
        return (int(row[0]), str(row[1])) if row else (0, "")

    def continuation(self, session_id: SessionId) -> Continuation | None:
        """What was remembered last, or None."""
        row = self._one("SELECT agent_id, continuation FROM sessions WHERE session_id = ?", session_id)
        return Continuation(row[0], row[1]) if row and row[1] is not None else None

    def in_flight(self, session_id: SessionId | None = None) -> tuple[Batch, ...]:
        """Frozen batches that are not acknowledged, of one session or of all, lowest number first."""
        which, values = ("", ()) if session_id is None else ("WHERE session_id = ?", (session_id,))
        rows = self._run(
            f"SELECT session_id, batch, events, live_from FROM batches {which} ORDER BY batch, session_id", *values
        )
        return tuple(self._batch(*row) for row in rows)

    def ready_sessions(self) -> tuple[SessionId, ...]:
        """Sessions with pending events and nothing in flight, the one that waits longest first."""
        rows = self._run(
            "SELECT session_id FROM pending WHERE session_id NOT IN (SELECT session_id FROM batches)"
            " GROUP BY session_id ORDER BY MIN(seq)"
        )
        return tuple(SessionId(row[0]) for row in rows)

    def image(self) -> bytes:
        """The whole database as bytes, as of the last commit."""
        return self._db.serialize()

    # ---- turns

    def accept(self, session_id: SessionId, turn_id: TurnId, order: int, prompt: bytes) -> None:
        """Journals a turn; every older one of the session that has not ended is marked to be stopped."""
        with self._transaction():
            self._raise_order(session_id, order)
            self._mark_stop(session_id, order - 1)
            self._run("INSERT INTO turns VALUES (?, ?, ?, 'accepted', 0, ?)", session_id, turn_id, order, prompt)

    def refuse(self, session_id: SessionId, turn_id: TurnId, order: int, events: Sequence[DaemonEvent]) -> None:
        """Journals an unknown turn as done, with its end; its prompt will not be run if it comes later."""
        with self._transaction():
            self._raise_order(session_id, order)
            self._run("INSERT INTO turns VALUES (?, ?, ?, 'done', 1, x'')", session_id, turn_id, order)
            self._append(session_id, events)

    def stop(self, session_id: SessionId, order: int) -> None:
        """Marks every turn up to ``order`` that has not ended as one to be stopped, also after a restart."""
        with self._transaction():
            self._mark_stop(session_id, order)

    def start(self, session_id: SessionId, turn_id: TurnId) -> bool:
        """Marks the turn as started. False, changing nothing, unless it is accepted and not to be stopped."""
        with self._transaction():
            found = self._run(
                "UPDATE turns SET state = 'started'"
                " WHERE session_id = ? AND turn_id = ? AND state = 'accepted' AND stop = 0",
                session_id,
                turn_id,
            )
            return found.rowcount == 1

    def end(self, session_id: SessionId, turn_id: TurnId, events: Sequence[DaemonEvent]) -> bool:
        """Marks the turn as done and takes its last events, whatever the bound. False when it has ended before."""
        with self._transaction():
            found = self._run(
                "UPDATE turns SET state = 'done' WHERE session_id = ? AND turn_id = ? AND state != 'done'",
                session_id,
                turn_id,
            )
            if found.rowcount != 1:
                return False
            self._append(session_id, events)
            self._run(
                "DELETE FROM turns WHERE session_id = ? AND state = 'done' AND turn_id NOT IN"
                " (SELECT turn_id FROM turns WHERE session_id = ? AND state = 'done' ORDER BY turn_order DESC LIMIT ?)",
                session_id,
                session_id,
                KEPT_TURNS,
            )
            return True

    def remember(self, session_id: SessionId, agent_id: str, continuation: str | None) -> None:
        """Keeps what the provider needs to go on with the session; None forgets it."""
        with self._transaction():
            self._ensure(session_id)
            self._run(
                "UPDATE sessions SET agent_id = ?, continuation = ? WHERE session_id = ?",
                agent_id,
                continuation,
                session_id,
            )

    def bury(self, session_id: SessionId, now: float) -> None:
        """Removes all of the session but a tombstone of ``now`` (epoch seconds)."""
        with self._transaction():
            self._forget(session_id)
            self._run("INSERT INTO sessions (session_id, buried_at) VALUES (?, ?)", session_id, now)

    def prune(self, now: float) -> None:
        """Removes tombstones older than ``TOMBSTONE_S``."""
        with self._transaction():
            self._run("DELETE FROM sessions WHERE buried_at < ?", now - TOMBSTONE_S)

    # ---- outbox

    def append(self, session_id: SessionId, events: Sequence[DaemonEvent], *, always: bool = False) -> None:
        """Takes whole events, behind all others of the session.

        Args:
            session_id: whose.
            events: each at most ``MAX_BATCH_BYTES`` less its brackets; what is larger must have been spilled before.
            always: take them even over the bound; for what ends or settles something.

        Raises:
            OutboxFull: they do not fit.
            MoorError: ``event_too_large``.
        """
        with self._transaction():
            self._append(session_id, events)
            if self._held > self.max_bytes and not always:
                raise OutboxFull(self._held, self.max_bytes)

    def freeze(self, session_id: SessionId, live_from: int) -> Batch | None:
        """Freezes the oldest pending events, as many as fit, under the next number.

        Returns:
            The batch to send; None when one is in flight or nothing is pending.
        """
        with self._transaction():
            return self._freeze(session_id, live_from)

    def acknowledge(
        self, session_id: SessionId, batch: int, head_n: int, head_hash: str, live_from: int
    ) -> Batch | None:
        """Drops what is in flight up to ``batch``, keeps the log's head if it is newer, and freezes what waits.

        Returns:
            The next batch to send, or None.
        """
        with self._transaction():
            for one in self.in_flight(session_id):
                if one.batch <= batch:
                    self._run("DELETE FROM batches WHERE session_id = ?", session_id)
                    self._held -= len(one.events)
            self._run(
                "UPDATE sessions SET head_n = ?, head_hash = ? WHERE session_id = ? AND head_n < ?",
                head_n,
                head_hash,
                session_id,
                head_n,
            )
            return self._freeze(session_id, live_from)

    def renew(self, outbox: OutboxId) -> None:
        """Numbers everything unacknowledged anew, from 1, under another outbox id; order and bytes of events stay."""
        with self._transaction():
            for one in reversed(self.in_flight()):
                events = _split(one.events)
                first = self._one("SELECT COALESCE(MIN(seq), 0) FROM pending")[0] - len(events)
                rows = [(first + k, one.session_id, event) for k, event in enumerate(events)]
                self._db.executemany("INSERT INTO pending VALUES (?, ?, ?)", rows)
                self._held += sum(map(len, events)) - len(one.events)
            self._run("DELETE FROM batches")
            self._run("UPDATE sessions SET next_batch = 1")
            self._run("UPDATE meta SET value = ? WHERE key = 'outbox'", outbox)
        self._outbox = outbox

    def close(self) -> None:
        """Closes the file. Nothing is lost when this is never called."""
        self._db.close()

    # ---- inside a transaction

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        held = self._held
        try:
            self._run("BEGIN IMMEDIATE")
            yield
            self._run("COMMIT")
        except BaseException as exc:
            self._held = held
            if self._db.in_transaction:  # SQLite may have rolled back by itself, for instance on a full disk.
                self._run("ROLLBACK")
            if isinstance(exc, sqlite3.OperationalError) and is_full(exc):
                raise DiskFull(str(exc)) from exc
            raise

    def _append(self, session_id: SessionId, events: Sequence[DaemonEvent]) -> None:
        self._ensure(session_id)
        for event in events:
            encoded = codec.encode(event)
            if len(encoded) + 2 > MAX_BATCH_BYTES:
                why = f"Event {event.id} has {len(encoded)} bytes; a batch holds {MAX_BATCH_BYTES}. Spill it first."
                raise MoorError("event_too_large", why)
            self._run("INSERT INTO pending (session_id, event) VALUES (?, ?)", session_id, encoded)
            self._held += len(encoded)

    def _freeze(self, session_id: SessionId, live_from: int) -> Batch | None:
        if self._one("SELECT 1 FROM batches WHERE session_id = ?", session_id):
            return None
        taken: list[bytes] = []
        last, size = 0, 1
        for seq, event in self._run("SELECT seq, event FROM pending WHERE session_id = ? ORDER BY seq", session_id):
            size += len(event) + 1
            if size > MAX_BATCH_BYTES:
                break
            last = seq
            taken.append(event)
        if not taken:
            return None
        joined = b"[" + b",".join(taken) + b"]"
        number = self._one("SELECT next_batch FROM sessions WHERE session_id = ?", session_id)[0]
        self._run("DELETE FROM pending WHERE session_id = ? AND seq <= ?", session_id, last)
        self._run("INSERT INTO batches VALUES (?, ?, ?, ?)", session_id, number, joined, live_from)
        self._run("UPDATE sessions SET next_batch = ? WHERE session_id = ?", number + 1, session_id)
        self._held += len(joined) - sum(map(len, taken))
        return self._batch(session_id, number, joined, live_from)

    def _batch(self, session_id: str, number: int, events: bytes, live_from: int) -> Batch:
        return Batch(
            session_id=SessionId(session_id), outbox=self._outbox, batch=number, events=events, live_from=live_from
        )

    def _ensure(self, session_id: SessionId) -> None:
        self._run("INSERT OR IGNORE INTO sessions (session_id) VALUES (?)", session_id)

    def _raise_order(self, session_id: SessionId, order: int) -> None:
        self._ensure(session_id)
        self._run("UPDATE sessions SET highest_order = MAX(highest_order, ?) WHERE session_id = ?", order, session_id)

    def _mark_stop(self, session_id: SessionId, order: int) -> None:
        self._run(
            "UPDATE turns SET stop = 1 WHERE session_id = ? AND turn_order <= ? AND state != 'done'", session_id, order
        )

    def _forget(self, session_id: SessionId) -> None:
        for table, column in (("pending", "event"), ("batches", "events")):
            size = self._one(f"SELECT COALESCE(SUM(LENGTH({column})), 0) FROM {table} WHERE session_id = ?", session_id)
            self._held -= size[0]
        for table in ("pending", "batches", "turns", "sessions"):
            self._run(f"DELETE FROM {table} WHERE session_id = ?", session_id)

    def _turns(self, where: str, *values: object) -> tuple[TurnRow, ...]:
        rows = self._run(
            f"SELECT session_id, turn_id, turn_order, state, stop, prompt FROM turns {where}"
            " ORDER BY turn_order, session_id",
            *values,
        )
        return tuple(
            TurnRow(session_id=row[0], turn_id=row[1], order=row[2], state=row[3], stop=bool(row[4]), prompt=row[5])
            for row in rows
        )

    def _run(self, sql: str, *values: object) -> sqlite3.Cursor:
        return self._db.execute(sql, values)

    def _one(self, sql: str, *values: object) -> Any:
        return self._run(sql, *values).fetchone()


def _split(joined: bytes) -> list[bytes]:
    return [bytes(one) for one in msgspec.json.decode(joined, type=list[Raw])]
