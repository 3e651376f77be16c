"""A laptop in a test: a whole daemon in a thread (or a process of its own), with the real echo agent as its child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mooring.commands import daemon as daemon_command
from mooring.core.sleep import Clocks
from mooring.edge.clocks import read_clocks
from mooring.edge.config import Config
from mooring.edge.creds import Credentials, Paths, make_home, write_credentials
from mooring.errors import MoorError
from mooring.wire import frames
from mooring.wire.events import TextBlock
from mooring.wire.ids import OutboxId, RuntimeId, SessionId, TurnId
from tests.daemon.fake_plane import WAIT_S, FakePlane, Socket

RUNTIME = RuntimeId("rt_1")
S, T = SessionId("sesn_1"), TurnId("turn_1")
BUNDLE = "GET /agents/runtime/sessions/[^/]+/bundle"
TOKEN = "sk_machine_secret"


def set_up(home: Paths, plane: FakePlane) -> Credentials:
    """What ``moor setup`` leaves behind."""
    made = Credentials(
        server_url=plane.url,
        ws_url=plane.ws_url,
        runtime_id=RUNTIME,
        token=TOKEN,
        machine_id="m-1",
        created_at=1.0,
        expires_at=6e9,  # It is not due for renewal in anybody's lifetime.
    )
    make_home(home)
    write_credentials(home, made)
    return made


def bundles(plane: FakePlane, **fields: Any) -> None:
    """Lets the plane give every session this bundle."""
    plane.route(BUNDLE, (200, fields))


class Line:
    """The plane's end of a daemon's connection: welcomes it, acknowledges batches, gathers events."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.events: dict[str, list[dict[str, Any]]] = {}
        self._seen: set[tuple[str, str, int]] = set()

    def welcome(self, epoch: int = 1) -> dict[str, Any]:
        hello = self.socket.expect("hello")
        self.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=epoch))
        return hello

    def prompt(self, text: str | None, turn: TurnId = T, order: int = 1, session: SessionId = S, **more: Any) -> None:
        content = None if text is None else (TextBlock(text),)
        self.socket.send(
            frames.SessionPrompt(
                session_id=session, turn_id=turn, order=order, agent_id="echo", content=content, **more
            )
        )

    def event(self, kind: str, session: SessionId = S) -> dict[str, Any]:
        """The next event of a type, each batch acknowledged as it comes."""
        events = self.events.setdefault(session, [])
        while True:
            for index, event in enumerate(events):
                if event["type"] == kind:
                    return events.pop(index)
            self.take_batch(session)

    def take_batch(self, session: SessionId = S) -> dict[str, Any]:
        batch = self.socket.expect("session.event", lambda frame: frame["session_id"] == session)
        name = (session, batch["outbox"], batch["batch"])
        if name not in self._seen:
            self._seen.add(name)
            self.events.setdefault(session, []).extend(batch["events"])
        self.socket.send(frames.SessionAck(session_id=session, outbox=OutboxId(batch["outbox"]), batch=batch["batch"]))
        return batch

    def said(self, session: SessionId = S) -> str:
        """The text of the next whole message."""
        found: str = self.event("agent.message", session)["content"][0]["text"]
        return found

    def end(self, turn: TurnId = T, session: SessionId = S) -> dict[str, Any]:
        """The turn's end."""
        found = self.event("mooring.turn_ended", session)
        assert found["turn_id"] == turn
        return found


class Machine:
    """A daemon in a thread of its own, run by the very function behind ``moor daemon``."""

    def __init__(
        self, home: Paths, credentials: Credentials, config: Config, clocks: Callable[[], Clocks] = read_clocks
    ) -> None:
        self.home, self._clocks = home, clocks
        self._outcome: queue.Queue[MoorError | BaseException | None] = queue.Queue()
        self._stop: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(home, credentials, config))
        self._thread.start()

    def _run(self, home: Paths, credentials: Credentials, config: Config) -> None:
        try:
            asyncio.run(daemon_command.serve(home, credentials, config, self._started, self._clocks))
            self._outcome.put(None)
        except BaseException as exc:  # noqa: BLE001 - the test's thread raises it
            self._outcome.put(exc)

    def _started(self, event_loop: asyncio.AbstractEventLoop, loop: Any, _look: Any) -> None:
        self.introduce: Callable[[], Any] = lambda: event_loop.call_soon_threadsafe(loop.introduce)
        self._stop.put(lambda: event_loop.call_soon_threadsafe(loop.stop))

    def outcome(self) -> BaseException | None:
        """What the daemon ended with."""
        found = self._outcome.get(timeout=WAIT_S)
        self._thread.join(WAIT_S)
        return found

    def stop(self) -> BaseException | None:
        """Stops it cleanly, if it still runs."""
        if self._thread.is_alive():
            self._stop.get(timeout=WAIT_S)()
            return self.outcome()
        return None


@contextmanager
def running(
    home: Paths, plane: FakePlane, config: Config | None = None, clocks: Callable[[], Clocks] = read_clocks
) -> Iterator[Machine]:
    """A daemon, stopped at the end."""
    machine = Machine(home, set_up(home, plane), config or Config(), clocks)
    try:
        yield machine
    finally:
        machine.stop()


def spawn(home: Paths, *arguments: str, terminal: int | None = None) -> subprocess.Popen[str]:
    """``moor`` as a process of its own, at a terminal or with pipes."""
    pipe = subprocess.PIPE if terminal is None else terminal
    env = {**os.environ, "MOOR_HOME": str(home.home), "PYTHONPATH": "daemon/src"}
    return subprocess.Popen(
        [sys.executable, "-m", "mooring", *arguments],
        env=env,
        stdout=pipe,
        stderr=pipe,
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def pids_in(folder: Path) -> set[int]:
    """The processes whose working folder it is."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # It has just ended.
            if link.readlink() == folder:
                found.add(int(link.parent.name))
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], WAIT_S)[0])
    finally:
        os.close(handle)
