"""``moor``: reads the command line, runs one verb and prints what came of it. Nothing is decided here.

With ``--json`` standard output holds JSON and nothing else: one object, the verb's result (``moor ask`` prints each
event on a line of its own before it). A failure is ``{"error": {"code", "message"}}``. Without it, people read: on a
terminal with a little colour.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from . import __version__
from .commands.result import EXIT_FAILED, EXIT_INTERRUPTED, Result, failure
from .commands.screens import JSONScreen, PlainScreen
from .commands.verbs import Parser, UsageError, Verb, Verbs
from .edge import network
from .edge.config import read_config
from .edge.creds import API_KEY_VARIABLE, HOME_VARIABLE, PROFILE_VARIABLE, SERVER_VARIABLE, paths
from .errors import EXIT_USAGE, MoorError

_VERBS: Final = {
    "setup": "Connect this laptop to a plane, or repair its connection.",
    "daemon": "Run the daemon in the foreground.",
    "service": "Keep the daemon running in the background, from login on.",
    "status": "Show what is set up, what runs and what the plane sees.",
    "doctor": "Look for what is wrong on this laptop, and say what to do.",
    "logs": "Show the daemon's log, or that of a session's agent.",
    "workspaces": "Say in which of your folders agents may work.",
    "uninstall": "Undo `moor setup`.",
    "login": "Keep your API key for the commands that speak as a person.",
    "ask": "Say something to an agent and watch what it does.",
    "agents": "See, install and define agents.",
    "skills": "See the skills that agents find on this laptop.",
    "sessions": "Show the newest sessions with your team's agents.",
    "runtime": "See and remove your team's laptops.",
    "share": "Let your whole team use this laptop.",
    "completion": "Print the script that completes `moor` in a shell.",
}
"""In the order in which help shows them: what the machine does, then what a person does. Each is added by the module of
its name in ``commands``. What it is for stands here as well, so that help need not import them all."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``moor``.

    Args:
        argv: its arguments; None = the process's own.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if argv is None else argv
    if not words:
        parser(()).print_help(sys.stderr)
        return EXIT_USAGE
    try:
        given = parser(words).parse_args(words)
    except UsageError as exc:
        return _finish(_screen("--json" in words), _misread(exc))
    screen = _screen(given.json)
    try:
        _settle(given)
        verb: Verb = given.verb
        result = verb(given, screen)
    except MoorError as exc:
        result = failure(exc)
    except KeyboardInterrupt:
        result = failure(MoorError("interrupted", "Stopped.", EXIT_INTERRUPTED))
    except BrokenPipeError:
        _hang_up()
        return EXIT_FAILED
    except OSError as exc:  # The disk, or rights, where no verb has better words for it.
        where = f"{exc.filename}: " if exc.filename else ""
        result = failure(MoorError("system_error", f"The system says no: {where}{exc.strerror or exc}."))
    return _finish(screen, result)


def parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of the command line.

    Args:
        words: the command line; of verbs that it does not name, some of which are slow to import, there is only the
            name. None = all are there.
    """
    top: argparse.ArgumentParser = Parser(
        prog="moor",
        description="Keeps this laptop reachable from your team's Mooring plane and runs its coding agents here.",
        epilog=f"{HOME_VARIABLE} names the folder that holds everything; {SERVER_VARIABLE} and {API_KEY_VARIABLE}"
        " stand in for `moor login`.",
        parents=[_shared(top=True)],
    )
    top.add_argument("--version", action="version", version=f"moor {__version__}")
    top.set_defaults(tree=parser)
    verbs = Verbs(top.add_subparsers(title="commands", metavar="COMMAND", required=True), _shared(top=False))
    for name, purpose in _VERBS.items():
        if words is None or name in words:
            import_module(f".commands.{name}", __package__).add(verbs)
        else:
            verbs.mention(name, purpose)
    return top


def _shared(*, top: bool) -> argparse.ArgumentParser:
    """What stands before the verb as well as behind it; behind it nothing hides what was said before."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=None if top else argparse.SUPPRESS)
    shared.add_argument(
        "--json", action="store_true", default=False if top else argparse.SUPPRESS, help="print JSON instead of text"
    )
    shared.add_argument("--profile", metavar="NAME", help=f"one of several pairings (or {PROFILE_VARIABLE})")
    shared.add_argument("--proxy", metavar="URL", help="the proxy to go through (or HTTPS_PROXY)")
    shared.add_argument(
        "--ca-file", metavar="PATH", help="trust these certificates, not the system's (or SSL_CERT_FILE)"
    )
    return shared


def _settle(given: argparse.Namespace) -> None:
    """Puts what holds for every verb where all of them look for it, and agents too: into the environment."""
    if given.profile is not None:
        os.environ[PROFILE_VARIABLE] = given.profile
    if "before" in given:  # What a verb has to say about the environment itself.
        given.before(given)
    network.use(os.environ, ca_file=given.ca_file, proxy=given.proxy)
    # A file that is not in order is told by the verbs that need it; the others have to work all the same.
    with contextlib.suppress(MoorError):
        config = read_config(paths().config)
        network.use_where_silent(os.environ, ca_file=config.ca_file, proxy=config.proxy)


def _screen(as_json: bool) -> JSONScreen | PlainScreen:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8 wherever it is read; text must not fail over a character that a terminal lacks.
            stream.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")
    if as_json:
        return JSONScreen(sys.stdout)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from .commands.terminal import TerminalScreen  # Slow to import, and most runs have no terminal.

        return TerminalScreen(sys.stdout, sys.stderr)
    return PlainScreen(sys.stdout, sys.stderr)


def _misread(error: UsageError) -> Result:
    told = failure(error)
    return Result(told.exit_code, [error.usage, *told.lines], told.data)


def _finish(screen: PlainScreen, result: Result) -> int:
    try:
        screen.finish(result)
    except BrokenPipeError:
        _hang_up()
    return result.exit_code


def _hang_up() -> None:
    # Whoever read along has gone; Python would complain again while it closes standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
