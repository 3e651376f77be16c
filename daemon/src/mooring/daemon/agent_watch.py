"""The watch over the agents: in the background, each one is greeted once for every version of it.

What an agent answers is kept on disk and goes up in the next ``hello``. Nothing waits for it: until it is known, the
agent is offered as it was found. One that did not answer is greeted again at each round, since what was missing (its
runtime, a file, time) may be there then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from ..edge.agent_facts import AgentFacts, fingerprint, keep_facts, read_facts
from ..edge.creds import make_home
from ..errors import MoorError
from ..providers.greeting import Greeting, greet, version_said
from ..providers.registry import Detected
from ..wire.frames import AgentReport
from .agents import Agents

ROUND_S: Final = 15 * 60.0
"""How often it is looked for agents that came, went or changed (seconds)."""

_log = logging.getLogger("mooring.agents")


class AgentWatch:
    """Looks after the agents while the daemon runs.

    Args:
        agents: which.
        news: called when what ``hello`` says of them is no longer what it last said.
    """

    def __init__(self, agents: Agents, news: Callable[[], None]) -> None:
        self._agents, self._news = agents, news
        self._said: tuple[AgentReport, ...] | None = agents.reports()
        self._again = asyncio.Event()
        self._again.set()

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Looks while the block runs. Whatever goes wrong with it, sessions go on: it is logged."""
        task = asyncio.create_task(self.run(), name="agent watch")
        task.add_done_callback(_tell_fault)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def look(self) -> None:
        """Has it look at once, and say again what it finds even if nothing is new."""
        self._said = None
        self._again.set()

    async def run(self) -> None:
        """Looks, and again every ``ROUND_S``, until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._again.wait()
            self._again.clear()
            self._tell()
            for one in needing(self._agents, problems=True):
                await self._greet(one)
            self._tell()

    def _tell(self) -> None:
        reports = self._agents.reports()
        if reports != self._said:
            self._said = reports
            self._news()

    async def _greet(self, one: Detected) -> None:
        try:
            facts = await look_at(self._agents, one)
        except MoorError as exc:
            _log.warning("agent=%s what it says can't be kept: %s", one.id, exc)
            return
        if facts.problem:
            _log.warning("agent=%s does not work: %s Looking again in %.0f s.", one.id, facts.problem, ROUND_S)
        else:
            _log.info("agent=%s version %s answers", one.id, facts.version or "unknown")


def _tell_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("the agents are not looked at any more", exc_info=fault)


def needing(agents: Agents, *, problems: bool) -> list[Detected]:
    """The agents that were not greeted as they are now; with ``problems`` also those that did not answer then."""
    known = read_facts(agents.where)
    return [one for one in agents.detected() if _is_unknown(known.get(one.id), one, problems=problems)]


async def look_at(agents: Agents, one: Detected) -> AgentFacts:
    """Greets an agent and keeps what it says; what was measured of this very program is kept too.

    Raises:
        MoorError: ``home_unusable``.
    """
    make_home(agents.where)  # The agent's process is written down in it.
    program = fingerprint(one.command)
    greeting = await _greeting(agents, one)
    before = read_facts(agents.where).get(one.id)
    if before is None or before.program != program:
        before = AgentFacts(program=program, at=0.0)
    facts = replace(
        before,
        at=time.time(),
        version=greeting.version or before.version,
        problem=greeting.problem,
        capabilities=greeting.capabilities or before.capabilities,
    )
    keep_facts(agents.where, one.id, facts)
    return facts


async def _greeting(agents: Agents, one: Detected) -> Greeting:
    folder = Path(tempfile.mkdtemp(prefix="moor-agent-"))
    try:
        work = folder / "work"
        work.mkdir()
        spec = agents.spec(one, work)
        greeting = await greet(spec)
        if not greeting.version and one.source in ("path", "own") and sys.platform != "win32":
            greeting = Greeting(await version_said(spec), greeting.capabilities, greeting.problem)
        return greeting
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_unknown(facts: AgentFacts | None, one: Detected, *, problems: bool) -> bool:
    if one.source == "daemon":
        return False
    if facts is None or facts.program != fingerprint(one.command):
        return True
    return problems and bool(facts.problem)
