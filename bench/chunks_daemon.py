"""One measurement of `chunks`: the daemon's half. `python -m bench.chunks_daemon N` prints one JSON line."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.chunks import ChunksLost
from bench.memory import peak_mb
from mooring.daemon.agents import Agents
from mooring.daemon.desk import Desk
from mooring.daemon.opening import Opener
from mooring.daemon.ports import Identity
from mooring.daemon.runner import TurnRunner
from mooring.daemon.session_run import Setting
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import make_home, paths
from mooring.edge.journal import Journal
from mooring.wire import events as ev
from mooring.wire import frames
from mooring.wire.bundle import Bundle
from mooring.wire.events import FileSource
from mooring.wire.ids import EventId, RuntimeId, SessionId, TurnId

RUNTIME, SESSION = RuntimeId("rt_bench"), SessionId("sesn_bench")


class NoPlane:
    """Acknowledges what it is sent, and keeps what the deltas and the uploads say."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.desk: Desk | None = None
        self._loop = loop
        self._order = 0
        self._forget()

    def _forget(self) -> None:
        self.ended = asyncio.Event()
        self.n_deltas = 0
        self.said = ""
        self.whole: list[str] = []

    async def turn_of(self, text: str) -> float:
        """Has the daemon run one turn; what is kept is that turn's. Returns how long it took (seconds)."""
        assert self.desk is not None
        self._forget()
        self._order += 1
        prompt = frames.SessionPrompt(
            session_id=SESSION,
            turn_id=TurnId(f"turn_{self._order}"),
            order=self._order,
            agent_id="echo",
            content=(ev.TextBlock(text),),
            window_ms=100,
            as_of=float(self._order),
        )
        began = time.perf_counter()
        self.desk.frame(prompt)
        await self.ended.wait()
        return time.perf_counter() - began

    def send(self, frame: Struct) -> None:
        """The daemon says something."""
        if isinstance(frame, frames.SessionDelta):
            if frame.offset != len(self.said):
                raise ChunksLost(f"A delta begins at {frame.offset}, {len(self.said)} characters were said.")
            self.n_deltas += 1
            self.said += frame.text
        elif isinstance(frame, frames.SessionEvent):
            ack = frames.SessionAck(session_id=SESSION, outbox=frame.outbox, batch=frame.batch)
            self._loop.call_soon(self._acknowledge, ack)
            for event in msgspec.json.decode(bytes(frame.events)):
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "agent.message":
            self.whole.append(event["content"][0]["text"])
        elif event["type"] == "mooring.turn_ended":
            self.ended.set()

    def _acknowledge(self, ack: frames.SessionAck) -> None:
        assert self.desk is not None
        self.desk.frame(ack)

    def bundle(self, session_id: SessionId, agent_id: str) -> Bundle:
        """See ``PlanePort``."""
        return Bundle()

    def turn(self, session_id: SessionId, turn_id: TurnId) -> tuple[ev.Block, ...]:
        """See ``PlanePort``; every prompt fits its frame."""
        raise AssertionError("the prompt came with its frame")

    def file(self, session_id: SessionId, turn_id: TurnId, source: FileSource) -> bytes:
        """See ``PlanePort``; no prompt brings a file."""
        raise AssertionError("the prompt is text alone")

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        """See ``PlanePort``."""
        self._take(msgspec.json.decode(body))


async def run(pieces: int, home: Path) -> dict[str, Any]:
    """Runs one turn of so many pieces. Raises ChunksLost."""
    plane = NoPlane(asyncio.get_running_loop())
    where = paths({"MOOR_HOME": str(home)})
    make_home(where)
    config = Config()
    opener = Opener(plane, where, config, Agents(config))
    runner = TurnRunner(config, opener)

    def dice() -> str:
        return secrets.token_hex(16)

    identity = Identity(runtime_id=RUNTIME, instance="bench")
    journal = Journal(str(home / "journal.db"), dice)
    desk = plane.desk = Desk(journal, runner, plane.send, identity, dice=dice, clock=time.time)
    runner.begin(
        Setting(desk=desk, plane=plane, opener=opener, dice=dice, poke=_nothing, limits=lambda _: AgentConfig())
    )
    desk.connected()
    desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
    try:
        # The agent's start is not what is measured.
        await plane.turn_of("Hello")
        before = peak_mb()
        seconds = await plane.turn_of(f"/chunks {pieces}")
    finally:
        await runner.stop()
    check(pieces, plane)
    return {"seconds": seconds, "deltas": plane.n_deltas, "rss_before_mb": before, "rss_peak_mb": peak_mb()}


def check(pieces: int, plane: NoPlane) -> None:
    """Raises ChunksLost unless deltas and whole event say every piece once, in order."""
    expected = "".join(f"{number} " for number in range(1, pieces + 1))
    for what, said in (("whole events", "".join(plane.whole)), ("deltas", plane.said)):
        if said != expected:
            raise ChunksLost(
                f"The {what} hold {len(said)} characters, not the {len(expected)} that were said in order."
            )


def _nothing() -> None:
    """Nobody needs to be woken: text is told while it grows."""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        sys.stdout.write(json.dumps(asyncio.run(run(int(sys.argv[1]), Path(folder)))) + "\n")
