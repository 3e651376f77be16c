"""The daemon's loop: carries reports of connections to the link, frames to the desk, and does what they answer.

It decides nothing: when to dial, which connection to use and when to stop is the link's (``core/link.py``); what a
frame means is the desk's. Two connections may live at once while one replaces the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, assert_never

from msgspec import Struct

from ..core import link
from ..core import link_cues as said
from ..core.sleep import Clocks, slept_s
from ..edge import dialer
from ..edge.clocks import read_clocks
from ..edge.journal_rows import DiskFull
from ..errors import MoorError
from ..wire import codec, frames
from ..wire.ids import RuntimeId
from ..wire.limits import ROTATE_MAX_S
from .desk import Desk

WATCH_S: Final = 5.0
"""How often the clocks are looked at (seconds): so late is a sleep noticed of which nobody tells."""

FLUSH_S: Final = 3.0
"""How long a stopping daemon waits for the plane to acknowledge its last events (seconds)."""

_log = logging.getLogger("mooring.link")


class Connection(Protocol):
    """One WebSocket being opened or open; see ``edge.dialer.Dialer``."""

    def send(self, text: str) -> None:
        """Sends a message."""

    def close(self) -> None:
        """Closes it once everything is written."""

    def join(self) -> None:
        """Waits until nothing of it is left."""


Dial = Callable[[Callable[[Connection, dialer.Report], None]], Connection]
"""Opens a connection and reports what happens to it, on the loop."""


class DaemonLoop:
    """Runs until it is stopped or has to stop.

    Args:
        name: the runtime's id, for the log.
        instance: this process, as its hello has it.
        dial: opens a connection.
        is_flushed: whether the plane has acknowledged everything.
        rotate_max_s: the age at which a connection is replaced at the latest (seconds).
        clocks: reads the laptop's clocks.
    """

    def __init__(
        self,
        name: str,
        instance: str,
        dial: Dial,
        is_flushed: Callable[[], bool],
        *,
        rotate_max_s: float = ROTATE_MAX_S,
        clocks: Callable[[], Clocks] = read_clocks,
    ) -> None:
        self._name, self._dial, self._is_flushed, self._clocks = name, dial, is_flushed, clocks
        self._began = self._seen = clocks()
        self._woke_at = 0.0
        self._goodnight: Callable[[], None] | None = None
        self._state = link.LinkState(instance=instance, rotate_max_s=rotate_max_s)
        self._desk: Desk | None = None
        self._connections: dict[int, Connection] = {}
        self._current: int | None = None
        self._reports: deque[tuple[Connection, dialer.Report]] = deque()
        self._wake = asyncio.Event()
        self._is_stopping = self._has_news = False
        self._final: MoorError | None = None

    def send(self, frame: Struct) -> None:
        """Sends a frame on the connection in use; drops it when there is none."""
        if self._current is not None:
            self._send_on(self._current, frame)

    def poke(self) -> None:
        """Has the loop look again at what is due."""
        self._wake.set()

    def introduce(self) -> None:
        """Has the daemon say hello once more. To be called on the loop."""
        self._has_news = True
        self._wake.set()

    def suspend(self, said_goodnight: Callable[[], None]) -> None:
        """The laptop is about to sleep. To be called on the loop.

        Args:
            said_goodnight: called once there is nothing more to say.
        """
        self._goodnight = said_goodnight
        self._cue(said.Suspending())
        self.poke()

    def resume(self) -> None:
        """The laptop has woken up, or will not sleep after all. To be called on the loop; it may know already."""
        self._look()
        if self._state.is_suspended:
            self._cue(said.Woken())
        self.poke()

    def now(self) -> float:
        """Epoch seconds as of the start, counted since by a clock that goes on in sleep and that nobody sets."""
        return self._began.wall + self._clocks().steady - self._began.steady

    def woke_at(self) -> float:
        """When the laptop was last seen to have slept (``time.monotonic``); 0 = it was not. Looks at the clocks."""
        self._look()
        return self._woke_at

    def stop(self) -> None:
        """Asks for a clean end. To be called on the loop."""
        self._is_stopping = True
        self._wake.set()

    async def run(self, desk: Desk, end_turns: Callable[[], Awaitable[None]]) -> None:
        """Keeps the daemon connected until it is stopped.

        Args:
            desk: what frames go to.
            end_turns: ends what runs, at the daemon's end.

        Raises:
            MoorError: ``taken_over`` or ``token_refused``: it stopped for good.
        """
        self._desk = desk
        desk.recover()
        while not self._is_stopping and self._final is None:
            await self._once()
        await self._farewell(end_turns)
        if self._final is not None:
            raise self._final

    async def _once(self) -> None:
        """Does what is due, then waits for more."""
        assert self._desk is not None
        self._look()
        now = self.now()
        if now >= link.next_look(self._state, now) or self._state.ticked_at is None:
            self._cue(said.Tick())
        if now >= self._desk.next_wake(now):
            self._desk.tick(now)
        # Not beside a connection that is to replace this one: a later hello on the older one would win.
        if self._has_news and self._desk.online and len(self._connections) == 1:
            self._has_news = False
            self._desk.introduce()
        if self._goodnight is not None and not self._connections:
            said_goodnight, self._goodnight = self._goodnight, None
            said_goodnight()
        now = self.now()
        due_s = min(link.next_look(self._state, now), self._desk.next_wake(now)) - now
        if not self._reports and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(due_s, WATCH_S))):
                    await self._wake.wait()
        self._wake.clear()
        while self._reports:
            self._reported(*self._reports.popleft())

    def _look(self) -> None:
        """Looks at the clocks, and begins anew when they tell that the laptop slept."""
        before, self._seen = self._seen, self._clocks()
        if slept := slept_s(before, self._seen):
            _log.info("runtime=%s the laptop slept for %.0f s", self._name, slept)
            self._woke_at = time.monotonic()
            self._cue(said.Woken())

    async def _farewell(self, end_turns: Callable[[], Awaitable[None]]) -> None:
        """Ends what runs, hands its end to the plane if that listens, and closes."""
        ending = asyncio.ensure_future(end_turns())
        ending.add_done_callback(lambda _: self.poke())
        while not ending.done():
            await self._once()
        ending.result()
        deadline = time.monotonic() + FLUSH_S
        while self._current is not None and not self._is_flushed() and (left_s := deadline - time.monotonic()) > 0:
            asyncio.get_running_loop().call_later(left_s, self.poke)
            await self._once()
        closing = list(self._connections.values())
        for connection in closing:
            connection.close()
        self._connections.clear()
        for connection in closing:
            await asyncio.to_thread(connection.join)

    # ---- what connections report

    def _heard(self, connection: Connection, report: dialer.Report) -> None:
        self._reports.append((connection, report))
        self._wake.set()

    def _reported(self, connection: Connection, report: dialer.Report) -> None:
        number = next((n for n, one in self._connections.items() if one is connection), None)
        if number is None:
            return  # It was closed here before.
        match report:
            case dialer.Opened():
                self._cue(said.Opened(number))
            case dialer.Received():
                self._received(number, report.text)
            case dialer.Closed():
                _log.info("runtime=%s connection=%d closed: %s", self._name, number, report.reason)
                del self._connections[number]
                self._cue(said.Closed(number, report.status))
                self._lost(number)
            case _:
                assert_never(report)

    def _received(self, number: int, text: str) -> None:
        assert self._desk is not None
        frame = codec.decode_daemon_down(text)
        match frame:
            case frames.Welcome():
                self._cue(said.Welcomed(number, frame.ping_s))
                _log.info("runtime=%s connection=%d online, epoch %d", self._name, number, frame.epoch)
            case frames.Replaced():
                self._cue(said.Replaced(number, frame.instance))
            case _:
                self._cue(said.Heard(number))
        try:
            self._desk.frame(frame)
        except DiskFull as full:
            _log.error("runtime=%s a %s could not be dealt with: %s", self._name, type(frame).__name__, full)
        except Exception:  # noqa: BLE001 - the loop is a shell
            # One frame that can't be dealt with must not end the others' sessions; the plane sends it again.
            _log.exception("runtime=%s a %s could not be dealt with", self._name, type(frame).__name__)

    # ---- what the link answers

    def _cue(self, cue: said.Cue) -> None:
        step = link.decide(self._state, cue, now=self.now(), die=random.random())
        self._state = step.state
        for output in step.outputs:
            self._do(output)

    def _do(self, output: said.Output) -> None:
        assert self._desk is not None
        match output:
            case said.Dial(number):
                _log.info("runtime=%s connection=%d dialing", self._name, number)
                self._connections[number] = self._dial(self._heard)
            case said.SayHello(number):
                self._say_hello(number)
            case said.SayGoodnight(number):
                _log.info("runtime=%s connection=%d the laptop goes to sleep", self._name, number)
                self._send_on(number, frames.RuntimeSleep(runtime_id=RuntimeId(self._name)))
            case said.Use(number):
                self._current = number
            case said.Close(number, why):
                _log.info("runtime=%s connection=%d closing: %s", self._name, number, why)
                if closing := self._connections.pop(number, None):
                    closing.close()
                self._lost(number)
            case said.Wait(seconds):
                _log.info("runtime=%s trying again in %.1f s", self._name, seconds)
            case said.GoOffline():
                self._current = None
                self._desk.disconnected()
                _log.warning("runtime=%s offline", self._name)
            case said.Stop():
                self._final = output.error()
                _log.info("runtime=%s stopping for good: %s", self._name, self._final.code)
            case _:
                assert_never(output)

    def _say_hello(self, number: int) -> None:
        """On the only connection hello is the desk's, which repeats it; beside another one it is said once."""
        assert self._desk is not None
        if self._current in (None, number):
            self._current = number
            self._desk.connected()
        else:
            self._send_on(number, self._desk.hello())

    def _send_on(self, number: int, frame: Struct) -> None:
        if number in self._connections:
            self._connections[number].send(codec.encode(frame).decode())

    def _lost(self, number: int) -> None:
        if self._current == number:
            assert self._desk is not None
            self._current = None
            self._desk.disconnected()
