"""This laptop's clocks: which of them stop while it sleeps is another matter on every system.

Sources: clock_gettime(2) of Linux; clock_gettime(3) of macOS, whose ``CLOCK_MONOTONIC_RAW`` goes on in sleep while
Python's ``time.monotonic`` (``mach_absolute_time``) stops; QueryUnbiasedInterruptTime of Windows, which stops while
Python's ``time.monotonic`` goes on.
"""

from __future__ import annotations

import sys
import time

from ..core.sleep import Clocks

if sys.platform == "win32":
    import ctypes

    def _awake() -> float:
        ticks = ctypes.c_ulonglong()
        ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(ticks))
        return ticks.value / 10_000_000.0

    def _boot() -> float | None:
        return time.monotonic()

else:
    _BOOT: int | None = getattr(time, "CLOCK_MONOTONIC_RAW" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None)

    def _awake() -> float:
        return time.monotonic()

    def _boot() -> float | None:
        return None if _BOOT is None else time.clock_gettime(_BOOT)


def read_clocks() -> Clocks:
    """What the clocks say now."""
    return Clocks(awake=_awake(), boot=_boot(), wall=time.time())
