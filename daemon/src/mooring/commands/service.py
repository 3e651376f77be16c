"""``moor service``: the daemon as a service of this user's login, started again after a crash."""

from __future__ import annotations

import argparse
from typing import Any, Final

from ..edge.creds import Paths, paths, read_credentials
from ..edge.lock import read_holder
from ..errors import MoorError
from ..service import Service, ServiceStatus, manager, spec_here
from .result import EXIT_FAILED, EXIT_OK, Result, Screen
from .verbs import Verbs

_MEANINGS: Final = {
    0: "it was stopped",
    3: "the laptop is not set up; run `moor setup`",
    4: "another daemon took over; run `moor daemon --take-over` to take it back",
    5: "the plane refuses this laptop's token; run `moor setup`",
}


def add(verbs: Verbs) -> None:
    """Adds ``moor service`` and its verbs."""
    group = verbs.group("service", "Keep the daemon running in the background, from login on.")
    group.add("install", "Install the service and start it; repairs one that is there.", _install)
    group.add("uninstall", "Stop the service and remove it.", _uninstall)
    group.add("start", "Start the installed service.", _start)
    group.add("stop", "Stop the service, until it is started or you log in again.", _stop)
    group.add("restart", "Stop the service and start it again.", _restart)
    group.add("status", "Show whether it is installed and runs.", _status)


def service_of(where: Paths) -> Service:
    """The service of a home. Raises MoorError ``service_unsupported``."""
    return manager(spec_here(where.home, where.profile))


def check_alone(where: Paths, service: Service) -> None:
    """Makes sure that a service's daemon would be the only one of its home.

    Raises:
        MoorError: ``daemon_running``: one runs that the service has not started.
    """
    status = service.status()
    pid = _outside(where, status)
    if pid is not None and status.trouble is None:  # Else nothing comes of the service anyway, and that is told.
        why = f"A daemon (pid {pid}) runs outside the service, and there can be only one. Stop it first."
        raise MoorError("daemon_running", why)


def _install(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    read_credentials(where)  # Without them the daemon would end at once.
    service = service_of(where)
    check_alone(where, service)
    service.install()
    return _told(where, service, f"Installed and started {service.status().name}.", *service.hints)


def _uninstall(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    service = service_of(where)
    before = service.status()
    service.uninstall()
    return _told(where, service, f"Removed {before.name}." if before.installed else "No service is installed.")


def _start(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    service = service_of(where)
    check_alone(where, service)
    service.start()
    return _told(where, service, f"Started {service.status().name}.")


def _stop(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    service = service_of(where)
    service.stop()
    return _told(where, service, f"Stopped {service.status().name}.")


def _restart(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    service = service_of(where)
    check_alone(where, service)
    service.restart()
    return _told(where, service, f"Restarted {service.status().name}.")


def _status(given: argparse.Namespace, screen: Screen) -> Result:
    where = paths()
    service = service_of(where)
    status = service.status()
    outside = _outside(where, status)
    lines = [f"service  {status.name}: {_installed(service, status)}", f"daemon   {_running(status)}"]
    if outside is not None:
        lines.append(f"outside  a daemon that the service has not started runs, pid {outside}")
    if status.trouble is not None:
        lines.append(status.trouble)
    return Result(EXIT_OK if status.running else EXIT_FAILED, lines, _data(where, service, status))


def _told(where: Paths, service: Service, *lines: str) -> Result:
    return Result(EXIT_OK, lines, _data(where, service, service.status()))


def _data(where: Paths, service: Service, status: ServiceStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "home": str(where.home),
        "installed": status.installed,
        "current": status.installed and service.is_current(),
        "enabled": status.enabled,
        "running": status.running,
        "pid": status.pid,
        "last_exit": status.last_exit,
        "outside_pid": _outside(where, status),
        "trouble": status.trouble,
    }


def _outside(where: Paths, status: ServiceStatus) -> int | None:
    """The pid of a daemon that holds the home and is not the service's; where no pid is told, it is if that runs."""
    holder = read_holder(where.lock)
    is_its_own = status.running and status.pid in (holder, None)
    return None if is_its_own else holder


def _installed(service: Service, status: ServiceStatus) -> str:
    if not status.installed:
        return "not installed" if status.trouble else "not installed; run `moor service install`"
    starts = "starts at login" if status.enabled else "does not start at login"
    is_old = "" if service.is_current() else "; it would be installed otherwise now: run `moor service install`"
    return f"installed, {starts}{is_old}"


def _running(status: ServiceStatus) -> str:
    if status.running:
        return f"runs, pid {status.pid}" if status.pid is not None else "runs"
    if status.last_exit is None:
        return "does not run"
    if status.last_exit < 0:
        return f"does not run; was ended by signal {-status.last_exit}"
    meaning = _MEANINGS.get(status.last_exit, "`moor logs` may say why")
    return f"does not run; ended with status {status.last_exit}: {meaning}"
