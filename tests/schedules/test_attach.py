"""Late attach without gap or double: appends, attaches, reads and pushes interleaved at every I/O point.

Nothing is lost here and nobody asks again: no viewer pings, none attaches twice. What a viewer has in the end it got
from one read and the pushes. Every schedule ends in the middle of a sentence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from chalicelib.actors.delivery import Delivery
from chalicelib.actors.ports import Stores
from chalicelib.actors.viewers import Viewers
from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.core.session import MessageIn
from chalicelib.wire.events import TextBlock
from chalicelib.wire.ids import AgentId, EventId, SessionId
from mooring.core.open_text import OpenText
from mooring.daemon.ports import TurnOrder
from mooring.wire import events as ev

from . import laptop as laptop_room
from .checks import check_viewer, records
from .laptop import Agents, Laptop, Witness
from .moto_world import on_moto
from .people import SocketViewer
from .world import RUNTIME, TENANT, World, in_memory

CHUNK = 200
TOTAL = int(os.environ.get("MOORING_ATTACHES", "2000"))
MOTO_TOTAL = 50
SESSION = SessionId("sesn_1")
QUIET_S = 30.0
"""After the last sentence was left open, all that is under way arrives within this (seconds)."""


class Storyteller(Agents):
    """Says a few whole sentences, then half of one more, and holds."""

    said: OpenText | None = None

    def _step(self, order: TurnOrder, left: int) -> None:
        rng = self.laptop.world.rng
        text = OpenText(self._event_id(), order.turn_id, "agent.message")
        self._say(order, text, rng.randint(1, 4), left)

    def _say(self, order: TurnOrder, text: OpenText, pieces: int, left: int) -> None:
        rng = self.laptop.world.rng
        if pieces:
            text.add(f"{rng.randbytes(2).hex()} ")
            self._desk().grow(order.session_id, text)
            self.laptop.soon(lambda: self._say(order, text, pieces - 1, left), rng.choice([0.01, 0.1, 0.4]))
        elif left:
            self.laptop.witness.texts[text.event_id] = text.text()
            message = ev.AgentMessage(id=text.event_id, turn_id=order.turn_id, content=(ev.TextBlock(text.text()),))
            self._emit(order, message)
            self.laptop.soon(lambda: self._step(order, left - 1), rng.choice([0.0, 0.2]))
        else:
            self.laptop.witness.texts[text.event_id] = text.text()
            self.said = text


class QuietViewer(SocketViewer):
    """Attaches once and never asks again."""

    def _ping(self, connection_id: Any) -> None:
        return None

    def _record(self, frame: Any) -> None:
        with patch.object(self.world.rng, "random", lambda: 1.0):
            super()._record(frame)


def story(seed: int, stores: Callable[[World], Stores]) -> tuple[list[str], list[QuietViewer]]:
    """Runs one schedule. Returns its flaws, and the viewers."""
    world = World(seed, stores, fault_s=0.0)
    world.containers[0].rooms.open(TENANT, RUNTIME)
    agent = Agent(
        tenant_id=TENANT,
        agent_id=AgentId("agent_1"),
        version=1,
        name="storyteller",
        created_at=world.now_s,
        updated_at=world.now_s,
        runtime_binding=RuntimeBinding(runtime_id=RUNTIME, acp_agent_id="echo"),
    )
    world.containers[0].sessions.create(
        SESSION, agent, title=None, metadata={}, environment_id="env", items=(), expires_in_s=1.0
    )
    witness = Witness()
    laptop = Laptop(world, "A", witness)
    with patch.object(laptop_room, "Agents", Storyteller):
        laptop.start()
    viewers = [QuietViewer(world, SESSION, after) for after in (None, "0", "0")]
    for viewer in viewers:
        viewer.start(world.rng.uniform(0, 4))
    for delay in (world.rng.uniform(0.5, 2), world.rng.uniform(0.5, 3)):
        world.invoke("post", _post, delay)

    def told() -> bool:
        teller = laptop.agents
        return isinstance(teller, Storyteller) and teller.said is not None

    world.run(told, 60.0)
    world.run(lambda: False, QUIET_S)
    log = records(world, SESSION)
    flaws = [flaw for viewer in viewers for flaw in check_viewer(world, log, viewer, witness)]
    for viewer in viewers:
        if viewer.at != len(log):
            flaws.append(f"viewer after {viewer.after} is at {viewer.at} of {len(log)}")
        if isinstance(laptop.agents, Storyteller) and laptop.agents.said:
            text = laptop.agents.said
            shown = viewer.watching.texts.get(EventId(text.event_id))
            if shown != text.text():
                flaws.append(f"viewer after {viewer.after} shows {shown!r} of {text.text()!r}")
    if not told():
        flaws.append("the story never got to its last sentence")
    world.close()
    laptop.journal.close()
    return flaws, viewers


def _post(actors: Any) -> None:
    message = MessageIn((TextBlock("tell"),))
    actors.sessions.post(TENANT, SESSION, (message,), expires_in_s=900.0, cause=None)


@pytest.mark.parametrize("first", range(0, TOTAL, CHUNK))
def test_a_late_viewer_gets_the_log_then_live_without_gap_or_double(first: int) -> None:
    for seed in range(first, min(first + CHUNK, TOTAL)):
        flaws, _ = story(seed, in_memory)
        assert not flaws, (seed, flaws)


@pytest.mark.parametrize("first", range(0, MOTO_TOTAL, 25))
def test_the_same_holds_on_the_real_stores(first: int) -> None:
    with on_moto() as stores:
        for seed in range(first, first + 25):
            flaws, _ = story(seed, stores)
            assert not flaws, (seed, flaws)


@contextmanager
def reads_before_it_registers() -> Iterator[None]:
    """A plane whose viewers are registered only after their read."""
    real = Viewers.attach

    def attach(self: Any, connection: Any, frame: Any) -> None:
        late: list[Any] = []
        stores = self._stores

        class Later:
            put = staticmethod(late.append)

            def __getattr__(self, name: str) -> Any:
                return getattr(stores.attachments, name)

        self._stores = replace(stores, attachments=Later())
        try:
            real(self, connection, frame)
        finally:
            self._stores = stores
        for one in late:
            stores.attachments.put(one)

    with patch.object(Viewers, "attach", attach):
        yield


def test_a_plane_that_reads_before_it_registers_is_noticed() -> None:
    """Catches a test that is blind to the order of attaching: registered only after their read, viewers miss events."""
    with reads_before_it_registers():
        assert any(story(seed, in_memory)[0] for seed in range(200))


@contextmanager
def pushes_only_what_is_visible() -> Iterator[None]:
    """A plane that does not push records without visible events."""
    real = Delivery.publish

    def publish(self: Any, tenant_id: Any, state: Any, record: Any) -> Any:
        if all(type(event).__name__ in ("Receipt", "TurnStarted", "MessagePlaced") for event in record.events):
            return self._stores.attachments.of_session(state.session_id, 0.0)
        return real(self, tenant_id, state, record)

    with patch.object(Delivery, "publish", publish):
        yield


def test_a_plane_that_does_not_push_every_record_is_noticed() -> None:
    """The rule "every record is pushed, visible events or not": without it a number is missing, the viewer stalls."""
    with pushes_only_what_is_visible():
        assert any(story(seed, in_memory)[0] for seed in range(50))
