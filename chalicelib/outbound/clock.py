"""Clock: the system's time and chance."""

from __future__ import annotations

import secrets
import time


class Clock:
    """Time and chance."""

    def now(self) -> float:
        """Epoch seconds, UTC."""
        return time.time()

    def token(self, n_bytes: int) -> str:
        """``n_bytes`` of chance from the system, as lower-case hex."""
        return secrets.token_hex(n_bytes)

    def pause(self, seconds: float) -> None:
        """Waits: the jitter between two tries to commit."""
        time.sleep(seconds)
