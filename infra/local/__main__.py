"""`python -m infra.local COMMAND …`: each command is a module of this package with a `main(argv) -> exit status`."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "up": "the plane on this machine, until SIGTERM",
    "run": "plane, daemon and an agent, one turn, and it stays up with its data kept",
    "demo": "the same for one turn, with nothing kept",
}


def main(argv: list[str]) -> int:
    """Run one command.

    Returns:
        Its exit status; 2 when there is no such command.
    """
    if not argv or argv[0] not in COMMANDS:
        lines = [f"  {name:<6} {promise}" for name, promise in COMMANDS.items()]
        sys.stderr.write("usage: python -m infra.local COMMAND …\n" + "\n".join(lines) + "\n")
        return 2
    status: int = importlib.import_module(f"infra.local.{argv[0]}").main(argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
