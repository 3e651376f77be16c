"""Record: one number of an object's log, with what happened and the object's whole state after it.

Invariants: an object's records are numbered 1, 2, 3 … without gap; a record is written once and never changed; ``prev``
is the SHA-256 of the stored bytes of the record before (64 zeros for the first). So a rewritten or missing one shows.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from ..wire.codec import digest
from ..wire.events import Event, RoomEvent
from .making import MakingState
from .runtime_room import RoomState
from .session_state import SessionState

S = TypeVar("S")
E = TypeVar("E")

FIRST_PREV = "0" * 64


class Record(Struct, Generic[S, E], frozen=True, kw_only=True):
    """One record, as stored.

    Attributes:
        n: its number, from 1.
        at: when it was written (epoch seconds); ``processed_at`` of the events it places.
        prev: SHA-256 of the stored bytes of record ``n - 1``.
        state: the object's state after it.
        events: what happened, in order; a cursor is ``n.index`` into it.
        nonce: chance of its writer's, so that no two writers' records are alike.
        cause: idempotency key of the request that made it, or None.
        cause_digest: SHA-256 of that request's body; the same key with another one is refused.
    """

    n: int
    at: float
    prev: str
    state: S
    events: tuple[E, ...] = ()
    nonce: str = ""
    cause: str | None = None
    cause_digest: str | None = None


class Head(Struct, Generic[S], frozen=True):
    """What a load gives: the newest record's number, the hash of its bytes, when it was written, and the state."""

    n: int
    hash: str
    at: float
    state: S


SessionRecord = Record[SessionState, Event]
RoomRecord = Record[RoomState, RoomEvent]
RequestRecord = Record[MakingState, None]

_ENCODER = msgspec.json.Encoder()
_SESSION = msgspec.json.Decoder(Record[SessionState, Event])
_ROOM = msgspec.json.Decoder(Record[RoomState, RoomEvent])
_REQUEST = msgspec.json.Decoder(Record[MakingState, None])


def seal(record: Record[Any, Any]) -> bytes:
    """The bytes that are stored, and hashed by the next record."""
    return _ENCODER.encode(record)


def open_session(stored: bytes) -> SessionRecord:
    """A session's record from its bytes. Raises msgspec.ValidationError when they are none."""
    return _SESSION.decode(stored)


def open_room(stored: bytes) -> RoomRecord:
    """A room's record from its bytes. Raises msgspec.ValidationError when they are none."""
    return _ROOM.decode(stored)


def open_request(stored: bytes) -> RequestRecord:
    """A request's record from its bytes. Raises msgspec.ValidationError when they are none."""
    return _REQUEST.decode(stored)


class Flaw(Struct, frozen=True):
    """A place where a log is not what was written: the record's number and what is wrong with it."""

    n: int
    why: str


def verify(stored: list[tuple[int, bytes]], kept: tuple[int, str] | None = None) -> list[Flaw]:
    """Checks numbers and the chain of hashes of a whole log, given as ``(n, bytes)`` in ascending order.

    Args:
        stored: the log.
        kept: number and hash of a record as somebody else has kept them, such as a daemon from its last ack. Only that
            shows a cut tail, or a newest record written anew: nothing in the log comes after them.

    Returns:
        Every flaw found, lowest number first; empty for an intact log.
    """
    flaws: list[Flaw] = []
    expected, prev = 1, FIRST_PREV
    for n, body in stored:
        if n != expected:
            flaws.append(Flaw(expected, f"missing: the next record is {n}"))
            prev = ""
        try:
            header = msgspec.json.decode(body, type=_Header)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            flaws.append(Flaw(n, f"unreadable: {exc}"))
        else:
            if header.n != n:
                flaws.append(Flaw(n, f"says that it is record {header.n}"))
            if prev and header.prev != prev:
                flaws.append(Flaw(max(n - 1, 1), f"its bytes are not those that record {n} was written after"))
        expected, prev = n + 1, digest(body)
        if kept and kept[0] == n and kept[1] != prev:
            flaws.append(Flaw(n, "its bytes are not those that were acknowledged"))
    if kept and kept[0] >= expected:
        flaws.append(Flaw(expected, f"missing: records up to {kept[0]} were acknowledged"))
    return flaws


class _Header(Struct, frozen=True):
    n: int
    prev: str
