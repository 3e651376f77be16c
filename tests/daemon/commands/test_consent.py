"""What setup does for agents only after a yes: their variables for the service, and measuring them."""

from __future__ import annotations

import stat
import sys
from typing import Any

import pytest

from mooring.commands import agents_probe
from mooring.commands.consent import offer_probe, offer_variables
from mooring.commands.result import Result, Screen
from mooring.daemon.agents import Agents
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths, make_home
from mooring.edge.env_file import read_env_file
from tests.daemon.shown import Shown

KEY = "sk-ant-secret"


@pytest.fixture
def agents(home: Paths, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """A laptop with Claude Code, in a shell that has its key."""
    make_home(home)
    for name in ("no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return Agents(Config(agents={"claude-acp": AgentConfig(command=sys.executable)}), home)


def test_variables_are_written_down_after_a_yes_and_named_but_never_shown(home: Paths, agents: Agents) -> None:
    """Catches a key that is printed, a file that others can read, and a question that comes again and again."""
    shown = Shown(asks=True, says=True)
    offer_variables(home, agents, shown)
    [question] = shown.questions
    assert "ANTHROPIC_API_KEY" in question
    assert "PATH" not in question
    assert KEY not in question + "".join(shown.texts)
    assert read_env_file(home) == {"ANTHROPIC_API_KEY": KEY}
    assert stat.S_IMODE(home.service_env.stat().st_mode) == 0o600
    offer_variables(home, agents, shown)
    assert len(shown.questions) == 1


def test_nothing_is_written_down_without_a_yes(home: Paths, agents: Agents) -> None:
    offer_variables(home, agents, Shown(asks=True, says=False))
    nobody = Shown()
    offer_variables(home, agents, nobody)
    assert nobody.questions == []
    assert "moor agents env --save" in nobody.texts[0]
    assert KEY not in nobody.texts[0]
    assert not home.service_env.exists()


@pytest.mark.parametrize(
    ("asks", "says", "probed"), [(True, True, ["claude-acp"]), (True, False, []), (False, True, [])]
)
def test_agents_are_measured_after_a_yes_that_knew_of_the_cost(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, asks: bool, says: bool, probed: list[str]
) -> None:
    """Catches a model that is paid for unasked."""
    asked: list[str] = []

    def probe(agent_id: str, screen: Screen, *, yes: bool) -> Any:
        asked.append(agent_id)
        return Result(0, ["measured"], {})

    monkeypatch.setattr(agents_probe, "run", probe)
    shown = Shown(asks=asks, says=says)
    offer_probe(agents, shown)
    assert asked == probed
    assert all("cost money" in question for question in shown.questions)
