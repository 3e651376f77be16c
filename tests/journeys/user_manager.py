"""A user's service manager as far as `moor` speaks to it: `systemctl --user`, for machines that run none.

It starts what a unit's ``ExecStart`` says with the environment of that unit, keeps its pid in a file, and ends it. It
is run as a program, with the folder of the units in ``XDG_CONFIG_HOME`` and this file's interpreter.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

_OWN = {name: value for name, value in os.environ.items() if name in ("HOME", "USER", "LANG", "MOORING_JOURNEYS")}
"""What a manager has itself: nothing of the shell in which somebody starts a service."""

UNITS = Path(os.environ.get("XDG_CONFIG_HOME", "")) / "systemd" / "user"


def install(folder: Path) -> None:
    """Makes this module the ``systemctl`` of whoever has ``folder`` on the PATH."""
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    program.chmod(0o755)


def main(arguments: list[str]) -> int:
    """One call of ``systemctl --user VERB [--now] [UNIT] …``."""
    verb, *rest = [one for one in arguments if not one.startswith("--")]
    unit = UNITS / rest[0] if rest else UNITS
    match verb:
        case "show":
            print(_shown(unit))
        case "start":
            _start(unit)
        case "restart":
            _stop(unit)
            _start(unit)
        case "stop" | "disable":
            _stop(unit)
    return 0


def _shown(unit: Path) -> str:
    pid = _pid(unit)
    facts = {
        "LoadState": "loaded" if unit.is_file() else "not-found",
        "UnitFileState": "enabled" if unit.is_file() else "",
        "ActiveState": "active" if pid else "inactive",
        "MainPID": pid,
        "ExecMainCode": 0,
        "ExecMainStatus": 0,
    }
    return "\n".join(f"{name}={value}" for name, value in facts.items())


def _start(unit: Path) -> None:
    if _pid(unit):
        return
    said = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line)
    [variable] = shlex.split(said["Environment"])
    name, value = variable.split("=", 1)
    with open(os.devnull, "r+b") as nothing:
        started = subprocess.Popen(
            shlex.split(said["ExecStart"].lstrip(":")),
            env={**_OWN, name: value},
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
    unit.with_suffix(".pid").write_text(str(started.pid))


def _stop(unit: Path) -> None:
    pid = _pid(unit)
    if pid:
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        select.select([handle], [], [])
        os.close(handle)
    unit.with_suffix(".pid").unlink(missing_ok=True)


def _pid(unit: Path) -> int:
    """Of the unit's process, 0 = it does not run."""
    try:
        pid = int(unit.with_suffix(".pid").read_text())
        handle = os.pidfd_open(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    has_ended = bool(select.select([handle], [], [], 0)[0])
    os.close(handle)
    return 0 if has_ended else pid


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
