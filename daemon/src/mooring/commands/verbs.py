"""Verbs: how the commands of ``moor`` are put on its command line. Each verb's module adds its own."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable
from typing import Any, Never

from ..errors import EXIT_USAGE, MoorError
from .result import Result, Screen

Verb = Callable[[argparse.Namespace, Screen], Result]


class UsageError(MoorError):
    """The command line can't be read. ``usage`` says how it should look."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__("usage", message, EXIT_USAGE)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of ending the process, and knows what a mistyped word may have meant."""

    def error(self, message: str) -> Never:
        """What argparse calls with each fault that it finds."""
        raise UsageError(message, self.format_usage().rstrip())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # From Python 3.14 on, argparse has `suggest_on_error`.
        choices = [str(choice) for choice in action.choices or ()]
        close = difflib.get_close_matches(str(value), choices, n=1)
        if close and value not in choices:
            raise argparse.ArgumentError(None, f"{value!r} is not known; did you mean {close[0]!r}?")
        super()._check_value(action, value)


class Verbs:
    """A level of the command line: ``moor`` itself, or one word of it that has verbs of its own.

    Args:
        parsers: where parsers are added.
        shared: what every verb understands.
    """

    def __init__(
        self, parsers: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser
    ) -> None:
        self._parsers, self._shared = parsers, shared

    def add(self, name: str, help_text: str, verb: Verb) -> argparse.ArgumentParser:
        """Adds a verb and returns its parser, for its arguments."""
        made = self._parsers.add_parser(name, help=help_text, description=help_text, parents=[self._shared])
        made.set_defaults(verb=verb)
        return made

    def mention(self, name: str, help_text: str) -> None:
        """Adds the name of a verb, for help and for what is mistyped; nothing can be done with it."""
        self._parsers.add_parser(name, help=help_text)

    def group(self, name: str, help_text: str) -> Verbs:
        """Adds a word that is followed by one of its own verbs, such as ``moor runtime list``."""
        made = self._parsers.add_parser(name, help=help_text, description=help_text)
        return self.below(made, required=True)

    def below(self, parser: argparse.ArgumentParser, *, required: bool = False) -> Verbs:
        """Lets a verb have verbs of its own besides, such as ``moor sessions`` and ``moor sessions show``."""
        metavar = "COMMAND" if required else "[COMMAND]"
        return Verbs(parser.add_subparsers(title="commands", metavar=metavar, required=required), self._shared)
