"""systemd: a unit of the user's own manager, ``mooring.service`` or ``mooring-PROFILE.service``.

The unit names no home variable and no secret: the daemon is told its home, and reads ``service.env`` there by itself.
It waits for no network either, since the user's manager has no target for that, and the daemon dials until it gets
through.

``KillMode=mixed`` tells only the daemon to stop, so that it ends its agents and reports their turns; what is left of
them when it has gone is killed. ``OOMPolicy=continue`` keeps the daemon when the kernel kills an agent for its memory.

There is no sandboxing: agents work in their owner's folders with their owner's rights, and some of what they run needs
``sudo`` or another setuid program, which ``NoNewPrivileges`` would break.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..errors import MoorError
from .spec import FINAL, STOP_S, ServiceSpec, ServiceStatus, not_installed, taken
from .tool import INSTEAD, Answer, call, must
from .unit_file import put

RESTART_S: Final = 10
"""The pause before the first restart (seconds). systemd 254 makes it longer with each, up to ``RESTART_MAX_S``; older
ones say in the journal that they do not know how, and keep to it. Neither ever gives up."""

RESTART_MAX_S: Final = 300
_STEPS: Final = 6

_PROPERTIES: Final = "LoadState,UnitFileState,ActiveState,MainPID,ExecMainCode,ExecMainStatus"
_PLAIN: Final = {"LC_ALL": "C"}
_RUNNING: Final = ("active", "activating", "reloading")


def unit_name(profile: str) -> str:
    """What systemd calls the service."""
    return f"mooring-{profile}.service" if profile else "mooring.service"


def render(spec: ServiceSpec) -> str:
    """The unit file. Source: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5).

    Raises:
        MoorError: ``service_unsupported``: systemd runs no program of that path, however it is quoted.
    """
    if set("\"'\\") & set(spec.command[0]):
        why = f"systemd can't run {spec.command[0]}, for the quote or backslash in it."
        raise MoorError("service_unsupported", f"{why} Install Mooring in another folder.")
    # The colon keeps systemd from putting variables in place of a `$`.
    command = ":" + " ".join(map(quote, spec.command))
    return f"""\
# Written by `moor service install`, which replaces it whole. `systemctl --user edit` keeps changes of yours.
[Unit]
Description=Mooring daemon{f" ({spec.profile})" if spec.profile else ""}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
Environment={quote(f"PATH={spec.path}")}
Restart=on-failure
RestartPreventExitStatus={" ".join(map(str, FINAL))}
RestartSec={RESTART_S}
RestartSteps={_STEPS}
RestartMaxDelaySec={RESTART_MAX_S}
KillMode=mixed
TimeoutStopSec={STOP_S}
OOMPolicy=continue

[Install]
WantedBy=default.target
"""


def quote(text: str) -> str:
    """One word of a unit's line: in quotes, C-escaped, without specifiers. Source: systemd.syntax(7), "Quoting"."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


class Systemd:
    """The service under ``systemd --user``; see ``Service`` for the methods."""

    hints = ("It runs while you are logged in; `loginctl enable-linger` lets it run on after you have logged out.",)

    def __init__(self, spec: ServiceSpec) -> None:
        self._spec = spec
        self._unit = unit_name(spec.profile)
        folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self._file = Path(folder) / "systemd" / "user" / self._unit

    def install(self) -> None:
        """See ``Service``."""
        known = self._ask()
        if known["LoadState"] == "masked":
            why = f"{self._unit} is masked: somebody does not want it to run."
            raise MoorError("service_masked", f"{why} `systemctl --user unmask {self._unit}` takes that back.")
        self._must_be_ours()
        is_older = not self.is_current()
        if is_older:
            put(self._file, render(self._spec).encode())
        _systemctl("daemon-reload")
        _systemctl("enable", self._unit)
        _systemctl("restart" if is_older else "start", self._unit)

    def uninstall(self) -> None:
        """See ``Service``."""
        try:
            self._ask()
        except MoorError as exc:
            if exc.code != "service_unavailable":
                raise
            self._remove()
            return
        if self._is_installed():
            _systemctl("disable", "--now", self._unit)
            self._remove()
            _systemctl("daemon-reload")
            call("systemctl", "--user", "reset-failed", self._unit)  # It complains if nothing had failed.

    def start(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        _systemctl("start", self._unit)

    def stop(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        _systemctl("stop", self._unit)

    def restart(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        _systemctl("restart", self._unit)

    def status(self) -> ServiceStatus:
        """See ``Service``."""
        try:
            self._must_be_ours()
            known = self._ask()
        except MoorError as exc:
            return ServiceStatus(self._unit, self._is_installed(), trouble=exc.message)
        pid = int(known["MainPID"])
        return ServiceStatus(
            self._unit,
            installed=self._is_installed(),
            enabled=known["UnitFileState"] in ("enabled", "enabled-runtime", "linked"),
            running=known["ActiveState"] in _RUNNING and pid > 0,
            pid=pid or None,
            last_exit=_last_exit(known["ExecMainCode"], int(known["ExecMainStatus"])),
        )

    def is_current(self) -> bool:
        """See ``Service``."""
        return self._is_installed() and self._file.read_bytes() == render(self._spec).encode()

    def _is_installed(self) -> bool:
        return self._file.is_file() and self._is_ours()

    def _is_ours(self) -> bool:
        lines = self._file.read_text("utf-8", "replace").splitlines()
        commands = [line for line in lines if line.startswith("ExecStart=")]
        return not commands or any(quote(self._spec.home) in line for line in commands)

    def _must_be_ours(self) -> None:
        if self._file.is_file() and not self._is_ours():
            raise taken(self._unit)

    def _must_be_installed(self) -> None:
        self._ask()
        self._must_be_ours()
        if not self._is_installed():
            raise not_installed()

    def _remove(self) -> None:
        if self._is_installed():  # A link to /dev/null in its place says that the unit is masked.
            self._file.unlink()
            (self._file.parent / "default.target.wants" / self._unit).unlink(missing_ok=True)

    def _ask(self) -> dict[str, str]:
        """What the user's manager knows of the unit; with it, that there is one."""
        answer = call("systemctl", "--user", "show", self._unit, f"--property={_PROPERTIES}", env=_PLAIN)
        known = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
        if answer.status or not known.keys() >= set(_PROPERTIES.split(",")):
            raise _unavailable(answer)
        return known


def _last_exit(code: str, status: int) -> int | None:
    """The status, by how the process ended. Source: waitid(2), ``si_code``."""
    match code:
        case "1":  # CLD_EXITED
            return status
        case "2" | "3":  # CLD_KILLED, CLD_DUMPED
            return -status
    return None


def _unavailable(answer: Answer) -> MoorError:
    why = f"systemd does not run services for you here: {answer.reason.rstrip('.')}. {INSTEAD}"
    return MoorError("service_unavailable", why)


def _systemctl(*arguments: str) -> None:
    must("systemctl", "--user", *arguments, env=_PLAIN)
