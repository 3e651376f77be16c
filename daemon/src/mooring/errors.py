"""The errors of the laptop's side. ``code`` is stable snake_case; the sentence says what failed and what to run next.

Exit statuses are part of the contract with scripts. The two final ones must not be restarted by a service manager:
starting again could only repeat the same answer, or fight with another daemon over the runtime.
"""

from __future__ import annotations

from typing import Final

EXIT_FAILED: Final = 1
"""Something went wrong; trying again may help."""

EXIT_USAGE: Final = 2
"""The command line can't be read."""

EXIT_NOT_SET_UP: Final = 3
"""There are no credentials here; `moor setup` makes some."""

EXIT_TAKEN_OVER: Final = 4
"""Final: another daemon speaks for this runtime now."""

EXIT_REFUSED: Final = 5
"""Final: the plane refused this laptop's token; `moor setup` makes a new one."""


class MoorError(Exception):
    """Base of every error that a user of the daemon may see.

    Attributes:
        code: stable snake_case word.
        message: one sentence or two for a person; holds no secret.
        exit_code: the status that a command ends with because of it.
    """

    def __init__(self, code: str, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
