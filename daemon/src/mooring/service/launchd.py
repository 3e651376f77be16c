"""launchd: an agent of the user's login, ``dev.mooring.daemon`` or ``dev.mooring.daemon.PROFILE``.

launchd tells success from failure and nothing finer, so it starts a daemon again after the statuses that are final,
too. That does no harm: a daemon that was taken over asks its plane before it connects (see the mark ``taken-over``),
one that is not set up ends at once, one whose token is refused knocks once, and none of them comes more often than once
in ``THROTTLE_S``.

The property list names no standard error: the daemon keeps a log of its own, of bounded size.

Source: launchd.plist(5), launchctl(1).
"""

from __future__ import annotations

import os
import plistlib
import re
import time
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

from ..errors import MoorError
from .spec import STOP_S, ServiceSpec, ServiceStatus, not_installed, taken
from .tool import INSTEAD, call, must
from .unit_file import put

THROTTLE_S: Final = 60
"""Between two starts at least (seconds). A daemon that ran longer than this is started again at once."""

_NO_SUCH_SERVICE: Final = 113
_NO_SUCH_PROCESS: Final = 3
_LET_GO_S: Final = STOP_S + 5.0  # After `STOP_S` launchd kills it.
_PAUSE_S: Final = 0.2


def label(profile: str) -> str:
    """What launchd calls the service."""
    return f"dev.mooring.daemon.{profile}" if profile else "dev.mooring.daemon"


def render(spec: ServiceSpec) -> bytes:
    """The property list."""
    keys: dict[str, Any] = {
        "Label": label(spec.profile),
        "ProgramArguments": list(spec.command),
        "EnvironmentVariables": {"PATH": spec.path},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE_S,
        "ExitTimeOut": STOP_S,
        "ProcessType": "Interactive",  # Any other slows down what agents do for somebody who waits for it.
    }
    return plistlib.dumps(keys, sort_keys=False)


class Launchd:
    """The service under launchd; see ``Service`` for the methods.

    Args:
        spec: what it runs.
        uid: whose login; None = this process's user's.
    """

    hints = ("It runs while you are logged in.",)

    def __init__(self, spec: ServiceSpec, uid: int | None = None) -> None:
        self._spec = spec
        self._label = label(spec.profile)
        self._domain = f"gui/{os.getuid() if uid is None else uid}"
        self._target = f"{self._domain}/{self._label}"
        self._file = Path.home() / "Library" / "LaunchAgents" / f"{self._label}.plist"

    def install(self) -> None:
        """See ``Service``."""
        self._must_have_domain()
        self._must_be_ours()
        if not self.is_current():
            put(self._file, render(self._spec))
            self._boot_out()
        must("launchctl", "enable", self._target)
        self.start()

    def uninstall(self) -> None:
        """See ``Service``."""
        if not self._is_installed():
            return
        try:
            self._must_have_domain()
        except MoorError as exc:
            if exc.code != "service_unavailable":
                raise
        else:
            self._boot_out()
        self._file.unlink(missing_ok=True)

    def start(self) -> None:
        """See ``Service``."""
        self._must_be_installed()
        if self._print() is None:
            must("launchctl", "bootstrap", self._domain, str(self._file))  # It runs it at once.
        else:
            must("launchctl", "kickstart", self._target)

    def stop(self) -> None:
        """See ``Service``: it comes back at the next login, since what launchd has loaded it keeps alive."""
        self._must_be_installed()
        self._boot_out()

    def restart(self) -> None:
        """See ``Service``. ``kickstart -k`` would kill the daemon in the middle of its turns."""
        self.stop()
        self.start()

    def status(self) -> ServiceStatus:
        """See ``Service``."""
        is_installed = self._is_installed()
        try:
            self._must_be_ours()
            self._must_have_domain()
            told = self._print() or ""
            disabled = must("launchctl", "print-disabled", self._domain).out
        except MoorError as exc:
            return ServiceStatus(self._label, is_installed, trouble=exc.message)
        pid, last_exit = _number("pid = ", told), _number("last exit code = ", told)
        if (number := _number("last terminating signal = .*: ", told)) is not None:
            last_exit = -number
        is_off = re.search(rf'^\s*"{re.escape(self._label)}" => (?:disabled|true)\s*$', disabled, re.MULTILINE)
        return ServiceStatus(
            self._label,
            installed=is_installed,
            enabled=is_installed and not is_off,
            running=pid is not None,
            pid=pid,
            last_exit=last_exit,
        )

    def is_current(self) -> bool:
        """See ``Service``."""
        return self._is_installed() and self._file.read_bytes() == render(self._spec)

    def _is_installed(self) -> bool:
        return self._file.is_file() and self._is_ours()

    def _is_ours(self) -> bool:
        try:
            arguments = plistlib.loads(self._file.read_bytes()).get("ProgramArguments", [])
        except (ValueError, ExpatError):
            return True  # It is broken; whoever wrote it, nothing runs by it.
        return self._spec.home in arguments

    def _must_be_ours(self) -> None:
        if self._file.is_file() and not self._is_ours():
            raise taken(self._label)

    def _must_have_domain(self) -> None:
        answer = call("launchctl", "print", self._domain)
        if answer.status:
            why = f"launchd runs no services for you here, as in a login without a screen: {answer.reason}. {INSTEAD}"
            raise MoorError("service_unavailable", why)

    def _must_be_installed(self) -> None:
        self._must_have_domain()
        self._must_be_ours()
        if not self._is_installed():
            raise not_installed()

    def _print(self) -> str | None:
        """What launchd knows of the service; None = it has not loaded it."""
        answer = call("launchctl", "print", self._target)
        if answer.status == _NO_SUCH_SERVICE:
            return None
        if answer.status:
            raise MoorError("service_failed", f"`launchctl print {self._target}` failed: {answer.reason}")
        return answer.out

    def _boot_out(self) -> None:
        """Has launchd end and forget it, and waits: until then it would refuse to load it again, with error 5."""
        answer = call("launchctl", "bootout", self._target)
        if answer.status in (_NO_SUCH_PROCESS, _NO_SUCH_SERVICE):
            return
        until = time.monotonic() + _LET_GO_S
        while self._print() is not None:
            if time.monotonic() > until:
                raise MoorError("service_failed", f"launchd does not let go of {self._label}: {answer.reason}")
            time.sleep(_PAUSE_S)


def _number(name: str, told: str) -> int | None:
    """A number among the properties of the service itself, which stand at one tab."""
    found = re.search(rf"^\t{name}(\d+)", told, re.MULTILINE)
    return int(found.group(1)) if found else None
