"""A rehearsal: one session of a whole daemon but for its network, with its agent as a real child.

Desk, runner, provider and transcript are the daemon's own; what the plane would send is said here, and what it would
get is kept as the events of its log.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from mooring.daemon.agents import Agents
from mooring.daemon.desk import Desk
from mooring.daemon.opening import Opener
from mooring.daemon.ports import Identity
from mooring.daemon.runner import TurnRunner
from mooring.daemon.session_run import Setting
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths, make_home, new_id
from mooring.edge.journal import Journal
from mooring.wire import frames
from mooring.wire.bundle import Bundle
from mooring.wire.events import FileSource, TextBlock, UserBlock
from mooring.wire.ids import EventId, OutboxId, RuntimeId, SessionId, TurnId

S, RUNTIME = SessionId("sesn_1"), RuntimeId("rt_1")

Event = dict[str, Any]
T = TypeVar("T")


class _Plane:
    """Gives every session the same bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def bundle(self, session_id: SessionId, agent_id: str) -> Bundle:
        return self._bundle

    def turn(self, session_id: SessionId, turn_id: TurnId) -> tuple[UserBlock, ...]:
        raise AssertionError("every prompt of a rehearsal fits its frame")

    def file(self, session_id: SessionId, turn_id: TurnId, source: FileSource) -> bytes:
        raise AssertionError("no prompt of a rehearsal brings a file")

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        raise AssertionError("no event of a rehearsal is large")


class Rehearsal:
    """One session.

    Args:
        home: the daemon's, which is made.
        agent_id: what the session is bound to.
        agent: how it is started.
        bundle: what the session gets.
        patience_s: how long anything may take (seconds).

    Attributes:
        events: what the plane has got, in its order.
    """

    def __init__(
        self, home: Path, agent_id: str, agent: AgentConfig, bundle: Bundle, *, patience_s: float = 30.0
    ) -> None:
        self.events: list[Event] = []
        self._agent_id, self._patience_s = agent_id, patience_s
        self._orders = itertools.count(1)
        self._turn = TurnId("")
        self._order = 0
        self._said = ""
        self._changed = asyncio.Event()
        config = Config(agents={agent_id: agent})
        where = Paths(home)
        make_home(where)
        plane, agents = _Plane(bundle), Agents(config)
        opener = Opener(plane, where, config, agents)
        self._runner = TurnRunner(config, opener)
        self._journal = Journal(":memory:", new_id)
        identity = Identity(RUNTIME, "rehearsal")
        self._desk = Desk(self._journal, self._runner, self._take, identity, dice=new_id, clock=time.time)
        self._runner.begin(
            Setting(desk=self._desk, plane=plane, opener=opener, dice=new_id, poke=self._poke, limits=agents.config)
        )
        self._desk.connected()
        self._desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
        self.folder = where.sessions / S

    def say(self, text: str) -> None:
        """Sends a prompt."""
        self._order = next(self._orders)
        self._turn, self._said = TurnId(f"turn_{self._order}"), ""
        self._desk.frame(
            frames.SessionPrompt(
                session_id=S,
                turn_id=self._turn,
                order=self._order,
                agent_id=self._agent_id,
                content=(TextBlock(text),),
                window_ms=1,
                as_of=float(self._order),
            )
        )

    def interrupt(self) -> None:
        """Somebody stops the turn."""
        self._desk.frame(frames.SessionCancel(session_id=S, turn_id=self._turn, order=self._order))

    def answer(self, question: Event, result: Literal["allow", "deny"]) -> None:
        """Somebody answers a question."""
        asked = EventId(question["id"])
        self._desk.frame(
            frames.PermissionVerdict(
                session_id=S, turn_id=self._turn, tool_use_id=asked, result=result, call_hash=question["call_hash"]
            )
        )

    async def until_speaking(self, text: str) -> None:
        """Waits until the agent has begun to say something."""
        await self._until(lambda: text in self._said)

    async def until_asked(self, count: int = 1) -> Event:
        """Waits for the turn's ``count``th question."""
        return await self._until(lambda: next(iter(self._questions()[count - 1 :]), None))

    async def until_ended(self) -> Event:
        """Waits for the turn's end."""
        return await self._until(lambda: self._end)

    async def close(self) -> None:
        """Ends the agent, and the daemon."""
        await self._runner.stop()
        self._journal.close()

    @property
    def _end(self) -> Event | None:
        return next(iter(self._told("mooring.turn_ended")), None)

    def _questions(self) -> list[Event]:
        return [one for one in self._told("agent.tool_use") if one.get("evaluated_permission") == "ask"]

    def _told(self, kind: str) -> list[Event]:
        """This turn's events of a type."""
        return [one for one in self.events if one["type"] == kind and one["turn_id"] == self._turn]

    async def _until(self, look: Callable[[], T | None]) -> T:
        async with asyncio.timeout(self._patience_s):
            while not (found := look()):
                assert self._end is None, f"the turn is over: {self.events}"
                self._changed.clear()
                await self._changed.wait()
            return found

    def _poke(self) -> None:
        asyncio.get_running_loop().call_soon(lambda: self._desk.tick(time.time()))

    def _take(self, frame: Struct) -> None:
        """What the daemon sends. It is answered later: the desk is not spoken to while it speaks."""
        match frame:
            case frames.SessionEvent():
                self.events += msgspec.json.decode(bytes(frame.events))
                outbox = OutboxId(frame.outbox)
                ack = frames.SessionAck(session_id=frame.session_id, outbox=outbox, batch=frame.batch)
                asyncio.get_running_loop().call_soon(self._desk.frame, ack)
            case frames.SessionDelta():
                self._said += frame.text
            case _:
                return
        self._changed.set()
