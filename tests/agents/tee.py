"""`python tee.py FILE PROGRAM …`: runs an agent and writes down what is said both ways, a line of JSON for each line.

``{">": …}`` was said to the agent, ``{"<": …}`` by it, in the order in which both came by here. A line that is no JSON
is kept as a string. Needs the standard library only, since it stands where the agent's own program would.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import IO


class Tee:
    """Passes lines on, and writes them into ``kept``."""

    def __init__(self, kept: IO[str]) -> None:
        self._kept, self._lock = kept, threading.Lock()

    def pass_on(self, way: str, source: IO[bytes], target: IO[bytes]) -> None:
        """Passes lines on until one side ends. A line is kept before it is passed on, so that no answer precedes it."""
        try:
            for line in source:
                with self._lock:
                    self._kept.write(json.dumps({way: _read(line)}) + "\n")
                    self._kept.flush()
                target.write(line)
                target.flush()
            target.close()
        except BrokenPipeError:
            return


def main(file: str, command: list[str]) -> int:
    """Runs the agent. Returns its exit status."""
    with open(file, "a", encoding="utf-8") as kept:
        tee = Tee(kept)
        agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert agent.stdin is not None
        assert agent.stdout is not None
        threading.Thread(target=tee.pass_on, args=(">", sys.stdin.buffer, agent.stdin), daemon=True).start()
        tee.pass_on("<", agent.stdout, sys.stdout.buffer)
        status = agent.wait()
    return status if status >= 0 else 128 - status


def _read(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
