"""The platform's service manager: starts the daemon at login and again after a crash.

Each platform has a module with a pure function that renders what its manager reads, and a thin class that runs the
manager's own command. Nothing here asks for rights that its user does not have.
"""

from __future__ import annotations

import sys

from .launchd import Launchd
from .scheduled_task import ScheduledTask
from .spec import Service as Service
from .spec import ServiceSpec as ServiceSpec
from .spec import ServiceStatus as ServiceStatus
from .spec import spec_here as spec_here
from .systemd import Systemd


def manager(spec: ServiceSpec, platform: str = sys.platform) -> Service:
    """The service on this platform; nothing is asked or written yet.

    Args:
        spec: what it runs.
        platform: as ``sys.platform`` names it.
    """
    match platform:
        case "darwin":
            return Launchd(spec)
        case "win32":
            return ScheduledTask(spec)
    return Systemd(spec)
