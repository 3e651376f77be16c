"""What ``hello`` says of the laptop's skills, and which agents can be kept from them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mooring.commands.daemon import _facts
from mooring.daemon.agents import Agents
from mooring.daemon.local_skills import hide, local_skills, reported_skills
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.errors import MoorError
from mooring.wire.codec import encode
from mooring.wire.frames import Hello
from mooring.wire.ids import OutboxId, RuntimeId
from mooring.wire.limits import MAX_MESSAGE_BYTES
from tests.daemon.skill_home import ClaudeHome, skill


@pytest.fixture
def agents(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """Three agents in the home of a person who has one skill for all and one for Claude alone."""
    claude = ClaudeHome(tmp_path / "person", tmp_path / "claude")
    claude.skill("audit", "Look closely.")
    skill(tmp_path / "person" / ".agents" / "skills" / "shared")
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    here = AgentConfig(command="/bin/sh")
    config = {"claude-code-acp": AgentConfig(command="/bin/sh", env=claude.env), "codex-acp": here, "gemini": here}
    monkeypatch.setenv("PATH", str(tmp_path))
    return Agents(Config(agents=config), home)


def test_each_agents_skills_are_told_from_where_its_own_child_would_look(agents: Agents) -> None:
    """Catches skills of the daemon's home that its child never sees, and agents without any that are told of."""
    told = local_skills(agents).skills
    assert {agent: [one.id for one in skills] for agent, skills in told.items()} == {
        "claude-acp": ["audit"],
        "codex-acp": ["shared"],
        "gemini": ["shared"],
    }
    assert list(local_skills(agents, ["claude-code-acp"]).skills) == ["claude-acp"]


def test_a_hello_has_them_as_they_are_now_and_fits_whatever_lies_there(
    agents: Agents, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches a hello that is never answered for its size, and one that tells what was there at the start."""
    assert [one.id for one in _facts(agents).local_skills["claude-acp"]] == ["audit"]
    for number in range(300):
        skill(tmp_path / "person" / ".agents" / "skills" / f"{'s' * 90}{number}", "word " * 200)
    facts = _facts(agents)
    counts = {agent: len(skills) for agent, skills in facts.local_skills.items()}
    assert counts["claude-acp"] == 1
    assert 50 < counts["codex-acp"] == counts["gemini"] < 200
    hello = Hello(
        runtime_id=RuntimeId("rt_1"), instance="i", seq=1, outbox=OutboxId("o"), **msgspec.structs.asdict(facts)
    )
    assert len(encode(hello)) < MAX_MESSAGE_BYTES / 2
    reported_skills(agents)
    assert "agent=codex-acp" in caplog.text
    assert "are not reported: there are too many" in caplog.text


@pytest.mark.parametrize("agent_id", ["claude-acp", "codex-acp", "gemini", "opencode", "echo", "mine"])
def test_without_a_blocklist_nothing_is_done(agent_id: str, tmp_path: Path) -> None:
    assert hide(agent_id, (), {"HOME": str(tmp_path)}, tmp_path / "session") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("agent_id", "blocked", "is_refused"),
    [
        ("gemini", ("shared", "other"), True),
        ("gemini", ("other",), False),
        ("mine", ("other",), True),
        ("echo", ("shared",), False),
        ("codex-acp", ("shared",), False),
        ("opencode", ("shared",), False),
    ],
)
def test_an_agent_that_can_not_be_kept_from_a_skill_is_not_started(
    agents: Agents, tmp_path: Path, agent_id: str, blocked: tuple[str, ...], is_refused: bool
) -> None:
    """Catches a session in which what should be hidden is shown, and one refused for a skill that nobody has."""
    env = {"HOME": str(tmp_path / "person")}
    if not is_refused:
        assert hide(agent_id, blocked, env, tmp_path / "session") == {}
        return
    with pytest.raises(MoorError) as caught:
        hide(agent_id, blocked, env, tmp_path / "session")
    assert caught.value.code == "blocklist_unsupported"
    assert ("other" in caught.value.message, agent_id in caught.value.message) == (agent_id == "mine", True)


def test_claude_gets_a_configuration_in_the_sessions_folder(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home")
    home.skill("audit")
    added = hide("claude-acp", ("audit",), home.env, tmp_path / "session")
    assert added["CLAUDE_CONFIG_DIR"] == str(tmp_path / "session" / ".claude-config")
    assert list((tmp_path / "session" / ".claude-config" / "skills").iterdir()) == []
