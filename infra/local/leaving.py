"""A signal to leave, as something to wait for."""

from __future__ import annotations

import os
import select
import signal


class Leaving:
    """Says when the process was told to leave. To be made in the main thread.

    It is no `threading.Event`: that holds a lock for moments of its own `wait`, and a signal's handler that came in
    such a moment would wait for the very code that it interrupted, for ever. A pipe has no such moment.

    Args:
        signals: Which signals tell it.
    """

    def __init__(self, signals: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self._reads, self._writes = os.pipe()
        for number in signals:
            signal.signal(number, lambda *_: self.tell())

    def tell(self) -> None:
        """Tell it. Every telling ends one wait."""
        os.write(self._writes, b"!")

    def wait(self, timeout_s: float) -> bool:
        """True as soon as it was told, False after so many seconds without."""
        told, _, _ = select.select([self._reads], [], [], timeout_s)
        return bool(told) and os.read(self._reads, 1) == b"!"
