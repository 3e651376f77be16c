"""Events on their way out: in order, whatever an upload takes, and never waited for once the daemon stops."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from mooring.daemon.outflow import Outflow
from mooring.edge.https import Unreachable
from mooring.wire.events import AgentMessage, DaemonEvent, Noted, Spilled, TextBlock
from mooring.wire.ids import EventId, TurnId
from tests.daemon.machine import S, T


def message(name: str, size: int = 1) -> AgentMessage:
    return AgentMessage(id=EventId(name), turn_id=T, content=(TextBlock("x" * size),))


class Uploads:
    """Takes uploads once it is let."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.taken: list[EventId] = []
        self.open = threading.Event()

    def upload(self, session_id: str, event_id: EventId, body: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise Unreachable("http://plane", "it is away")
        assert self.open.wait(15)
        self.taken.append(event_id)


def flow(story: Callable[[Outflow, list[DaemonEvent], Uploads], Coroutine[Any, Any, None]], failures: int = 0) -> None:
    async def run() -> None:
        emitted: list[DaemonEvent] = []
        uploads = Uploads(failures)
        dice = (f"{number:024x}00000000" for number in itertools.count(1))
        await story(Outflow(S, emitted.extend, uploads, lambda: next(dice)), emitted, uploads)

    asyncio.run(run())


def test_small_events_go_at_once() -> None:
    async def story(out: Outflow, emitted: list[DaemonEvent], _: Uploads) -> None:
        out.put([message("a"), message("b")])
        assert [one.id for one in emitted] == ["a", "b"]
        assert out.is_clear
        await out.clear()

    flow(story)


def test_what_comes_behind_a_large_event_waits_for_its_upload() -> None:
    async def story(out: Outflow, emitted: list[DaemonEvent], uploads: Uploads) -> None:
        out.put([message("a"), message("b", 100_000), message("c")])
        out.put([message("d")])
        assert not out.is_clear
        uploads.open.set()
        await out.clear()
        assert [one.id for one in emitted] == ["a", "b", "c", "d"]
        assert isinstance(emitted[1], Spilled)
        assert uploads.taken == ["b"]
        assert out.is_clear

    flow(story, failures=2)


def test_a_stop_waits_for_no_upload_and_says_what_is_missing() -> None:
    async def story(out: Outflow, emitted: list[DaemonEvent], uploads: Uploads) -> None:
        out.put([message("a", 100_000), message("b")])
        await out.cut_off()
        out.put([message("c", 100_000), message("d")])
        uploads.open.set()
        first, second, third, fourth = emitted
        assert (second.id, fourth.id) == ("b", "d")
        for note in (first, third):
            assert isinstance(note, Noted)
            assert (note.kind, note.turn_id) == ("event_dropped", TurnId(T))
            assert "daemon_stopped" in note.text
        assert out.is_clear

    flow(story)
