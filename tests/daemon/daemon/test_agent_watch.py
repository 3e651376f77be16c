"""The watch over the agents: each is greeted once per version, nobody waits for it, and what is new is said."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mooring.daemon.agent_watch import AgentWatch, look_at, needing
from mooring.daemon.agents import Agents
from mooring.edge.agent_facts import keep_facts, read_facts
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.wire.frames import AgentMeasures, AgentReport
from tests.daemon.providers.scripted import environment, nobody_left, script

__all__ = ["nobody_left"]

GOOD = """
open("../../count", "a").write("x")
serve(None, {"loadSession": True}, initialize=lambda m: reply(m, protocolVersion=1, agentInfo={"name": "a",
      "version": "2.0"}, agentCapabilities={"loadSession": True}))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home, with no agent on the PATH; what is thrown away afterwards is thrown away in the test's folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Paths(tmp_path / "home")


def agents_of(home: Paths, folder: Path, body: str = GOOD) -> Agents:
    """One agent of the kit's words."""
    command, *args = script(folder, body)
    env = {name: value for name, value in environment().items() if name != "PATH"}
    return Agents(Config(agents={"mine": AgentConfig(command=command, args=tuple(args), env=env)}), home)


def mine(agents: Agents) -> AgentReport:
    return next(one for one in agents.reports() if one.id == "mine")


def watched(agents: Agents, scene: Callable[[AgentWatch, asyncio.Queue[AgentReport]], Awaitable[None]]) -> None:
    """Runs a watch beside a scene, which gets what is said of the agent at each news."""

    async def whole() -> None:
        news: asyncio.Queue[AgentReport] = asyncio.Queue()
        watch = AgentWatch(agents, lambda: news.put_nowait(mine(agents)))
        async with asyncio.timeout(60), watch.beside():
            await scene(watch, news)

    asyncio.run(whole())


def test_an_agent_is_greeted_in_the_background_and_what_it_says_is_news(home: Paths, tmp_path: Path) -> None:
    """Catches a start that waits for an agent, and capabilities that the plane hears at the next connection only."""
    agents = agents_of(home, tmp_path)

    async def scene(watch: AgentWatch, news: asyncio.Queue[AgentReport]) -> None:
        assert mine(agents).capabilities is None
        said = await news.get()
        assert said.capabilities is not None
        assert (said.version, said.capabilities.load, said.problem) == ("2.0", True, "")

    watched(agents, scene)
    assert needing(agents, problems=True) == []
    assert (tmp_path / "count").read_text() == "x"
    assert [path.name for path in tmp_path.glob("moor-agent-*")] == []


def test_an_agent_is_greeted_once_for_all_daemons_and_again_when_it_is_another(home: Paths, tmp_path: Path) -> None:
    """Catches an agent that is started at each hello, and an update that nobody notices."""
    agents = agents_of(home, tmp_path)
    asyncio.run(look_at(agents, agents.found("mine")))

    async def scene(watch: AgentWatch, news: asyncio.Queue[AgentReport]) -> None:
        watch.look()
        assert (await news.get()).version == "2.0"
        assert (tmp_path / "count").read_text() == "x"
        (tmp_path / "agent.py").write_text((tmp_path / "agent.py").read_text().replace("2.0", "2.1.0"))
        watch.look()
        while (await news.get()).version != "2.1.0":
            pass

    watched(agents, scene)
    assert (tmp_path / "count").read_text() == "xx"


def test_an_agent_that_did_not_answer_is_told_and_greeted_again(home: Paths, tmp_path: Path) -> None:
    """Catches an agent that stays out of order for ever because something was missing once."""
    agents = agents_of(home, tmp_path, "if not os.path.exists('../../there'): sys.exit(5)\n" + GOOD.strip())

    async def scene(watch: AgentWatch, news: asyncio.Queue[AgentReport]) -> None:
        said = await news.get()
        assert "status 5" in said.problem
        (tmp_path / "there").touch()
        watch.look()
        while (said := await news.get()).problem:
            pass
        assert said.version == "2.0"

    watched(agents, scene)


def test_a_stop_in_mid_greeting_leaves_nobody(home: Paths, tmp_path: Path) -> None:
    """Catches a daemon that can't end before a silent agent's time is up, and one that leaves it behind."""
    agents = agents_of(home, tmp_path, "open('../../count', 'w').close()\nfor _ in messages(): pass")

    async def scene(watch: AgentWatch, news: asyncio.Queue[AgentReport]) -> None:
        while not (tmp_path / "count").exists():
            await asyncio.sleep(0.01)

    watched(agents, scene)
    assert read_facts(home).get("mine") is None


def test_what_was_measured_stays_with_its_program(home: Paths, tmp_path: Path) -> None:
    """Catches a refresh that forgets what has cost money, and an update that inherits it."""
    agents = agents_of(home, tmp_path)
    facts = asyncio.run(look_at(agents, agents.found("mine")))
    measured = AgentMeasures(asks=False, at=5.0)
    keep_facts(home, "mine", replace(facts, measured=measured))
    asyncio.run(look_at(agents, agents.found("mine")))
    assert mine(agents).measured == measured
    (tmp_path / "agent.py").write_text((tmp_path / "agent.py").read_text() + "\n# another\n")
    asyncio.run(look_at(agents, agents.found("mine")))
    assert mine(agents).measured is None


def test_a_watch_that_fails_is_told_and_ends_nothing(
    home: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches a fault in looking at agents that ends the daemon, or is never heard of."""
    agents = agents_of(home, tmp_path)

    def fail() -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        async with AgentWatch(agents, fail).beside():
            while "not looked at any more" not in caplog.text:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert "ZeroDivisionError" in caplog.text
