"""Power: how this laptop's system is kept awake during a turn, and what it tells of its sleep, where it does either.

Only falling asleep by itself is held up, never a closed lid or somebody's order.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final, Protocol

_log = logging.getLogger("mooring.power")

CAFFEINATE: Final = ("/usr/bin/caffeinate", "-i", "-w")
"""macOS: no idle sleep while the process lives whose number follows. Source: caffeinate(8)."""

_ES_CONTINUOUS: Final = 0x80000000
_ES_SYSTEM_REQUIRED: Final = 0x00000001
"""Source: SetThreadExecutionState, Windows' winbase.h."""


class Power(Protocol):
    """What a system offers. To be used on the loop only; nothing here blocks or raises."""

    def keep_awake(self, wanted: bool) -> None:
        """Keeps the laptop from falling asleep by itself, or no longer. A repeat changes nothing."""

    def said_goodnight(self) -> None:
        """The system need not wait any longer with its sleep."""

    def close(self) -> None:
        """Lets go of everything."""


class NoPower:
    """A system that offers nothing."""

    def keep_awake(self, wanted: bool) -> None:
        """See ``Power``."""

    def said_goodnight(self) -> None:
        """See ``Power``."""

    def close(self) -> None:
        """See ``Power``."""


class Caffeinate(NoPower):
    """macOS. ``command`` is followed by our own process's number, with which it ends at the latest."""

    def __init__(self, command: tuple[str, ...] = CAFFEINATE) -> None:
        self._command = command
        self._running: subprocess.Popen[bytes] | None = None

    def keep_awake(self, wanted: bool) -> None:
        """See ``Power``."""
        if wanted and self._running is None:
            null = subprocess.DEVNULL
            try:
                self._running = subprocess.Popen(
                    [*self._command, str(os.getpid())], stdin=null, stdout=null, stderr=null
                )
            except OSError as exc:
                _log.warning("the laptop may fall asleep during a turn: %s", exc)
        elif not wanted and self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def close(self) -> None:
        """See ``Power``."""
        self.keep_awake(False)


class ExecutionState(NoPower):
    """Windows: a wish that lasts until it is taken back or the thread ends. ``state`` is the system's function."""

    def __init__(self, state: Callable[[int], object]) -> None:
        self._state = state

    def keep_awake(self, wanted: bool) -> None:
        """See ``Power``."""
        self._state(_ES_CONTINUOUS | (_ES_SYSTEM_REQUIRED if wanted else 0))

    def close(self) -> None:
        """See ``Power``."""
        self.keep_awake(False)


async def power_here(hear: Callable[[bool], None]) -> Power:
    """What this system offers. ``hear`` is told True when it is about to sleep, False when it has woken."""
    if sys.platform == "linux":
        # Its library is installed on Linux only.
        from .logind import Logind

        return await Logind.find(hear) or NoPower()
    elif sys.platform == "darwin":
        return Caffeinate()
    elif sys.platform == "win32":
        import ctypes

        return ExecutionState(ctypes.windll.kernel32.SetThreadExecutionState)
    else:
        return NoPower()
