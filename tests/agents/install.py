"""`python -m tests.agents.install`: the real agents, pinned by ``package-lock.json``, into the checkout's ``.agents/``.

No package's own script is run. What is installed already, by the same lock, stays.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
PLACE: Final = ROOT / ".agents"
PINS: Final = ("package.json", "package-lock.json", ".npmrc")

_STAMP: Final = PLACE / "installed"


class InstallError(Exception):
    """The agents are not there; the sentence says why."""


def install() -> None:
    """Makes sure that the agents are there.

    Raises:
        InstallError: they could not be had.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise InstallError(f"The pinned agents are for Linux on x86-64; this is {sys.platform} {platform.machine()}.")
    if is_installed():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is not on the PATH; it comes with Node.js 20 or newer.")
    PLACE.mkdir(exist_ok=True)
    (PLACE / ".gitignore").write_text("*\n")
    for name in PINS:
        shutil.copyfile(HERE / name, PLACE / name)
    # Not `npm ci`: it refuses a lock made where a registry does not offer the packages of every other platform.
    command = [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=PLACE, stdout=sys.stderr, check=False)
    if done.returncode:
        raise InstallError(f"npm ended with {done.returncode}; what it said is above.")
    _STAMP.write_text(_pinned())


def is_installed() -> bool:
    """Whether what is there is what the lock names."""
    return _STAMP.is_file() and _STAMP.read_text() == _pinned()


def _pinned() -> str:
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINS)).hexdigest()


if __name__ == "__main__":
    try:
        install()
    except InstallError as exc:
        sys.exit(f"The agents could not be installed: {exc}")
