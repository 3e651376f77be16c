"""`chunks`: 50,000 pieces of text from one agent through provider, transcript and desk, watched, and what that takes.

There is no plane: what the desk sends is acknowledged at once. None of the pieces may be lost or change places, neither
in the deltas nor in the whole event. The measure is the ACP library itself, which does nothing but hand the pieces
over, in the same run with the same agent. Each measurement is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

PIECES: Final = 50_000
ROOT: Final = Path(__file__).resolve().parents[1]
TIMEOUT_S: Final = 600.0


class ChunksLost(Exception):
    """Pieces were lost or changed places, or the measurement broke off."""


def measure(pieces: int = PIECES) -> dict[str, Any]:
    """Runs both. Raises ChunksLost."""
    ours = _run("bench.chunks_daemon", pieces)
    library = _run("bench.chunks_library", pieces)
    return {"pieces": pieces, "daemon": ours, "library": library, "share": ours["per_s"] / library["per_s"]}


def show(found: dict[str, Any]) -> str:
    """The figures as lines."""
    ours, library = found["daemon"], found["library"]
    return "\n".join(
        (
            f"  daemon   {found['pieces']:,} pieces in {ours['seconds']:.1f} s: {ours['per_s']:,.0f} a second,"
            f" {ours['deltas']} deltas, peak memory {ours['rss_before_mb']:.0f} -> {ours['rss_peak_mb']:.0f} MB",
            f"  library  {found['pieces']:,} pieces in {library['seconds']:.1f} s: {library['per_s']:,.0f} a second,"
            f" peak memory {library['rss_before_mb']:.0f} -> {library['rss_peak_mb']:.0f} MB",
            f"  the daemon reaches {found['share']:.0%} of the library's speed; nothing lost, nothing out of place",
        )
    )


def _run(module: str, pieces: int) -> dict[str, Any]:
    command = [sys.executable, "-m", module, str(pieces)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise ChunksLost(f"{module} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "per_s": pieces / found["seconds"]}
