"""The runner: all sessions of this laptop, how many of them may have an agent at once, and how they end.

See ``ports.Runner`` for what the desk asks of it. Its calls return at once; the work is in tasks of the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ..edge.config import Config
from ..errors import MoorError
from ..wire.frames import PermissionVerdict
from ..wire.ids import SessionId, TurnId
from .ending import CANCELLED, DAEMON_STOPPED
from .opening import Opener
from .ports import TurnOrder
from .session_run import SessionRun, Setting

_log = logging.getLogger("mooring.runner")


class TurnRunner:
    """Runs turns. ``begin`` must come before anything else: desk and runner need each other."""

    def __init__(self, config: Config, opener: Opener) -> None:
        self._config, self._opener = config, opener
        self._setting: Setting | None = None
        self._sessions: dict[SessionId, SessionRun] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._disposing: set[SessionId] = set()
        self._idle_timers: dict[SessionId, asyncio.TimerHandle] = {}
        self._seated: list[SessionId] = []
        self._freed = asyncio.Event()
        self._is_stopping = False
        self._turns = 0

    def begin(self, setting: Setting) -> None:
        """Tells whom to work with."""
        self._setting = setting

    # ---- ports.Runner

    def start(self, order: TurnOrder) -> None:
        """See ``ports.Runner``. While the daemon stops nothing is begun: the journal keeps it for the next one."""
        if self._is_stopping:
            return
        session = self._sessions.get(order.session_id)
        if session is None:
            assert self._setting is not None, "the runner has not begun"
            session = self._sessions[order.session_id] = SessionRun(order.session_id, self._setting)
        self._spawn(self._run(session, order))

    def cancel(self, session_id: SessionId, turn_id: TurnId) -> None:
        """See ``ports.Runner``."""
        session = self._sessions.get(session_id)
        if session is not None and session.turn_id == turn_id:
            session.halt(CANCELLED)

    def verdict(self, frame: PermissionVerdict) -> None:
        """See ``ports.Runner``."""
        session = self._sessions.get(frame.session_id)
        if session is not None:
            session.verdict(frame)

    def dispose(self, session_id: SessionId) -> None:
        """See ``ports.Runner``."""
        if session_id not in self._disposing:
            self._disposing.add(session_id)
            self._spawn(self._dispose(session_id))

    def active(self) -> tuple[TurnId, ...]:
        """See ``ports.Runner``."""
        found = [session.turn_id for session in self._sessions.values() if session.was_active()]
        return tuple(turn_id for turn_id in found if turn_id is not None)

    # ---- the daemon's end

    async def stop(self) -> None:
        """Ends running turns as failed, then all children. Folders stay: the next daemon takes the sessions up."""
        self._is_stopping = True
        for timer in self._idle_timers.values():
            timer.cancel()
        for session in self._sessions.values():
            session.halt(DAEMON_STOPPED)
        await asyncio.gather(*(self._closed(session) for session in list(self._sessions.values())))
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _closed(self, session: SessionRun) -> None:
        await session.cut_off()
        await session.wait_idle()
        await session.close()

    # ---- turns

    async def _run(self, session: SessionRun, order: TurnOrder) -> None:
        session_id = order.session_id
        if timer := self._idle_timers.pop(session_id, None):
            timer.cancel()
        assert self._setting is not None
        self._turns += 1
        self._setting.busy(True)
        try:
            await session.run(order, lambda: self._seat(session))
        finally:
            self._turns -= 1
            if not self._turns:
                self._setting.busy(False)
            if not session.has_child:
                self._unseat(session_id)
            elif not self._is_stopping and session.turn_id is None:
                self._idle_timers[session_id] = asyncio.get_running_loop().call_later(
                    self._config.idle_close_minutes * 60.0, lambda: self._spawn(self._close_idle(session))
                )
            self._freed.set()

    async def _seat(self, session: SessionRun) -> None:
        """Waits until the session may have a child; sends the one away that nobody has spoken to for longest."""
        while session.session_id not in self._seated and len(self._seated) >= self._config.max_sessions:
            idle = next((one for one in self._seated if self._sessions[one].turn_id is None), None)
            if idle is not None:
                await self._close_idle(self._sessions[idle])
                continue
            session.wait_for_place(len(self._seated))
            self._freed.clear()
            await self._freed.wait()
        if session.session_id in self._seated:
            self._seated.remove(session.session_id)
        self._seated.append(session.session_id)

    async def _close_idle(self, session: SessionRun) -> None:
        if session.turn_id is None:
            self._unseat(session.session_id)
            await session.close()
            self._freed.set()

    def _unseat(self, session_id: SessionId) -> None:
        if session_id in self._seated:
            self._seated.remove(session_id)
        if timer := self._idle_timers.pop(session_id, None):
            timer.cancel()

    async def _dispose(self, session_id: SessionId) -> None:
        assert self._setting is not None
        try:
            session = self._sessions.get(session_id)
            if session is not None:
                session.halt(CANCELLED)
                await self._closed(session)
                self._unseat(session_id)
                self._freed.set()
            await self._opener.dispose(session_id)
            self._sessions.pop(session_id, None)
        except MoorError as exc:
            # The plane asks again, since it was not told that the session is gone.
            _log.error("session=%s not disposed of: %s", session_id, exc)
            return
        finally:
            self._disposing.discard(session_id)
        self._setting.desk.disposed(session_id)
        self._setting.poke()
        _log.info("session=%s disposed of", session_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            _log.error("a task broke", exc_info=exc)
