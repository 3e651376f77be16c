"""The screen of a person who sits at a terminal. Colours follow ``NO_COLOR``, widths the terminal's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Drawing

from .result import Advance, Table
from .screens import PlainScreen, one_line


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

    def progress(self, label: str, total: float | None = None) -> AbstractContextManager[Advance]:
        """See ``Screen``: a bar, or a spinner where nobody knows how much there is."""
        if self._console.is_dumb_terminal:  # It can't go back to draw the bar anew.
            return super().progress(label, total)
        self.end_line()
        return self._drawn(one_line(label), total)

    def confirm(self, question: str) -> bool:
        """See ``Screen``."""
        self.end_line()
        try:
            return self._console.input(f"{question} [y/n] ", markup=False).strip().lower() in ("y", "yes")
        except EOFError:
            return False

    @contextmanager
    def _drawn(self, label: str, total: float | None) -> Iterator[Advance]:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(label, total=total)
            yield partial(bars.advance, task)
        self.note(f"{label}: done")

    def _table(self, table: Table) -> None:
        drawn = Drawing(box=None, pad_edge=False, header_style="bold")
        for index, name in enumerate(table.columns):
            drawn.add_column(name, no_wrap=not index, overflow="ellipsis" if not index else "fold")
        for row in table.rows:
            drawn.add_row(*map(one_line, row))
        self._console.print(drawn, soft_wrap=False)

    def _line(self, line: str) -> None:
        self._console.print(line)

    def _note(self, line: str) -> None:
        self._errors.print(line, style="red")
