"""Verbs: how the commands of ``moor`` are put on its command line. Each verb's module adds its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .result import Result, Screen

Verb = Callable[[argparse.Namespace, Screen], Result]


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

    def group(self, name: str, help_text: str) -> Verbs:
        """Adds a word that is followed by one of its own verbs, such as ``moor runtime list``."""
        made = self._parsers.add_parser(name, help=help_text, description=help_text)
        return Verbs(made.add_subparsers(title="commands", metavar="COMMAND", required=True), self._shared)
