"""`python -m tests.sdk.install`: the pinned SDKs, each into an environment of its own under the checkout's ``.sdks/``.

What is installed already, by the same lock, stays.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PLACE: Final = HERE.parents[1] / ".sdks"
SDKS: Final = ("newest", "oldest")


def python_of(sdk: str) -> Path:
    """The Python that has this SDK, installed if it was not."""
    home = PLACE / sdk
    python = home / "bin" / "python"
    lock = HERE / f"{sdk}.lock"
    stamp = home / "installed"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        PLACE.mkdir(exist_ok=True)
        (PLACE / ".gitignore").write_text("*\n")
        venv.create(home, clear=True, with_pip=True)
        pip: list[str | Path] = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", lock], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    for one in SDKS:
        python_of(one)
