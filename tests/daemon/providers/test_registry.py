"""Which agents there are, and what of the environment they get."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mooring.providers.registry import AgentOverride, Detected, canonical, child_env, detect


@pytest.fixture
def programs(tmp_path: Path) -> str:
    for name in ("claude-agent-acp", "gemini", "my-agent"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    (tmp_path / "opencode").write_text("not executable")
    return str(tmp_path)


ECHO = Detected("echo", (sys.executable, "-m", "mooring.echo_agent"))


def test_agents_on_the_path_are_detected_and_echo_always(programs: str) -> None:
    assert detect(programs, {}) == [
        Detected("claude-acp", (f"{programs}/claude-agent-acp",)),
        Detected("gemini", (f"{programs}/gemini", "--acp")),
        ECHO,
    ]


def test_a_configuration_gives_other_commands_and_other_agents(programs: str) -> None:
    overrides = {
        "claude-code-acp": AgentOverride(command="my-agent"),
        "gemini": AgentOverride(args=("--acp", "--debug")),
        "codex-acp": AgentOverride(command=f"{programs}/my-agent", args=("serve",)),
        "mine": AgentOverride(command="my-agent", args=("--stdio",)),
        "gone": AgentOverride(command="not-there"),
        "empty": AgentOverride(),
        "echo": AgentOverride(args=("-v",)),
    }
    assert detect(programs, overrides) == [
        Detected("claude-acp", (f"{programs}/my-agent",)),
        Detected("codex-acp", (f"{programs}/my-agent", "serve")),
        Detected("gemini", (f"{programs}/gemini", "--acp", "--debug")),
        Detected("echo", (*ECHO.command, "-v")),
        Detected("mine", (f"{programs}/my-agent", "--stdio")),
    ]


def test_an_echo_of_the_owners_own_is_not_replaced_by_ours(programs: str) -> None:
    assert "echo" not in {found.id for found in detect(programs, {"echo": AgentOverride(command="not-there")})}


@pytest.mark.parametrize(
    ("agent_id", "id_"),
    [
        ("claude-code-acp", "claude-acp"),
        ("claude-agent-acp", "claude-acp"),
        ("codex-cli", "codex-acp"),
        ("gemini-cli", "gemini"),
        ("opencode", "opencode"),
        ("mine", "mine"),
    ],
)
def test_aliases_have_one_id(agent_id: str, id_: str) -> None:
    assert canonical(agent_id) == id_


DAEMON = {
    "PATH": "/bin",
    "LC_ALL": "C",
    "XDG_CONFIG_HOME": "/c",
    "https_proxy": "http://p",
    "NODE_EXTRA_CA_CERTS": "/ca",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "MOOR_TOKEN": "moor",
    "SHELL": "() { :; }",
    "ANTHROPIC_API_KEY": "a",
    "OPENAI_API_KEY": "o",
    "GEMINI_API_KEY": "g",
    "OPENCODE_CONFIG": "c",
    "CODEX_HOME": "h",
    "CLAUDECODE": "1",
    "CLAUDE_CODE_ENTRYPOINT": "cli",
    "CLAUDE_CODE_SSE_PORT": "1",
}
PLAIN = {"PATH", "LC_ALL", "XDG_CONFIG_HOME", "https_proxy", "NODE_EXTRA_CA_CERTS"}


@pytest.mark.parametrize(
    ("agent_id", "keys"),
    [
        ("claude-acp", {"ANTHROPIC_API_KEY"}),
        ("claude-code-acp", {"ANTHROPIC_API_KEY"}),
        ("codex-acp", {"OPENAI_API_KEY", "CODEX_HOME"}),
        ("gemini", {"GEMINI_API_KEY"}),
        ("opencode", {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENCODE_CONFIG"}),
        ("echo", set()),
        ("mine", set()),
    ],
)
def test_a_child_gets_the_plain_variables_and_its_own_providers_keys(agent_id: str, keys: set[str]) -> None:
    assert set(child_env(agent_id, DAEMON, {})) == PLAIN | keys


def test_what_is_set_on_purpose_wins_but_for_the_parent_sessions_marks() -> None:
    extra = {"PATH": "/mine", "MY_VARIABLE": "x", "CLAUDECODE": "1", "CLAUDE_CODE_SSE_PORT": "9"}
    env = child_env("claude-acp", {**DAEMON, "CLAUDE_CODE_OAUTH_TOKEN": "t"}, extra)
    assert (env["PATH"], env["MY_VARIABLE"], env["CLAUDE_CODE_OAUTH_TOKEN"]) == ("/mine", "x", "t")
    assert not {"CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT"} & set(env)
