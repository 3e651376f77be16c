"""The real agents are run only on request (`make test-agents`): they are half a gigabyte each, and slow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.aftermath import pytest_runtest_makereport, watched_ground
from tests.journeys.ground import Ground, House

from .agents import AGENTS, Agent, AgentLaptop
from .fake_llm import FakeLLM
from .install import install

__all__ = ["pytest_runtest_makereport"]

collect_ignore = [] if os.environ.get("REAL_AGENTS") else [one.name for one in Path(__file__).parent.glob("test_*.py")]


@pytest.fixture(scope="session")
def llm() -> Iterator[FakeLLM]:
    """The model that all agents speak to. A failed install fails every test, by its own words."""
    install()
    made = FakeLLM()
    yield made
    made.close()


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The ground of all agents."""
    yield from watched_ground(request.config, Ground(tmp_path_factory.mktemp("agents")))


@pytest.fixture(scope="session")
def house(ground: Ground) -> Iterator[House]:
    """One plane for all agents."""
    made = House(ground, "house")
    yield made
    made.stop()


@pytest.fixture(scope="module", params=AGENTS, ids=lambda agent: agent.id)
def laptop(request: pytest.FixtureRequest, house: House, llm: FakeLLM) -> Iterator[AgentLaptop]:
    """A laptop of the module's own on which one real agent is installed, its daemon online."""
    agent: Agent = request.param
    made = AgentLaptop(house, agent, llm.url, f"{agent.id} of {request.node.name}".replace("/", " "))
    made.start()
    yield made
    made.stop()
