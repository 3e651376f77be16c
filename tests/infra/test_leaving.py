"""Leaving: a signal is heard whenever it comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LEAVES_OFTEN = """
import random, signal
from infra.local.leaving import Leaving
leaving = Leaving((signal.SIGALRM,))
for _ in range(4000):
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1e-4))
    while not leaving.wait(2e-5):
        pass
print("heard", flush=True)
"""


def test_a_signal_is_heard_at_whatever_moment_of_the_wait_it_comes() -> None:
    """Catches a lock that both the wait and the signal's handler take: with a `threading.Event` this hangs at once."""
    ran = subprocess.run([sys.executable, "-c", LEAVES_OFTEN], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("heard\n", "")
