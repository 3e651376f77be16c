"""The screens: how results and what happens meanwhile are printed, for programs and for pipes.

The one for people at a terminal is in ``terminal``, because what it draws with is slow to import.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TextIO

from .result import Advance, Result, Table


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

    def progress(self, label: str, total: float | None = None) -> AbstractContextManager[Advance]:
        """See ``Screen``: a note when it begins, and one when it is done."""
        return self._noted(label)

    def confirm(self, question: str) -> bool:
        """See ``Screen``."""
        return False

    def finish(self, result: Result) -> None:
        """Prints a verb's result: failures on standard error."""
        self.end_line()
        if result.table is not None:
            self._table(result.table)
        for line in result.lines:
            if "error" in result.data:
                self._note(line)
            else:
                self._line(line)

    @contextmanager
    def _noted(self, label: str) -> Iterator[Advance]:
        self.note(f"{label} …")
        yield _pass_by
        self.note(f"{label}: done")

    def _table(self, table: Table) -> None:
        for row in (table.columns, *table.rows):
            self._line("\t".join(map(one_line, row)))

    def _write(self, piece: str) -> None:
        self._out.write(piece)
        self._out.flush()

    def _line(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def _note(self, line: str) -> None:
        print(line, file=self._err, flush=True)


class JSONScreen(PlainScreen):
    """JSON lines for a program."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out, out)

    def text(self, piece: str) -> None:
        """See ``Screen``: the whole events have it."""

    def note(self, line: str) -> None:
        """See ``Screen``: the events tell the same."""

    def progress(self, label: str, total: float | None = None) -> AbstractContextManager[Advance]:
        """See ``Screen``: nothing; the result tells what was done."""
        return nullcontext(_pass_by)

    def event(self, body: dict[str, Any]) -> None:
        """See ``Screen``."""
        self._line(json.dumps(body, ensure_ascii=False, separators=(",", ":")))

    def finish(self, result: Result) -> None:
        """Prints the result's data."""
        self.event(result.data)


def one_line(cell: str) -> str:
    """A cell's text without what would move a terminal's cursor: titles are written by anybody."""
    return " ".join("".join(char if char.isprintable() else " " for char in cell).split())


def _pass_by(amount: float) -> None:
    """Shows nothing of it."""
