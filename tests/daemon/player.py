"""`python player.py FILE`: plays an agent from the record of one, line by line.

What the record has the agent say is said; what it has the client say is waited for, and must come: the same requests
and notifications in the same order, and to the agent's own requests the same answers.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(file: str) -> int:
    """Plays. Returns an exit status."""
    ids: dict[object, object] = {}
    with open(file, encoding="utf-8") as record:
        for line in record:
            ((way, message),) = json.loads(line).items()
            if way == "<":
                say(message, ids)
            elif difference := hear(message, ids):
                sys.stderr.write(f"{difference}\n")
                return 1
    # The client says when it is over.
    sys.stdin.read()
    return 0


def say(message: dict[str, Any], ids: dict[object, object]) -> None:
    """Says what the agent said, under the id that a request has this time."""
    if "method" not in message:
        message = {**message, "id": ids[message["id"]]}
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear(expected: dict[str, Any], ids: dict[object, object]) -> str | None:
    """Waits for what the client said. Returns what is different this time, or None."""
    line = sys.stdin.readline()
    if not line:
        return f"The client should say {json.dumps(expected)}, and has gone."
    heard = json.loads(line)
    if "method" in expected and "id" in expected:
        ids[expected["id"]] = heard.get("id")
    alike = ("method",) if "method" in expected else ("id", "result", "error")
    if any(heard.get(key) != expected.get(key) for key in alike):
        return f"The client should say {json.dumps(expected)}, and says {line.strip()}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
