"""What a service runs, what can be done with it, and what is known about it: the same words on every platform."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ..errors import EXIT_NOT_SET_UP, EXIT_REFUSED, EXIT_TAKEN_OVER, MoorError

FINAL: Final = (EXIT_NOT_SET_UP, EXIT_TAKEN_OVER, EXIT_REFUSED)
"""After these statuses a restart could only repeat the same answer, or fight over the runtime."""

_UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

STOP_S: Final = 30
"""How long a stopping daemon gets before it is killed (seconds). It gives its turns 5 s to be cancelled, its agents
10 s to end and 5 s more to be gone, and the plane 3 s to hear of it; and a busy laptop is slow."""


@dataclass(frozen=True)
class ServiceSpec:
    """One daemon to be kept running.

    Attributes:
        profile: whose daemon it is; "" is the one without a profile.
        home: the daemon's, as one of the command's words.
        command: the program with its full path, and its arguments.
        path: the ``PATH`` on which the daemon looks for agents.

    Raises:
        MoorError: ``service_unsupported``: something in it can be written in no service's file.
    """

    profile: str
    home: str
    command: tuple[str, ...]
    path: str

    def __post_init__(self) -> None:
        for text in (self.profile, self.path, *self.command):
            if not _is_writable(text):
                why = f"{text!r} holds a character that a service can't be given. Install Mooring in another folder."
                raise MoorError("service_unsupported", why)


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is doing.

    Attributes:
        name: as the platform's own tools call it.
        installed: whether it is registered.
        enabled: whether it starts at login.
        running: whether its daemon runs.
        pid: of its daemon; None = it does not run, or the platform does not tell.
        last_exit: the status with which its daemon ended last, below 0 the signal that ended it; None = it never did,
            or nobody knows.
        trouble: why the service manager can't be asked, or that it has another home's service of this name.
    """

    name: str
    installed: bool
    enabled: bool = False
    running: bool = False
    pid: int | None = None
    last_exit: int | None = None
    trouble: str | None = None


class Service(Protocol):
    """A daemon in the hands of the platform's service manager. Every method may be called again.

    All raise MoorError: ``service_unavailable`` (nobody here can keep a daemon running), ``service_masked`` or
    ``service_failed`` (the manager said no), ``service_taken`` (its name is that of another home's service); those that
    need it installed, ``service_not_installed``.
    """

    @property
    def hints(self) -> tuple[str, ...]:
        """What its owner may want to know after an install."""

    def install(self) -> None:
        """Registers it, and runs it now and at each login. One that runs an older definition is restarted."""

    def uninstall(self) -> None:
        """Stops it and removes all of it, even its file where no service manager can be asked. Another home's stays."""

    def start(self) -> None:
        """Runs it, if it does not run."""

    def stop(self) -> None:
        """Ends it, if it runs."""

    def restart(self) -> None:
        """Ends it, if it runs, and runs it."""

    def status(self) -> ServiceStatus:
        """How it is doing. Never raises because of a service manager that can't be asked."""

    def is_current(self) -> bool:
        """Whether what is registered is what ``install`` would register now."""


def spec_here(home: Path, profile: str = "", env: Mapping[str, str] | None = None) -> ServiceSpec:
    """The service of a home, run by the Python that runs now.

    Args:
        home: the daemon's whole home, its profile's.
        profile: the name of the profile; "" = none.
        env: gives ``PATH``; None = this process's.

    Raises:
        MoorError: ``service_unsupported``.
    """
    given = os.environ if env is None else env
    python = [sys.executable, "-m", "mooring", "daemon", "--service", str(home)]
    if sys.platform == "win32":
        # This one opens no window, and has no standard output either: JSON is what may be printed into nothing.
        python = [str(Path(sys.executable).with_name("pythonw.exe")), *python[1:], "--json"]
    # A relative entry would mean another folder there.
    entries = [one for one in given.get("PATH", os.defpath).split(os.pathsep) if _is_entry(one)]
    return ServiceSpec(
        profile=profile, home=str(home), command=tuple(python), path=os.pathsep.join(dict.fromkeys(entries))
    )


def taken(name: str) -> MoorError:
    """The error of a name that another home's service has: a home that was moved, or ``MOOR_HOME`` for a trial."""
    why = f"{name} runs the daemon of another home. Uninstall it with that home, or give this one another --profile."
    return MoorError("service_taken", why)


def not_installed() -> MoorError:
    """The error of what needs an installed service."""
    return MoorError("service_not_installed", "The service is not installed. Run `moor service install`.")


def _is_entry(text: str) -> bool:
    return os.path.isabs(text) and _is_writable(text)


def _is_writable(text: str) -> bool:
    """Whether it is text that a unit, a property list and XML can hold."""
    return not _UNWRITABLE.search(text)
