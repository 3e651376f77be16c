"""The real agents are run only on request (`make test-agents`): they are half a gigabyte each, and slow."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

from tests.journeys.ground import Ground, House
from tests.journeys.leftovers import running
from tests.journeys.waiting import until_ended

from .agents import AGENTS, Agent, AgentLaptop
from .fake_llm import FakeLLM
from .install import install

collect_ignore = [] if os.environ.get("REAL_AGENTS") else ["test_real_agents.py"]

TAIL_LINES = 40

_GROUND = pytest.StashKey[Ground]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of the logs of plane, daemon and agents to the report of a test that failed."""
    report = yield
    ground = item.config.stash.get(_GROUND, None)
    if report.failed and ground is not None:
        for log in sorted(ground.folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            if lines:
                report.sections.append((f"end of {log.relative_to(ground.folder)}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def llm() -> Iterator[FakeLLM]:
    """The model that all agents speak to. A failed install fails every test, by its own words."""
    install()
    made = FakeLLM()
    yield made
    made.close()


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One plane for all agents. What outlives the tests is killed, and fails the last of them."""
    ground = Ground(tmp_path_factory.mktemp("agents"))
    request.config.stash[_GROUND] = ground
    made = House(ground, "house")
    yield made
    made.stop()
    left = running(ground.mark, ground.folder)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        until_ended(pid)
    assert left == {}, "processes outlived the tests (and were killed now)"


@pytest.fixture(scope="module", params=AGENTS, ids=lambda agent: agent.id)
def laptop(request: pytest.FixtureRequest, house: House, llm: FakeLLM) -> Iterator[AgentLaptop]:
    """A laptop on which one real agent is installed, its daemon online."""
    agent: Agent = request.param
    made = AgentLaptop(house, agent, llm.url)
    made.start()
    yield made
    made.stop()
