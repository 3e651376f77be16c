"""A logind of the test's own, on a system bus of the test's own: real D-Bus, real locks, and a lid to shut."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus import get_bus
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import prep_socket
from jeepney.io.threading import DBusConnection, DBusRouter, ReceiveStopped

MANAGER = DBusAddress(
    "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
)
WAIT_S = 30.0

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


class Lock:
    """A lock that somebody took. It is held as long as their end of the pipe is open."""

    def __init__(self, what: str, mode: str) -> None:
        self.what, self.mode = what, mode
        self._ours, self.theirs = os.pipe()

    def handed_over(self) -> None:
        os.close(self.theirs)

    def released(self) -> bool:
        """Whether it is let go of, waited for."""
        return bool(select.select([self._ours], [], [], WAIT_S)[0])

    def is_held(self) -> bool:
        """Whether it is held at this moment."""
        return not select.select([self._ours], [], [], 0)[0]

    def close(self) -> None:
        os.close(self._ours)


class FakeLogind:
    """Gives locks and tells of sleep; decides nothing. ``refuses``: no lock is given."""

    def __init__(self, address: str) -> None:
        self.refuses = False
        self.given: queue.Queue[Lock] = queue.Queue()
        self._kept: list[Lock] = []
        self._bus = DBusConnection(prep_socket(get_bus(address), enable_fds=True), enable_fds=True)
        with DBusRouter(self._bus) as router:
            for ask in (message_bus.Hello(), message_bus.RequestName(MANAGER.bus_name)):
                assert router.send_and_get_reply(ask, timeout=WAIT_S).header.message_type is MessageType.method_return
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def lock(self) -> Lock:
        """The next lock that somebody takes."""
        return self.given.get(timeout=WAIT_S)

    def prepare(self, sleeps: bool) -> None:
        """The lid is shut, or opened."""
        self._bus.send(new_signal(MANAGER, "PrepareForSleep", "b", (sleeps,)))

    def close(self) -> None:
        self._bus.interrupt()
        self._thread.join()
        self._bus.close()
        for lock in self._kept:
            lock.close()

    def _serve(self) -> None:
        with contextlib.suppress(ReceiveStopped, ConnectionError):
            while True:
                message = self._bus.receive()
                if message.header.fields.get(HeaderFields.member) != "Inhibit":
                    continue
                if self.refuses:
                    self._bus.send(new_error(message, "org.freedesktop.DBus.Error.AccessDenied"))
                    continue
                what, _who, _why, mode = message.body
                lock = Lock(what, mode)
                self._kept.append(lock)
                self._bus.send(new_method_return(message, "h", (lock.theirs,)))
                lock.handed_over()
                self.given.put(lock)


@contextlib.contextmanager
def system_bus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bus that is this process's system bus; its address."""
    program = shutil.which("dbus-daemon")
    if program is None:
        pytest.skip("there is no dbus-daemon")
    config = folder / "bus.conf"
    config.write_text(_CONFIG.format(path=folder / "bus"))
    running = subprocess.Popen(
        [program, f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    try:
        address = running.stdout.readline().strip()
        assert address, "the bus has begun"
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
