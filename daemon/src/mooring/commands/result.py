"""What a verb gives back, and the exit statuses of ``moor``, which are part of its contract with scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ..edge.https import PlaneError
from ..errors import EXIT_FAILED as EXIT_FAILED
from ..errors import EXIT_NOT_SET_UP as EXIT_NOT_SET_UP
from ..errors import EXIT_REFUSED, EXIT_USAGE, MoorError

EXIT_OK: Final = 0
EXIT_INTERRUPTED: Final = 130
"""Stopped by Ctrl-C, as shells count it."""


@dataclass(frozen=True)
class Table:
    """A list for a person: drawn on a terminal, a line with tabs for each row where a program reads.

    Attributes:
        columns: their names.
        rows: a cell for each column. The first one names the row, so it is the last to be cut short.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Result:
    """What came of a verb.

    Attributes:
        exit_code: the process's status.
        lines: for a person, after the table.
        data: for ``--json``: one object.
        table: for a person, where the result is a list.
    """

    exit_code: int = EXIT_OK
    lines: Sequence[str] = ()
    data: dict[str, Any] = field(default_factory=dict)
    table: Table | None = None


Advance = Callable[[float], None]
"""Tells that something got further, by how much."""


class Screen(Protocol):
    """Where a verb that takes time shows what happens meanwhile."""

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer questions."""

    def text(self, piece: str) -> None:
        """Shows a piece of running text."""

    def end_line(self) -> None:
        """Ends the line of running text, if one has begun."""

    def note(self, line: str) -> None:
        """Shows a line of its own."""

    def event(self, body: dict[str, Any]) -> None:
        """Shows an event as it came, where programs read along."""

    def progress(self, label: str, total: float | None = None) -> AbstractContextManager[Advance]:
        """Shows how far something gets that takes long.

        Args:
            label: what happens, such as ``Installing codex-acp 1.2``.
            total: the amount at which it is done, in any unit (bytes, steps); None = nobody knows.

        Returns:
            A context for the time it takes; it gives what is called with each amount that was done.
        """

    def confirm(self, question: str) -> bool:
        """Asks a question whose answer is yes or no; without anybody there, it is no."""


def exit_code_of(error: MoorError) -> int:
    """The status that an error ends a command with."""
    if isinstance(error, PlaneError) and error.status == 401:
        return EXIT_REFUSED
    match error.code:
        case "not_set_up":
            return EXIT_NOT_SET_UP
        case "usage":
            return EXIT_USAGE
    return error.exit_code


def failure(error: MoorError) -> Result:
    """The result of a verb that could not do its work."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, PlaneError) and error.request_id:
        told["request_id"] = error.request_id
    return Result(exit_code_of(error), [f"moor: {error.message} [{error.code}]"], {"error": told})
