"""The screens: how results and what happens meanwhile are printed, for programs, pipes and people at a terminal."""

from __future__ import annotations

import json
from typing import Any, TextIO

from rich.console import Console

from .result import Result


class PlainScreen:
    """Text: what was asked for on standard output, notes about it on standard error."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err
        self._at_line_start = True

    @property
    def asks(self) -> bool:
        """See ``Screen``."""
        return False

    def text(self, piece: str) -> None:
        """See ``Screen``."""
        if piece:
            self._write(piece)
            self._at_line_start = piece.endswith("\n")

    def end_line(self) -> None:
        """See ``Screen``."""
        if not self._at_line_start:
            self.text("\n")

    def note(self, line: str) -> None:
        """See ``Screen``."""
        self.end_line()
        self._note(line)

    def event(self, body: dict[str, Any]) -> None:
        """See ``Screen``: people are shown what an event means, not the event."""

    def confirm(self, question: str) -> bool:
        """See ``Screen``."""
        return False

    def finish(self, result: Result) -> None:
        """Prints a verb's result: failures on standard error."""
        self.end_line()
        for line in result.lines:
            if "error" in result.data:
                self._note(line)
            else:
                self._line(line)

    def _write(self, piece: str) -> None:
        self._out.write(piece)
        self._out.flush()

    def _line(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def _note(self, line: str) -> None:
        print(line, file=self._err, flush=True)


class TerminalScreen(PlainScreen):
    """Text for a person who sits there: notes are dim, failures red, and questions can be asked."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        self._console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._errors = Console(file=err, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def asks(self) -> bool:
        """See ``Screen``."""
        return True

    def note(self, line: str) -> None:
        """See ``Screen``."""
        self.end_line()
        self._console.print(line, style="dim")

    def confirm(self, question: str) -> bool:
        """See ``Screen``."""
        self.end_line()
        try:
            return self._console.input(f"{question} [y/n] ", markup=False).strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def _line(self, line: str) -> None:
        self._console.print(line)

    def _note(self, line: str) -> None:
        self._errors.print(line, style="red")


class JSONScreen(PlainScreen):
    """JSON lines for a program."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out, out)

    def text(self, piece: str) -> None:
        """See ``Screen``: the whole events have it."""

    def note(self, line: str) -> None:
        """See ``Screen``: the events tell the same."""

    def event(self, body: dict[str, Any]) -> None:
        """See ``Screen``."""
        self._line(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    def finish(self, result: Result) -> None:
        """Prints the result's data."""
        self.event(result.data)
