"""What the service is given of a shell's variables."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mooring.daemon.agent_env import save_variables, wanted_variables
from mooring.daemon.agents import Agents
from mooring.edge.config import Config
from mooring.edge.creds import Paths
from mooring.edge.env_file import read_env_file, write_env_file
from mooring.errors import MoorError

SHELL = {"PATH": "/bin", "GEMINI_API_KEY": "g", "OPENAI_API_KEY": "o", "AWS_SECRET_ACCESS_KEY": "a"}


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """A laptop with Gemini CLI."""
    (tmp_path / "gemini").write_text("#!/bin/sh\n")
    (tmp_path / "gemini").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Agents(Config(), Paths(tmp_path / "home"))


def test_the_service_gets_what_its_agents_may_see_and_keeps_what_it_had(agents: Agents) -> None:
    """Catches a key that no agent here may see, one that is lost the next time, and a file that others can read."""
    wanted = wanted_variables(agents, SHELL)
    assert wanted == {"": ("PATH",), "gemini": ("GEMINI_API_KEY",), "echo": ()}
    write_env_file(agents.where, {"GEMINI_API_KEY": "old", "GOOGLE_API_KEY": "kept"})
    assert save_variables(agents.where, wanted, SHELL) == ("GEMINI_API_KEY", "GOOGLE_API_KEY", "PATH")
    kept = {"GEMINI_API_KEY": "g", "GOOGLE_API_KEY": "kept", "PATH": "/bin"}
    assert read_env_file(agents.where) == kept
    assert stat.S_IMODE(agents.where.service_env.stat().st_mode) == 0o600


def test_one_agents_variables_can_be_asked_for_alone(agents: Agents) -> None:
    """Catches a question about one agent that is answered for all."""
    assert wanted_variables(agents, SHELL, "gemini-cli") == {"": ("PATH",), "gemini": ("GEMINI_API_KEY",)}
    with pytest.raises(MoorError, match="no agent 'codex-acp'"):
        wanted_variables(agents, SHELL, "codex-acp")
