"""``moor daemon``: keeps this laptop reachable, in the foreground, until it is told to stop.

It ends with 0 when it was stopped (SIGTERM, SIGINT), 3 when the laptop is not set up, 4 when another daemon took over,
5 when the plane refuses the token. A service must not restart it after 3, 4 or 5: the same would only happen again.
Some services restart whatever the status is. So a daemon that was taken over leaves a mark, and while there is one a
start asks the plane first: two daemons with one token must not take the runtime from each other for ever.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from .. import __version__
from ..core.sleep import Clocks
from ..daemon.agent_watch import AgentWatch
from ..daemon.agents import Agents
from ..daemon.desk import Desk
from ..daemon.local_skills import reported_skills
from ..daemon.loop import Connection, DaemonLoop
from ..daemon.opening import Opener
from ..daemon.ports import HelloFacts, Identity
from ..daemon.renewal import Renewal, Token
from ..daemon.runner import TurnRunner
from ..daemon.session_run import Setting
from ..daemon.sleeping import Sleeping
from ..edge.clocks import read_clocks
from ..edge.config import Config, read_config
from ..edge.creds import (
    HOME_VARIABLE,
    PROFILE_VARIABLE,
    Credentials,
    Paths,
    make_home,
    new_id,
    paths,
    read_credentials,
)
from ..edge.dialer import Dialer, Report
from ..edge.env_file import read_env_file
from ..edge.folder import Folders
from ..edge.journal import Journal
from ..edge.lock import DaemonLock
from ..edge.log_file import log_to_file, log_to_stderr
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
    one.add_argument("--service", metavar="HOME", help="run as its service does: with this home and its service.env")
    one.set_defaults(before=_enter_service)


def run(screen: Screen, *, take_over: bool = False, is_service: bool = False) -> Result:
    """Runs the daemon.

    Args:
        screen: nothing is shown on it; the log goes to standard error and to the home's ``logs`` folder.
        take_over: even if another daemon that took the runtime over still speaks for it.
        is_service: nobody has given it variables for its agents, so they are read from ``service.env``.

    Raises:
        MoorError: ``not_set_up``, ``already_running``, ``bad_env_file``, ``bad_config``, ``taken_over``,
            ``token_refused``, why the home or the journal can't be used, or why the plane can't be asked.
    """
    where = paths()
    credentials = read_credentials(where)
    make_home(where)
    log_to_stderr()
    if sys.platform != "win32":
        # From here on its pid can be found, and `moor agents refresh` may say so before anything can be done about it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with DaemonLock(where.lock), log_to_file(where.daemon_log):
        try:
            if is_service:
                read_env_file(where)  # The variables are there already, if it can be read. If not, this says so.
            _hold(where, credentials, take_over=take_over)
        except Exception as exc:
            # A service has no screen; and what is no error of ours must be found on it, too.
            is_ours = isinstance(exc, MoorError)
            _log.error("runtime=%s ended by: %s", credentials.runtime_id, exc, exc_info=not is_ours)
            raise
    return Result(0, [], {"stopped": True, "runtime_id": credentials.runtime_id})


def _hold(where: Paths, credentials: Credentials, *, take_over: bool) -> None:
    """Runs the daemon of a home that is held by its lock."""
    config = read_config(where.config)
    orphans.sweep(where.children)
    if not take_over:
        _give_way(where, credentials)
    where.taken_over.unlink(missing_ok=True)
    Folders(where).sweep()
    try:
        asyncio.run(serve(where, credentials, config, _hear_signals))
    except MoorError as exc:
        if exc.exit_code == EXIT_TAKEN_OVER:
            where.taken_over.touch()
        raise


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, take_over=given.take_over, is_service=given.service is not None)


def _enter_service(given: argparse.Namespace) -> None:
    """Makes the environment what a shell makes of it, which no service manager does in the same way as another."""
    if given.service is not None:
        os.environ[HOME_VARIABLE] = given.service
        os.environ.pop(PROFILE_VARIABLE, None)  # The home is a profile's own already.
        with contextlib.suppress(MoorError):  # `run` says it, where it is logged.
            os.environ.update(read_env_file(paths()))


async def serve(
    where: Paths,
    credentials: Credentials,
    config: Config,
    started: Callable[[asyncio.AbstractEventLoop, DaemonLoop, Callable[[], None]], None],
    clocks: Callable[[], Clocks] = read_clocks,
) -> None:
    """The daemon from its first dial to its end.

    Args:
        where: its home; the lock is the caller's.
        credentials: who it is.
        config: what its owner allows.
        started: gets the event loop, the daemon's, whose ``stop`` ends this, and what has it look at its agents anew.
        clocks: reads the laptop's clocks.

    Raises:
        MoorError: it can't begin, or had to stop for good.
    """
    event_loop = asyncio.get_running_loop()
    token = Token(where, credentials)
    plane = Plane(credentials.server_url, token)
    agents = Agents(config, where)
    journal = Journal(str(where.journal(credentials.runtime_id)), new_id)
    opener = Opener(plane, where, config, agents, is_forgetful=journal.moved_aside is not None)
    runner = TurnRunner(config, opener)
    instance = new_id()

    def dial(report: Callable[[Connection, Report], None]) -> Connection:
        return Dialer(credentials.ws_url, token, event_loop, report)

    loop = DaemonLoop(
        credentials.runtime_id,
        instance,
        dial,
        lambda: not journal.in_flight() and not journal.ready_sessions(),
        rotate_max_s=config.connection_minutes * 60,
        clocks=clocks,
    )
    identity = Identity(RuntimeId(credentials.runtime_id), instance, lambda: _facts(agents))
    desk = Desk(journal, runner, loop.send, identity, dice=new_id, clock=loop.now)
    sleeping = Sleeping(config.keep_awake)
    runner.begin(
        Setting(
            desk=desk,
            plane=plane,
            opener=opener,
            dice=new_id,
            poke=loop.poke,
            limits=agents.config,
            busy=sleeping.busy,
            woke_at=loop.woke_at,
        )
    )
    if journal.moved_aside is not None:
        _log.error("the journal could not be read; it was moved to %s and a new one begins", journal.moved_aside)
    watch = AgentWatch(agents, loop.introduce)
    started(event_loop, loop, watch.look)
    _log.info("runtime=%s daemon %s speaks to %s", credentials.runtime_id, __version__, credentials.server_url)
    try:
        async with Renewal(where, credentials.runtime_id).beside(loop.stop), watch.beside(), sleeping.beside(loop):
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
        local_skills=reported_skills(agents),
    )


def _hear_signals(event_loop: asyncio.AbstractEventLoop, loop: DaemonLoop, look: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            event_loop.add_signal_handler(number, loop.stop)
        except NotImplementedError:  # Windows: the handler runs in the main thread, between two steps of the loop.
            signal.signal(number, lambda *_: event_loop.call_soon_threadsafe(loop.stop))
    if sys.platform != "win32":
        had_terminal = _has_terminal()

        def hung_up() -> None:
            if had_terminal and not _has_terminal():
                loop.stop()
            else:
                look()

        event_loop.add_signal_handler(signal.SIGHUP, hung_up)


def _has_terminal() -> bool:
    """Whether the terminal, if it was started from one, is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
