"""``moor skills list``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mooring.cli import main
from mooring.edge.creds import Paths
from tests.daemon.skill_home import ClaudeHome, skill


@pytest.fixture
def person(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeHome:
    """A person with Claude Code and Codex, of whose programs a shell takes the place."""
    made = ClaudeHome(tmp_path / "person")
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    home.home.mkdir()
    home.config.write_text('[agents.claude-acp]\ncommand = "/bin/sh"\n[agents.codex-acp]\ncommand = "/bin/sh"\n')
    return made


def test_skills_are_listed_by_agent_as_the_plane_is_told_of_them(
    person: ClaudeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a list that names other ids than a blocklist needs."""
    person.install("tools", skills=["lint"])
    skill(person.home / ".agents" / "skills" / "audit", "Look closely.")
    assert main(["skills", "list", "--json"]) == 0
    claudes = {"id": "tools:lint", "name": "lint", "description": "tools lint", "source": "plugin:tools@shop"}
    codexs = {"id": "audit", "name": "audit", "description": "Look closely.", "source": "agents"}
    told = {"claude-acp": [claudes], "codex-acp": [codexs]}
    assert json.loads(capsys.readouterr().out) == {"skills": told, "left_out": {}, "shortened": []}
    assert main(["skills", "list", "--agent", "codex-cli"]) == 0
    assert [line.split("\t") for line in capsys.readouterr().out.splitlines()][-1] == [
        *("audit", "codex-acp", "agents", "Look closely.")
    ]


def test_no_skill_too_many_and_an_agent_that_is_not_there(
    person: ClaudeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["skills", "list"]) == 0
    assert capsys.readouterr().out == "No agent finds a skill here.\n"
    for number in range(201):
        person.skill(f"s{number}")
    assert main(["skills", "list"]) == 0
    assert "claude-acp: 1 more are not reported" in capsys.readouterr().out
    assert main(["skills", "list", "--agent", "gemini"]) == 1
    assert "agent_not_found" in capsys.readouterr().err
