"""Waiting: for what a condition tells, with a deadline; never for a time.

What a process says (an event, a frame, a line, its own end) is waited for as it comes. Only what nobody tells, such as
a folder that is gone, is looked at again and again.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long anything may take before a journey calls it missing (seconds)."""

LOOK_S = 0.03
"""Between two looks at what nobody tells (seconds)."""


def eventually(what: str, look: Callable[[], T | None], timeout_s: float = PATIENCE_S) -> T:
    """Looks until there is something.

    Raises:
        AssertionError: there was nothing (None or False) for ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        time.sleep(LOOK_S)
    return found


def until_ended(pid: int, timeout_s: float = PATIENCE_S) -> None:
    """Waits for the end of a process that is nobody's child here.

    Raises:
        AssertionError: it still ran after ``timeout_s`` seconds.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], timeout_s)[0], f"process {pid} still runs after {timeout_s:g} s"
    finally:
        os.close(handle)


class Board:
    """What a thread that reads along has seen so far, for others to wait for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.is_over = False

    def wait(self, what: str, look: Callable[[], T | None], timeout_s: float = PATIENCE_S) -> T:
        """Waits until ``look`` finds something; it is called with the board held still.

        Raises:
            AssertionError: nothing within ``timeout_s`` seconds, or the reader came to its end before.
        """
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while not (found := look()):
                assert not self.is_over, f"{what}: the stream ended before"
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"{what}: not within {timeout_s:g} s"
                self.changed.wait(left_s)
            return found

    def over(self) -> None:
        """Nothing more will come."""
        with self.changed:
            self.is_over = True
            self.changed.notify_all()
