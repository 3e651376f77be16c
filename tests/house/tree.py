"""The checkout under test, for the tests about the house itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIRE = ROOT / "chalicelib" / "wire"
DAEMON = ROOT / "daemon"
WIRE_LINK = DAEMON / "src" / "mooring" / "wire"


def modules(*folders: str) -> list[Path]:
    """Return every Python file under the given folders of the checkout, each file once: the wire's link is left out."""
    found = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
    return sorted(path for path in found if WIRE_LINK not in path.parents)


def canonical(distribution: str) -> str:
    """Return a distribution's name as the package index spells it. Source: PEP 503, "Normalized Names"."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        env: Variables to set besides the inherited ones.

    Raises:
        AssertionError: It ended with another status than 0; the message holds all it said.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(*arguments: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run this environment's Python as `run` does."""
    return run(sys.executable, *arguments, cwd=cwd, env=env)
