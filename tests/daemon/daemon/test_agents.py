"""The agents of a laptop, as hello has them: what is here, and what was found out about just that program."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mooring.daemon.agents import Agents
from mooring.edge.agent_facts import AgentFacts, fingerprint, keep_facts
from mooring.edge.agent_places import Installed, keep_note, new_folder
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.errors import MoorError
from mooring.providers.acp_registry import snapshot
from mooring.wire.frames import AgentCapabilities, AgentMeasures


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home, and a PATH and a user's home that hold nothing but what a test puts there."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return Paths(tmp_path / "home")


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_hello_says_what_was_found_out_about_the_program_that_is_here(home: Paths, tmp_path: Path) -> None:
    """Catches facts of the version before an update, and a file or a variable whose value goes up."""
    gemini = program(tmp_path / "bin" / "gemini")
    agents = Agents(Config(), home)
    before = {one.id: one for one in agents.reports()}
    assert (before["gemini"].name, before["gemini"].login, before["gemini"].version) == ("Gemini CLI", "no", "")
    assert before["gemini"].never_asks == ("glob", "grep", "read", "web_search")
    facts = AgentFacts(
        program=fingerprint(agents.command("gemini")),
        at=1.0,
        version="0.61.0",
        capabilities=AgentCapabilities(load=True),
        measured=AgentMeasures(asks=True, at=2.0),
    )
    keep_facts(home, "gemini", facts)
    report = next(one for one in agents.reports() if one.id == "gemini")
    assert (report.version, report.capabilities, report.measured) == ("0.61.0", facts.capabilities, facts.measured)
    gemini.write_text("#!/bin/sh\n# an update\n")
    assert next(one for one in agents.reports() if one.id == "gemini") == before["gemini"]


def test_a_login_is_one_that_the_agents_child_will_have(home: Paths, tmp_path: Path) -> None:
    """Catches a login by a variable that the owner's configuration sets, or one that no child gets, told wrongly."""
    program(tmp_path / "bin" / "gemini")
    config = Config(agents={"gemini-cli": AgentConfig(env={"GEMINI_API_KEY": "secret-key"})})
    (report,) = (one for one in Agents(config, home).reports() if one.id == "gemini")
    assert report.login == "yes"
    assert b"secret" not in msgspec.json.encode(report)


def test_an_agent_that_was_installed_for_the_daemon_is_found_in_its_home(home: Paths, tmp_path: Path) -> None:
    """Catches an installation that nobody starts."""
    folder = new_folder(home, "gemini", "1")
    program(folder / "gemini")
    note = Installed(id="gemini", package="p", version="1", folder=folder.name, program="gemini", args=("--acp",))
    keep_note(home, note)
    agents = Agents(Config(), home)
    assert agents.found("gemini-cli").command == (str(folder / "gemini"), "--acp")
    assert agents.found("gemini").source == "own"
    with pytest.raises(MoorError, match="it has: echo, gemini") as caught:
        agents.found("opencode")
    assert caught.value.code == "agent_not_found"


def test_the_registrys_last_answer_counts_where_it_can_be_read(home: Paths, tmp_path: Path) -> None:
    """Catches a registry that was asked for nothing, and a broken copy of its answer that takes all agents away."""
    program(tmp_path / "bin" / "newcomer")
    home.home.mkdir()
    home.registry.write_text(
        '{"as_of": "2030-01-01", "agents": [{"id": "newcomer", "name": "New", "version": "1",'
        ' "distribution": {"binary": {"any": {"cmd": "./newcomer"}}}}]}'
    )
    agents = Agents(Config(), home)
    assert [(one.id, one.name) for one in agents.reports()] == [("echo", "Echo"), ("newcomer", "New")]
    home.registry.write_text("<html>")
    assert agents.registry is snapshot()
    assert [one.id for one in agents.reports()] == ["echo"]
