"""Names that follow from where a thing stands, so that deciding twice gives the same ones."""

from __future__ import annotations

import hashlib

from ..wire.ids import EventId, SessionId, TurnId


def event_id(session_id: SessionId, n: int, place: str) -> EventId:
    """The id of the event at ``place`` of record ``n``: ``m0`` for its first message, ``e3`` for its fourth event."""
    return EventId("sevt_" + _hash(f"{session_id}/{n}/{place}"))


def message_ids(session_id: SessionId, n: int, count: int) -> tuple[EventId, ...]:
    """The ids of the ``count`` user messages that record ``n`` accepted."""
    return tuple(event_id(session_id, n, f"m{k}") for k in range(count))


def turn_id(session_id: SessionId, order: int) -> TurnId:
    """The id of the session's turn number ``order``."""
    return TurnId("turn_" + _hash(f"{session_id}/turn/{order}"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
