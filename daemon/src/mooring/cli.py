"""``moor``: reads the command line, runs one verb and prints what came of it. Nothing is decided here.

With ``--json`` standard output holds JSON and nothing else: one object, the verb's result (``moor ask`` prints each
event on a line of its own before it). A failure is ``{"error": {"code", "message"}}``. Without it, people read: on a
terminal with a little colour.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from . import __version__
from .commands import ask, login, setup, status, uninstall
from .commands import daemon as daemon_command
from .commands.result import EXIT_INTERRUPTED, Result, Screen, failure
from .commands.screens import JSONScreen, PlainScreen, TerminalScreen
from .edge.creds import API_KEY_VARIABLE, HOME_VARIABLE, SERVER_VARIABLE
from .errors import MoorError

Verb = Callable[[argparse.Namespace, Screen], Result]


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

    def add(name: str, help_text: str, verb: Verb) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=help_text, description=help_text, parents=[shared])
        made.set_defaults(verb=verb)
        return made

    _add_machine_verbs(add)
    _add_person_verbs(add)
    return top


def _add_machine_verbs(add: Callable[[str, str, Verb], argparse.ArgumentParser]) -> None:
    one = add(
        "setup",
        "Pair this laptop with a plane.",
        lambda given, _: setup.run(given.server, given.code, given.state, given.code_verifier),
    )
    one.add_argument("--server", required=True, metavar="URL", help="the plane's address")
    one.add_argument("--code", required=True, help="the one-time connect code")
    one.add_argument("--state", required=True, help="what the code was made for")
    one.add_argument("--code-verifier", metavar="TEXT", help="PKCE verifier, where the code was made with a challenge")
    one.add_argument("--no-service", action="store_true", help="install no service (this version installs none)")
    one = add(
        "daemon",
        "Run the daemon in the foreground.",
        lambda given, screen: daemon_command.run(screen, take_over=given.take_over),
    )
    one.add_argument("--take-over", action="store_true", help="take the runtime back from a daemon that took it over")
    add("status", "Show what is set up, what runs and what the plane sees.", lambda *_: status.run())
    one = add("uninstall", "Undo `moor setup`.", lambda given, screen: uninstall.run(screen, yes=given.yes))
    one.add_argument("--yes", action="store_true", help="do not ask")


def _add_person_verbs(add: Callable[[str, str, Verb], argparse.ArgumentParser]) -> None:
    one = add(
        "login",
        "Keep your API key for the commands that speak as a person.",
        lambda given, _: login.run(
            given.server or os.environ.get(SERVER_VARIABLE), given.api_key or os.environ.get(API_KEY_VARIABLE)
        ),
    )
    one.add_argument("--server", metavar="URL", help=f"the plane's address (or {SERVER_VARIABLE})")
    one.add_argument("--api-key", metavar="KEY", help=f"moor_… (or {API_KEY_VARIABLE})")
    one = add("ask", "Say something to an agent and watch what it does.", _ask)
    one.add_argument("text", help="what to say")
    one.add_argument("--agent", help="whom: an agent's id or name, or the id of its ACP agent")
    one.add_argument("--session", metavar="ID", help="go on with this session")
    one.add_argument("--allow", action="store_true", help="answer the agent's permission questions with yes")


def _ask(given: argparse.Namespace, screen: Screen) -> Result:
    return ask.run(
        screen, given.text, agent=given.agent, session=given.session, allow=given.allow, deltas=not given.json
    )
