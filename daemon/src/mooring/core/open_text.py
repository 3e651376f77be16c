"""The text of an event that is still being written."""

from __future__ import annotations

from typing import Literal

from ..wire.ids import EventId, TurnId


class OpenText:
    """A message or thought in the making. It only grows; its event will have the same id.

    Attributes:
        event_id: the id that the whole event will have.
        turn_id: its turn.
        event_type: the type that it will have.
        length: characters so far.
    """

    def __init__(
        self, event_id: EventId, turn_id: TurnId, event_type: Literal["agent.message", "agent.thinking"]
    ) -> None:
        self.event_id = event_id
        self.turn_id = turn_id
        self.event_type = event_type
        self.length = 0
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Appends a piece. Cheap however long the text is."""
        self._pieces.append(piece)
        self.length += len(piece)

    def text(self) -> str:
        """The whole text so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""
