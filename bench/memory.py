"""How much memory this process has held at most so far."""

from __future__ import annotations

import resource
import sys


def peak_mb() -> float:
    """Megabytes (10^6 bytes) of resident memory, the most so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux tells kilobytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
