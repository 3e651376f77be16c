"""logind: what the system says of its sleep, over D-Bus, and the locks by which it waits for us.

Two locks are asked for. *Delay* is always held while the laptop is awake: the system then waits, for 5 s by default,
until we have said goodnight. *Idle* is held while a turn runs: the system then does not fall asleep by itself because
nobody touches it. A closed lid or somebody's order counts above both.

A laptop without a system bus or logind has none of it; its sleep is told from the clocks alone.
Source: https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.login1.html and systemd's
"Inhibitor Locks".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from jeepney import DBusAddress, DBusErrorResponse, HeaderFields, MatchRule, Message, MessageType, new_method_call
from jeepney.bus import get_bus
from jeepney.bus_messages import message_bus
from jeepney.fds import FileDescriptor
from jeepney.io.blocking import prep_socket
from jeepney.io.threading import DBusConnection
from jeepney.wrappers import unwrap_msg

CALL_S: Final = 2.0
"""How long an answer may take (seconds)."""

MANAGER: Final = DBusAddress(
    "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
)

_SLEEPS: Final = MatchRule(
    type="signal", interface=MANAGER.interface, member="PrepareForSleep", path=MANAGER.object_path
)
_WHO: Final = "Mooring"
_DELAY: Final = ("sleep", "delay", "to tell your team's agents goodnight")
_IDLE: Final = ("idle", "block", "an agent is at work")
_FAULTS: Final = (OSError, RuntimeError, ValueError, KeyError, DBusErrorResponse)
"""What a bus that is not there, or is not as it should be, comes to in the library."""

_log = logging.getLogger("mooring.power")


class Logind:
    """The system's logind. Made by ``find``; to be used on its loop only."""

    def __init__(self, bus: DBusConnection, hear: Callable[[bool], None]) -> None:
        self._bus, self._hear = bus, hear
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, asyncio.Future[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._locks: dict[str, FileDescriptor] = {}
        self._is_wanted = self._is_closed = self._has_said_goodnight = False
        self._loop.add_reader(bus.sock, self._read)

    @classmethod
    async def find(cls, hear: Callable[[bool], None]) -> Logind | None:
        """logind, if there is one. ``hear`` is told True when the system is about to sleep, False when it has woken."""
        try:
            bus = await asyncio.to_thread(_connect)
        except _FAULTS as exc:
            _log.info("no system bus: sleep is told from the clocks alone (%s)", exc)
            return None
        found = cls(bus, hear)
        try:
            await found._begin()
        except _FAULTS as exc:
            found.close()
            _log.info("no logind: sleep is told from the clocks alone (%s)", exc)
            return None
        except BaseException:
            found.close()
            raise
        return found

    def said_goodnight(self) -> None:
        """The system need not wait any longer."""
        self._has_said_goodnight = True
        self._release("sleep")

    def keep_awake(self, wanted: bool) -> None:
        """Keeps the system from falling asleep by itself, or no longer."""
        self._is_wanted = wanted
        if not wanted:
            self._release("idle")
        elif "idle" not in self._locks and not self._is_closed:
            self._spawn(self._inhibit(*_IDLE))

    def close(self) -> None:
        """Lets go of everything. A repeat changes nothing."""
        if self._is_closed:
            return
        self._is_closed, self._is_wanted = True, False
        self._loop.remove_reader(self._bus.sock)
        for what in tuple(self._locks):
            self._release(what)
        self._bus.close()
        for task in self._tasks:
            task.cancel()
        for call in self._calls.values():
            if not call.done():
                call.set_exception(ConnectionResetError("The system bus is gone."))
            elif not call.cancelled() and call.exception() is None:
                _let_go(call.result())  # Nobody will look at it any more.

    # ---- locks

    async def _begin(self) -> None:
        await self._call(message_bus.Hello())
        await self._call(message_bus.AddMatch(_SLEEPS))
        await self._inhibit(*_DELAY)

    async def _inhibit(self, what: str, mode: str, why: str) -> None:
        (lock,) = await self._call(new_method_call(MANAGER, "Inhibit", "ssss", (what, _WHO, why, mode)))
        if not isinstance(lock, FileDescriptor):
            raise ValueError("logind gave no lock.")
        self._release(what)
        self._locks[what] = lock
        # What it is for may be over by now: the turn, or a night that came at once after the other.
        if self._has_said_goodnight if what == "sleep" else not self._is_wanted:
            self._release(what)

    def _release(self, what: str) -> None:
        if what in self._locks:
            self._locks.pop(what).close()

    # ---- the bus

    async def _call(self, message: Message) -> tuple[Any, ...]:
        serial = next(self._bus.outgoing_serial)
        answered = self._calls[serial] = self._loop.create_future()
        try:
            self._bus.send(message, serial=serial)
            async with asyncio.timeout(CALL_S):
                answer: tuple[Any, ...] = unwrap_msg(await answered)
        finally:
            del self._calls[serial]
        return answer

    def _read(self) -> None:
        try:
            while True:
                self._take(self._bus.receive(timeout=0))
        except TimeoutError:
            return
        except _FAULTS as exc:
            _log.warning("the system bus is gone: sleep is told from the clocks alone (%s)", exc)
            self.close()

    def _take(self, message: Message) -> None:
        if message.header.message_type is not MessageType.signal:
            answered = self._calls.get(message.header.fields.get(HeaderFields.reply_serial, -1))
            if answered is not None and not answered.done():
                answered.set_result(message)
            else:
                _let_go(message)
        elif _SLEEPS.matches(message):
            sleeps = bool(message.body[0])
            if not sleeps:
                self._has_said_goodnight = False
                self._spawn(self._inhibit(*_DELAY))
            self._hear(sleeps)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(self._tried(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tried(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except _FAULTS as exc:
            _log.warning("logind gave no lock: %s", exc)


def _connect() -> DBusConnection:
    return DBusConnection(prep_socket(get_bus("SYSTEM"), enable_fds=True), enable_fds=True)


def _let_go(message: Message) -> None:
    for part in message.body:
        if isinstance(part, FileDescriptor):
            part.close()
