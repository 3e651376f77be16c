"""What became of one message: reads a session's events and shows those that belong to it.

A message's events begin where it has its place (``user.message`` with ``processed_at``) and end with its terminal
receipt; the session's status, which tells the same to everybody, comes with it unless another message is next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..wire.events import TERMINAL
from .result import Screen

_LINE: Final = 160
"""Characters of a tool's call or result that are shown."""


class Answer:
    """Follows the message ``message_id``.

    Attributes:
        outcome: its terminal receipt, or None while it has none.
        turn_id: the turn that works on it, once there is one.
        said: what the agent said, whole messages only.
        errors: the turn's errors, as the API has them.
        is_settled: nothing more is to be expected.
    """

    def __init__(self, screen: Screen, message_id: str, permit: Callable[[dict[str, Any]], None]) -> None:
        self.message_id = message_id
        self.outcome: str | None = None
        self.turn_id: str | None = None
        self.errors: list[dict[str, Any]] = []
        self.is_settled = False
        self._screen, self._permit = screen, permit
        self._placed = False
        self._seen: set[str] = set()
        self._shown: dict[str, str] = {}
        self._messages: list[str] = []
        self._titles: dict[str, str] = {}

    @property
    def said(self) -> str:
        """What the agent said, its messages one under the other."""
        return "\n\n".join(self._messages)

    def take(self, event: dict[str, Any]) -> None:
        """Takes the stream's next event; a repeat changes nothing."""
        kind = event.get("type")
        if kind in ("event_start", "event_delta"):
            self._delta(event)
            return
        if not self._is_ours(event):
            return
        self._screen.event(event)
        match kind:
            case "agent.message":
                self._message(event)
            case "agent.tool_use":
                self._tool(event)
            case "agent.tool_result":
                self._tool_result(event)
            case "session.error":
                self.errors.append(event["error"])
                self._screen.note(f"error: {event['error'].get('message')} [{event['error'].get('code')}]")
            case "session.status_rescheduled":
                self._screen.note("The laptop is away; the message waits for it.")
            case "mooring.receipt":
                self._receipt(event)
            case "session.status_idle" if self._placed:
                self._idle(event)
            case "session.deleted":
                self.outcome, self.is_settled = self.outcome or "cancelled", True
            case _:
                pass  # Shown as it came where programs read along; nothing a person waits for.

    def _is_ours(self, event: dict[str, Any]) -> bool:
        """Whether the event is new, and belongs to the message or to the session as a whole."""
        kind, event_id = str(event.get("type")), str(event.get("id"))
        if kind == "user.message" and event_id == self.message_id:
            # It comes twice when it waited: accepted, and at its place.
            fresh = not self._placed
            self._placed = self._placed or event.get("processed_at") is not None
            return fresh
        if event_id in self._seen:
            return False
        self._seen.add(event_id)
        if kind == "mooring.receipt":
            return self.message_id in event.get("event_ids", ())
        if kind in ("session.deleted", "session.status_rescheduled"):
            return True
        if not self._placed:
            return False
        turn_id = event.get("turn_id")
        return turn_id is None or self.turn_id is None or turn_id == self.turn_id

    def _receipt(self, event: dict[str, Any]) -> None:
        self.turn_id = event.get("turn_id") or self.turn_id
        if event["status"] in TERMINAL:
            self.outcome = event["status"]

    def _idle(self, event: dict[str, Any]) -> None:
        reason = event.get("stop_reason") or {}
        if reason.get("type") != "requires_action":
            if self.outcome is None:  # A plane that tells no receipts.
                self.outcome = "failed" if self.errors or reason.get("type") == "retries_exhausted" else "completed"
            self.is_settled = True

    def _delta(self, event: dict[str, Any]) -> None:
        if not self._placed or event["type"] == "event_start":
            return
        piece = event.get("delta", {}).get("content", {}).get("text", "")
        event_id = str(event.get("event_id"))
        if event_id not in self._seen:
            self._shown[event_id] = self._shown.get(event_id, "") + piece
            self._screen.text(piece)

    def _message(self, event: dict[str, Any]) -> None:
        whole = _text(event)
        self._messages.append(whole)
        shown = self._shown.pop(str(event["id"]), "")
        # A delta may have been lost: then what was shown is no beginning of the whole, which is shown again.
        self._screen.text(whole[len(shown) :] if whole.startswith(shown) else f"\n{whole}")
        self._screen.end_line()

    def _tool(self, event: dict[str, Any]) -> None:
        title = event.get("title") or event.get("name") or "tool"
        self._titles[str(event["id"])] = title
        self._screen.note(f"→ {_short(title)}")
        if event.get("evaluated_permission") == "ask":
            self._permit(event)

    def _tool_result(self, event: dict[str, Any]) -> None:
        title = self._titles.get(str(event.get("tool_use_id")), "tool")
        mark = "✗" if event.get("is_error") else "←"
        self._screen.note(f"{mark} {_short(_text(event)) or _short(title)}")


def _text(event: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in event.get("content") or ())


def _short(text: str) -> str:
    """The first line, and how much more there is."""
    lines = text.strip().splitlines() or [""]
    first = lines[0] if len(lines[0]) <= _LINE else lines[0][: _LINE - 1] + "…"
    return first if len(lines) == 1 else f"{first} (+{len(lines) - 1} lines)"
