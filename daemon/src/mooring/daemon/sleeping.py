"""Sleeping: what the system says of its sleep goes to the loop, and that turns run goes to the system."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from ..edge.power import NoPower, Power, power_here


class Sleeper(Protocol):
    """Who is told; see ``DaemonLoop``."""

    def suspend(self, said_goodnight: Callable[[], None]) -> None:
        """The laptop is about to sleep."""

    def resume(self) -> None:
        """The laptop has woken up."""


class Sleeping:
    """Between the system and the loop.

    Args:
        keeps_awake: whether the laptop is kept from falling asleep by itself while a turn runs.
        find: finds what the system offers.
    """

    def __init__(
        self, keeps_awake: bool, find: Callable[[Callable[[bool], None]], Awaitable[Power]] = power_here
    ) -> None:
        self._keeps_awake, self._find = keeps_awake, find
        self._power: Power = NoPower()
        self._is_busy = False

    def busy(self, is_busy: bool) -> None:
        """Whether a turn runs."""
        self._is_busy = is_busy
        if self._keeps_awake:
            self._power.keep_awake(is_busy)

    @contextlib.asynccontextmanager
    async def beside(self, sleeper: Sleeper) -> AsyncIterator[None]:
        """Listens while the block runs. Nobody waits for a system that is slow to answer."""
        finding = asyncio.create_task(self._begin(sleeper))
        try:
            yield
        finally:
            await finding
            self._power.close()

    async def _begin(self, sleeper: Sleeper) -> None:
        def hear(sleeps: bool) -> None:
            if sleeps:
                sleeper.suspend(lambda: self._power.said_goodnight())
            else:
                sleeper.resume()

        self._power = await self._find(hear)
        self.busy(self._is_busy)
