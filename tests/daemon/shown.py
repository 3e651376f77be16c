"""A screen of the test's own: it keeps what was shown, and tells whoever waits for it."""

from __future__ import annotations

import queue
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from mooring.commands.result import Advance
from tests.daemon.fake_plane import WAIT_S


@dataclass
class Shown:
    """See ``mooring.commands.result.Screen``."""

    asks: bool = False
    says: bool = False
    texts: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    _events: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)

    def text(self, piece: str) -> None:
        self.texts.append(piece)

    def end_line(self) -> None:
        pass

    def note(self, line: str) -> None:
        self.texts.append(f"{line}\n")

    def event(self, body: dict[str, Any]) -> None:
        self._events.put(body)

    def progress(self, label: str, total: float | None = None) -> AbstractContextManager[Advance]:
        return nullcontext(lambda _: None)

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.says

    def next_event(self) -> dict[str, Any]:
        """The next event, waited for."""
        return self._events.get(timeout=WAIT_S)
