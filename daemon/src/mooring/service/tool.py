"""Runs a service manager's own command, and turns what it says into errors of ours."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Final

from ..errors import MoorError

TIMEOUT_S: Final = 60.0
"""Of one call (seconds). Stopping waits for the daemon, ``STOP_S`` at most."""

INSTEAD: Final = "Run `moor daemon` yourself, or have another supervisor run it."
"""What to do without a service."""


@dataclass(frozen=True)
class Answer:
    """What the command said. ``status`` is its exit status."""

    status: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its first complaint."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[0].strip() if lines else f"it ended with {self.status}"


def call(*command: str, env: dict[str, str] | None = None) -> Answer:
    """Runs a command to its end.

    Args:
        command: a program on PATH and its arguments.
        env: variables besides this process's own.

    Raises:
        MoorError: ``service_unavailable``: it is not there or can't be run; ``service_failed``: it does not end.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as exc:
        raise MoorError("service_failed", f"`{command[0]}` has not answered for {TIMEOUT_S:.0f} s.") from exc
    except OSError as exc:
        why = f"There is no service manager here: `{command[0]}` can't be run ({exc.strerror or exc}). {INSTEAD}"
        raise MoorError("service_unavailable", why) from exc
    return Answer(done.returncode, *(text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)))


def must(*command: str, env: dict[str, str] | None = None) -> Answer:
    """Runs a command that has to work.

    Raises:
        MoorError: ``service_failed``: it said no; and what ``call`` raises.
    """
    answer = call(*command, env=env)
    if answer.status:
        raise MoorError("service_failed", f"`{' '.join(command)}` failed: {answer.reason}")
    return answer
