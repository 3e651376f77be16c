"""``moor logs``: the daemon's log, or what a session's agent wrote to standard error.

With ``-f`` it goes on until Ctrl-C, which is how a follower is meant to end, so the status is 0.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from typing import Any, Final

from ..edge.creds import Paths, paths
from ..edge.folder import Folders
from ..edge.log_file import older
from ..edge.log_tail import LogTail
from ..errors import MoorError
from ..providers.stderr_log import older_log, plain
from ..wire.ids import SessionId
from .result import Result, Screen
from .verbs import Verbs

LINES: Final = 100
_PAUSE_S: Final = 0.3
"""Between two looks for new lines (seconds): at once, for a person."""

_LINE: Final = re.compile(r"(?P<at>\S+) (?P<level>[A-Z]+) (?P<text>.*)")
_ID: Final = re.compile(r"\b(runtime|session|turn)=(\S+)")


def add(verbs: Verbs) -> None:
    """Adds ``moor logs``."""
    one = verbs.add("logs", "Show the daemon's log, or that of a session's agent.", _run)
    one.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    one.add_argument("-n", "--lines", type=_count, default=LINES, metavar="N", help=f"how many lines ({LINES})")
    one.add_argument("--session", metavar="ID", help="only what is about this session")
    one.add_argument("--agent", action="store_true", help="what the session's agent wrote to standard error")


def run(screen: Screen, *, lines: int, follow: bool, session_id: str | None, agent: bool) -> Result:
    """Shows the last lines, and then those that come.

    Args:
        screen: where they are shown; for programs, an object each.
        lines: how many of those that are there.
        follow: whether to wait for more.
        session_id: only those that name it.
        agent: the log of that session's agent instead of the daemon's.

    Raises:
        MoorError: ``bad_session_id``.
    """
    where = paths()
    if agent and session_id is not None:
        log = where.logs / f"{Folders(where).of(SessionId(session_id)).name}.log"
        tail, read = LogTail(log, [older_log(log)]), _said
    else:
        log = where.daemon_log
        tail, read = _daemons(where, session_id), _record
    shown = _show(screen, tail.last(lines), read)
    if follow:
        try:
            while True:
                shown += _show(screen, tail.new(), read)
                time.sleep(_PAUSE_S)
        except KeyboardInterrupt:
            pass  # This is how following ends.
    return Result(0, [] if shown else [f"There is nothing in {log}."], {"path": str(log), "lines": shown})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    if given.agent and given.session is None:
        raise MoorError("usage", "--agent needs --session ID: each session's agent has a log of its own.")
    return run(screen, lines=given.lines, follow=given.follow, session_id=given.session, agent=given.agent)


def _daemons(where: Paths, session_id: str | None) -> LogTail:
    if session_id is None:
        return LogTail(where.daemon_log, older(where.daemon_log))
    names_it = re.compile(rf"\bsession={re.escape(session_id)}(?!\S)")
    return LogTail(where.daemon_log, older(where.daemon_log), lambda line: names_it.search(line) is not None)


def _show(screen: Screen, lines: list[str], read: Callable[[str], dict[str, Any]]) -> int:
    for line in lines:
        screen.text(f"{plain(line)}\n")
        screen.event(read(line))
    return len(lines)


def _record(line: str) -> dict[str, Any]:
    """A line of the daemon's as an object: when, how bad, the ids that it begins with, and the text."""
    found = _LINE.fullmatch(line)
    if found is None:
        return _said(line)
    return {**found.groupdict(), **dict(_ID.findall(found["text"]))}


def _said(line: str) -> dict[str, Any]:
    return {"text": line}


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)
