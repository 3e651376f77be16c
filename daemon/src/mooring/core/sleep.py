"""Sleep: how a daemon tells from its clocks that the laptop slept.

Two clocks tell it exactly: one that stops while the laptop sleeps, and one that goes on and that nobody sets. Between
two readings they part by the sleep and by nothing else: not by a wall clock that was put right, not by a process that
was stopped. Where there is no such second clock the wall clock takes its place, and only what is far more than it is
usually put right by counts as a sleep.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SLEPT_S: Final = 5.0
"""A sleep of this length counts (seconds); a shorter one is no more to a connection than a slow network."""

SLEPT_BY_WALL_S: Final = 60.0
"""The same where only the wall clock tells it (seconds)."""


class Clocks(Struct, frozen=True, kw_only=True):
    """One reading of a laptop's clocks, in seconds.

    Attributes:
        awake: stops while the laptop sleeps.
        boot: goes on while it sleeps, and is never set; None on a system that has no such clock.
        wall: since 1970, UTC; anybody may set it.
    """

    awake: float
    boot: float | None
    wall: float

    @property
    def steady(self) -> float:
        """The clock that goes on while the laptop sleeps, set as rarely as there is one."""
        return self.wall if self.boot is None else self.boot


def slept_s(before: Clocks, after: Clocks) -> float:
    """How long the laptop slept between two readings (seconds); 0 = it did not."""
    is_exact = before.boot is not None and after.boot is not None
    slept = after.steady - before.steady - (after.awake - before.awake)
    return slept if slept >= (SLEPT_S if is_exact else SLEPT_BY_WALL_S) else 0.0
