"""``moor daemon``: keeps this laptop reachable, in the foreground, until it is told to stop.

It ends with 0 when it was stopped (SIGTERM, SIGINT), 3 when the laptop is not set up, 4 when another daemon took over,
5 when the plane refuses the token. A service must not restart it after 3, 4 or 5: the same would only happen again.
Some services restart whatever the status is. So a daemon that was taken over leaves a mark, and while there is one a
start asks the plane first: two daemons with one token must not take the runtime from each other for ever.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable

from .. import __version__
from ..daemon.agents import Agents
from ..daemon.desk import Desk
from ..daemon.loop import Connection, DaemonLoop
from ..daemon.opening import Opener
from ..daemon.ports import HelloFacts, Identity
from ..daemon.runner import TurnRunner
from ..daemon.session_run import Setting
from ..edge.config import Config, read_config
from ..edge.creds import Credentials, Paths, make_home, new_id, paths, read_credentials
from ..edge.dialer import Dialer, Report
from ..edge.folder import Folders
from ..edge.journal import Journal
from ..edge.lock import DaemonLock
from ..edge.plane import Plane
from ..errors import EXIT_TAKEN_OVER, MoorError
from ..providers import orphans
from ..wire.ids import RuntimeId
from .result import Result, Screen
from .setup import os_name
from .verbs import Verbs

_log = logging.getLogger("mooring.daemon")


def add(verbs: Verbs) -> None:
    """Adds ``moor daemon``."""
    one = verbs.add("daemon", "Run the daemon in the foreground.", _run)
    one.add_argument("--take-over", action="store_true", help="take the runtime back from a daemon that took it over")


class OneLine(logging.Formatter):
    """A record on one line, tracebacks too: whoever greps for a session's id finds all of it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return " | ".join(line.strip() for line in super().format(record).splitlines())


def run(screen: Screen, *, take_over: bool = False) -> Result:
    """Runs the daemon.

    Args:
        screen: nothing is shown on it; the log goes to standard error.
        take_over: even if another daemon that took the runtime over still speaks for it.

    Raises:
        MoorError: ``not_set_up``, ``already_running``, ``bad_config``, ``taken_over``, ``token_refused``, why the home
            or the journal can't be used, or why the plane can't be asked.
    """
    where = paths()
    credentials = read_credentials(where)
    config = read_config(where.config)
    make_home(where)
    log_to_stderr()
    with DaemonLock(where.lock):
        orphans.sweep(where.children)
        if not take_over:
            _give_way(where, credentials)
        where.taken_over.unlink(missing_ok=True)
        Folders(where).sweep()
        try:
            asyncio.run(serve(where, credentials, config, _stop_on_signals))
        except MoorError as exc:
            if exc.exit_code == EXIT_TAKEN_OVER:
                where.taken_over.touch()
            raise
    return Result(0, [], {"stopped": True, "runtime_id": credentials.runtime_id})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, take_over=given.take_over)


def log_to_stderr() -> None:
    """Logs what is ours. Other libraries' records may hold what agents and people say, so they are not written."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.getLogger().addHandler(logging.NullHandler())
    ours = logging.getLogger("mooring")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(logging.INFO)


async def serve(
    where: Paths,
    credentials: Credentials,
    config: Config,
    started: Callable[[asyncio.AbstractEventLoop, DaemonLoop], None],
) -> None:
    """The daemon from its first dial to its end.

    Args:
        where: its home; the lock is the caller's.
        credentials: who it is.
        config: what its owner allows.
        started: gets the event loop and the daemon's, whose ``stop`` ends this.

    Raises:
        MoorError: it can't begin, or had to stop for good.
    """
    event_loop = asyncio.get_running_loop()
    plane = Plane(credentials.server_url, credentials.token)
    agents = Agents(config)
    opener = Opener(plane, where, config, agents)
    runner = TurnRunner(config, opener)
    journal = Journal(str(where.journal(credentials.runtime_id)), new_id)
    instance = new_id()

    def dial(report: Callable[[Connection, Report], None]) -> Connection:
        return Dialer(credentials.ws_url, credentials.token, event_loop, report)

    loop = DaemonLoop(
        credentials.runtime_id,
        instance,
        dial,
        lambda: not journal.in_flight() and not journal.ready_sessions(),
        rotate_max_s=config.connection_minutes * 60,
    )
    identity = Identity(RuntimeId(credentials.runtime_id), instance, lambda: _facts(agents))
    desk = Desk(journal, runner, loop.send, identity, dice=new_id, clock=time.time)
    runner.begin(Setting(desk=desk, plane=plane, opener=opener, dice=new_id, poke=loop.poke, limits=agents.config))
    if journal.moved_aside is not None:
        _log.error("the journal could not be read; it was moved to %s and a new one begins", journal.moved_aside)
    started(event_loop, loop)
    _log.info("runtime=%s daemon %s speaks to %s", credentials.runtime_id, __version__, credentials.server_url)
    try:
        await loop.run(desk, runner.stop)
    finally:
        journal.close()
        plane.close()
    _log.info("runtime=%s stopped", credentials.runtime_id)


def _give_way(where: Paths, credentials: Credentials) -> None:
    """Leaves the runtime to the daemon that took it over, for as long as that one is there."""
    try:
        taken_at = where.taken_over.stat().st_mtime
    except FileNotFoundError:
        return
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(taken_at))
    plane = Plane(credentials.server_url, credentials.token)
    try:
        is_online = plane.is_online()
    finally:
        plane.close()
    if is_online:
        why = f"Another daemon took this runtime over on {when} and still speaks for it."
        remedy = "Stop that one, or run `moor daemon --take-over` to take it back."
        raise MoorError("taken_over", f"{why} {remedy}", EXIT_TAKEN_OVER)
    _log.warning("runtime=%s the daemon that took over on %s is away", credentials.runtime_id, when)


def _facts(agents: Agents) -> HelloFacts:
    return HelloFacts(
        version=__version__,
        hostname=socket.gethostname(),
        os=os_name(),
        agents=agents.reports(),
    )


def _stop_on_signals(event_loop: asyncio.AbstractEventLoop, loop: DaemonLoop) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            event_loop.add_signal_handler(number, loop.stop)
        except NotImplementedError:  # Windows: the handler runs in the main thread, between two steps of the loop.
            signal.signal(number, lambda *_: event_loop.call_soon_threadsafe(loop.stop))
