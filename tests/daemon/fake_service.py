"""A service manager of the test's own: it keeps no process, and does to its state what it is asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mooring.errors import MoorError
from mooring.service import ServiceSpec, ServiceStatus


@dataclass
class FakeService:
    """See ``mooring.service.Service``. ``asked`` has what was asked of it.

    ``when_started`` is called at each start, ``when_ended`` at its removal.
    """

    installed: bool = False
    running: bool = False
    current: bool = True
    pid: int | None = None
    refuses: MoorError | None = None
    when_started: Callable[[], None] = lambda: None
    when_ended: Callable[[], None] = lambda: None
    asked: list[str] = field(default_factory=list)
    specs: list[ServiceSpec] = field(default_factory=list)
    hints: tuple[str, ...] = ("A hint.",)

    def manager(self, spec: ServiceSpec) -> FakeService:
        """In place of ``mooring.service.manager``."""
        self.specs.append(spec)
        return self

    def install(self) -> None:
        self.asked.append("install")
        if self.refuses is not None:
            raise self.refuses
        self.installed = self.running = True
        self.when_started()

    def uninstall(self) -> None:
        self.asked.append("uninstall")
        self.installed = self.running = False
        self.pid = None
        self.when_ended()

    def start(self) -> None:
        self.asked.append("start")
        self.running = True
        self.when_started()

    def stop(self) -> None:
        self.asked.append("stop")
        self.running = False

    def restart(self) -> None:
        self.asked.append("restart")
        self.when_started()

    def status(self) -> ServiceStatus:
        return ServiceStatus("mooring.service", self.installed, running=self.running, pid=self.pid)

    def is_current(self) -> bool:
        return self.installed and self.current
