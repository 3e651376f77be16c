"""How much memory this process has held at most so far."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def peak_mb() -> float:
    """Megabytes (10^6 bytes) of resident memory, the most so far."""
    if _STATUS.exists():
        # Linux's ru_maxrss would not do: a new program takes over the peak of the process that started it.
        found = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS tells bytes, the others kilobytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
