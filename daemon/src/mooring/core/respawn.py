"""Respawn: how often an agent that dies while it starts is started again.

Each turn starts one agent at most. But many turns may wait, and an agent that can't start fails them all, one process
after the other; so after a few deaths in a row it rests, and turns fail at once with what it died of.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

MAX_DEATHS: Final = 3
"""So many starts in a row may fail within ``WINDOW_S``."""

WINDOW_S: Final = 60.0


class Respawn(Struct, frozen=True):
    """The starts of one session's agent that have failed in a row; ``deaths`` in seconds, the newest last."""

    deaths: tuple[float, ...] = ()
    why: str = ""

    def died(self, now: float, why: str) -> Respawn:
        """After one more failed start, and what it died of."""
        return Respawn((*self.deaths, now)[-MAX_DEATHS:], why)

    def rest_s(self, now: float) -> float:
        """How long it is not to be started (seconds); 0 = it may be."""
        if len(self.deaths) < MAX_DEATHS:
            return 0.0
        return max(0.0, self.deaths[0] + WINDOW_S - now)
