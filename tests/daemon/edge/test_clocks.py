"""This machine's clocks are the right ones."""

from __future__ import annotations

import time
from pathlib import Path

from mooring.core.sleep import slept_s
from mooring.edge.clocks import read_clocks


def test_clocks_are_read_and_tell_of_no_sleep_while_there_is_none() -> None:
    """Catches a clock that does not go on in sleep: Linux says itself how long it has been up, sleep included."""
    before, wall = read_clocks(), time.time()
    after = read_clocks()
    assert slept_s(before, after) == 0.0
    assert before.wall <= wall <= after.wall
    uptime = Path("/proc/uptime")
    if uptime.exists() and before.boot is not None:
        assert abs(float(uptime.read_text().split()[0]) - before.boot) < 60
