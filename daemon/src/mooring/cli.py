"""``moor``: reads the command line, runs one verb and prints what came of it. Nothing is decided here.

With ``--json`` standard output holds JSON and nothing else: one object, the verb's result (``moor ask`` prints each
event on a line of its own before it). A failure is ``{"error": {"code", "message"}}``. Without it, people read: on a
terminal with a little colour.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from . import __version__
from .commands import ask, daemon, login, setup, status, uninstall
from .commands.result import EXIT_INTERRUPTED, failure
from .commands.screens import JSONScreen, PlainScreen, TerminalScreen
from .commands.verbs import Verb, Verbs
from .edge.creds import API_KEY_VARIABLE, HOME_VARIABLE, SERVER_VARIABLE
from .errors import MoorError

_VERBS: Final = (setup, daemon, status, uninstall, login, ask)
"""In the order in which help shows them: what the machine does, then what a person does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``moor``.

    Args:
        argv: its arguments; None = the process's own.

    Returns:
        The exit status.
    """
    given = _parser().parse_args(argv)
    screen = _screen(given.json)
    try:
        verb: Verb = given.verb
        result = verb(given, screen)
    except MoorError as exc:
        result = failure(exc)
    except KeyboardInterrupt:
        result = failure(MoorError("interrupted", "Stopped.", EXIT_INTERRUPTED))
    try:
        screen.finish(result)
    except BrokenPipeError:
        # Whoever read along has gone; Python would complain again while it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return result.exit_code


def _screen(as_json: bool) -> JSONScreen | PlainScreen:
    if as_json:
        return JSONScreen(sys.stdout)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return TerminalScreen(sys.stdout, sys.stderr)
    return PlainScreen(sys.stdout, sys.stderr)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON instead of text")
    top = argparse.ArgumentParser(
        prog="moor",
        description="Keeps this laptop reachable from your team's Mooring plane and runs its coding agents here.",
        epilog=f"{HOME_VARIABLE} names the folder that holds everything; {SERVER_VARIABLE} and {API_KEY_VARIABLE}"
        " stand in for `moor login`.",
    )
    top.add_argument("--version", action="version", version=f"moor {__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    level = Verbs(verbs, shared)
    for module in _VERBS:
        module.add(level)
    return top
