"""Measuring an agent of this laptop, and keeping what was found out beside what it said of itself."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from ..edge.agent_facts import keep_facts
from ..providers.manners import variables
from ..providers.probe import PERMISSIONS, SERVERS, Finding, Findings, Words, probe
from ..providers.registry import Detected
from ..wire.frames import AgentMeasures
from .agent_watch import look_at
from .agents import Agents


async def measure(
    agents: Agents,
    one: Detected,
    tell: Callable[[Finding], None],
    *,
    words: Words | None = None,
    may_wait: bool = True,
) -> Findings:
    """Greets an agent, measures it and keeps both.

    Args:
        agents: where it is from.
        one: which.
        tell: gets each fact as soon as it is known.
        words: see ``probe``.
        may_wait: see ``probe``.

    Raises:
        ProviderError: it does not work.
        MoorError: ``home_unusable``.
    """
    facts = await look_at(agents, one)
    folder = Path(tempfile.mkdtemp(prefix="moor-probe-"))
    try:
        work = folder / "work"
        work.mkdir()
        spec = agents.spec(one, work.resolve(), variables(one.id, PERMISSIONS, SERVERS))
        takes_images = facts.capabilities.image if facts.capabilities else None
        found = await probe(spec, tell, takes_images=takes_images, words=words, may_wait=may_wait)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answers = {finding.fact: finding.answer for finding in found.facts}
    measured = AgentMeasures(**answers, at=time.time())
    evidence = {finding.fact: finding.evidence for finding in found.facts}
    keep_facts(agents.where, one.id, replace(facts, measured=measured, evidence=evidence))
    return found
