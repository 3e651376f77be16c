"""Questions: what became of one that is open no longer, as the log tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..wire.events import AgentToolUse, Event, PermissionSettled, Spilled, UserToolConfirmation
from ..wire.ids import EventId

_WITH_ITS_TURN: Final = "fell away with its turn"

_BY_ITSELF: Final[Mapping[str, str]] = {
    "allow": "was answered with allow",
    "deny": "was answered with deny",
    "expired": "has expired, which is a denial",
    "cancelled": _WITH_ITS_TURN,
}
"""What a question came to where no person's answer to it is found, in words that follow its id."""


def fate(newest_first: Iterable[Event], tool_use_id: EventId) -> str | None:
    """What became of a question that is not open, in words that follow its id.

    Args:
        newest_first: events of its session, at least back to the call.
        tool_use_id: the call.

    Returns:
        None when the events have no such call.
    """
    found: str | None = None
    for event in newest_first:
        match event:
            case UserToolConfirmation(tool_use_id=asked) if asked == tool_use_id:
                return f"was answered with {event.result} by {event.answered_by or 'somebody'}"
            case PermissionSettled(tool_use_id=asked) if asked == tool_use_id:
                found = _BY_ITSELF[event.outcome]
            case AgentToolUse(id=call) if call == tool_use_id and event.evaluated_permission != "ask":
                return f"was not asked of anybody: the policy was {event.evaluated_permission}"
            case AgentToolUse(id=call) | Spilled(id=call) if call == tool_use_id:
                return found or _WITH_ITS_TURN
            case _:
                pass
    return None
