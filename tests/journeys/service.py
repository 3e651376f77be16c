"""A service manager: starts a daemon again whenever it has ended, as systemd and launchd do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from infra.local.stage import DaemonProcess, start_daemon

from .waiting import PATIENCE_S, Board

FINAL = frozenset({3, 4, 5})
"""What a unit names as ``RestartPreventExitStatus``: after these systemd does not start the daemon again."""


class Service:
    """Keeps a daemon running until it is stopped.

    Args:
        home: the daemon's.
        env: its environment.
        final: after which statuses it is left alone; launchd's ``KeepAlive`` knows none.

    Attributes:
        statuses: with which the daemon has ended so far.
    """

    def __init__(self, home: Path, env: Mapping[str, str], final: frozenset[int] = frozenset()) -> None:
        self.statuses: list[int] = []
        self.board = Board()
        self._home, self._env, self._final = home, env, final
        self._daemon: DaemonProcess | None = None
        self._is_leaving = False
        self._thread = threading.Thread(target=self._keep, name=f"service of {home.name}")
        self._thread.start()

    def until_over(self) -> None:
        """Waits until the daemon has ended and is not started again."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the service goes on"

    def stop(self) -> None:
        """Stops the daemon for good."""
        with self.board.changed:
            self._is_leaving = True
        if self._daemon is not None:
            self._daemon.stop()
        self._thread.join()

    def _keep(self) -> None:
        status: int | None = None
        while status not in self._final:
            with self.board.changed:
                if self._is_leaving:
                    break
                self._daemon = start_daemon(self._home, self._env)
            status = self._daemon.process.wait()
            with self.board.changed:
                self.statuses.append(status)
                self.board.changed.notify_all()
        self.board.over()
