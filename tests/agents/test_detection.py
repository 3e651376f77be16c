"""What the real agents say of themselves and what they do when they are measured, with a scripted model behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.daemon.agent_probe import measure
from mooring.daemon.agents import Agents
from mooring.edge.config import read_config
from mooring.edge.creds import Paths
from mooring.providers.probe import Finding, Words
from tests.journeys.ground import Ground
from tests.journeys.leftovers import MARK, running

from .agents import AGENTS, Agent
from .fake_llm import FakeLLM

pytestmark = pytest.mark.xdist_group("agents")

WORDS = Words(
    file="MARK_probe.txt",
    write="create MARK_probe.txt",
    long="slow",
    picture="do you see iVBORw0KGgo",
    pictured="yes",
    recall="do you see MARK_probe.txt",
    recalled="yes",
)
"""The same questions in the words of the scripted model: it sees a picture by the first letters of its base64."""

SAYS = {
    "claude-acp": {"load", "resume", "image", "embedded_context", "mcp_http", "mcp_sse"},
    "codex-acp": {"load", "resume", "image", "embedded_context", "mcp_http"},
    "gemini": {"load", "image", "audio", "embedded_context", "mcp_http", "mcp_sse"},
    "opencode": {"load", "resume", "image", "embedded_context", "mcp_http", "mcp_sse"},
}


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.id)
def agents(request: pytest.FixtureRequest, tmp_path: Path, llm: FakeLLM, ground: Ground) -> Iterator[Agents]:
    """A home whose configuration has one real agent."""
    agent: Agent = request.param
    where = Paths(tmp_path / "home")
    where.home.mkdir()
    where.config.write_text(agent.config(tmp_path / "private", llm.url, **{MARK: ground.mark}))
    yield Agents(read_config(where.config), where)
    left = running(ground.mark, tmp_path)
    assert {pid: command for pid, command in left.items() if "infra.local" not in command} == {}


def test_an_agent_says_what_it_can_and_does_what_is_measured(agents: Agents) -> None:
    """Catches an agent that is offered for what it does not do, and a measurement that mistakes its manners."""
    (agent_id,) = (one.id for one in agents.detected() if one.source == "configuration")
    told: list[Finding] = []
    found = asyncio.run(measure(agents, agents.found(agent_id), told.append, words=WORDS, may_wait=False))
    report = next(one for one in agents.reports() if one.id == agent_id)
    assert report.capabilities is not None
    says = {name for name in report.capabilities.__struct_fields__ if getattr(report.capabilities, name) is True}
    # OpenCode's key is in a configuration of its owner's, which nobody reads.
    login = "unknown" if agent_id == "opencode" else "yes"
    assert (report.problem, report.login, says) == ("", login, SAYS[agent_id])
    assert report.version
    measured = {one.fact: one.answer for one in told}
    # Gemini CLI finds no conversation of the running minute, for which nobody waits here; OpenCode keeps pictures
    # from a model of which it is not told that it sees.
    unknown = {"gemini": "resumes", "opencode": "images"}.get(agent_id)
    facts = ("asks", "mcp", "cancels", "images", "resumes")
    assert measured == {fact: None if fact == unknown else True for fact in facts}, told
    assert found.cost.turns == (3 if agent_id == "gemini" else 4)
    assert report.measured is not None
    assert {name: getattr(report.measured, name) for name in measured} == measured
