"""Which agents there are, and what of the environment they get."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mooring.providers.acp_registry import Registry, read_registry, snapshot
from mooring.providers.registry import (
    AgentOverride,
    Detected,
    Pin,
    arguments_of,
    canonical,
    child_env,
    detect,
    name_of,
    pin_of,
    variables_of,
)


@pytest.fixture
def programs(tmp_path: Path) -> str:
    for name in ("claude-agent-acp", "gemini", "my-agent"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    (tmp_path / "opencode").write_text("not executable")
    return str(tmp_path)


ECHO = Detected("echo", (sys.executable, "-m", "mooring.echo_agent"), "daemon")


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
        Detected("claude-acp", (f"{programs}/my-agent",), "configuration"),
        Detected("codex-acp", (f"{programs}/my-agent", "serve"), "configuration"),
        Detected("gemini", (f"{programs}/gemini", "--acp", "--debug")),
        Detected("echo", (*ECHO.command, "-v"), "daemon"),
        Detected("mine", (f"{programs}/my-agent", "--stdio"), "configuration"),
    ]


def test_an_echo_of_the_owners_own_is_not_replaced_by_ours(programs: str) -> None:
    assert "echo" not in {found.id for found in detect(programs, {"echo": AgentOverride(command="not-there")})}


@pytest.mark.parametrize(
    ("agent_id", "id_"),
    [
        ("claude-code-acp", "claude-acp"),
        ("claude-agent-acp", "claude-acp"),
        ("codex-cli", "codex-acp"),
        ("codex-acp-bridge", "codex-acp"),
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


REGISTRY = read_registry(
    b"""{"agents": [
    {"id": "claude-acp", "name": "Claude", "version": "9", "distribution": {"npx": {"package": "@x/other@9.0.0"}}},
    {"id": "qwen-code", "name": "Qwen Code", "version": "1",
     "distribution": {"npx": {"package": "@q/qwen@1.2.3", "args": ["--acp"]}}},
    {"id": "goose", "name": "goose", "version": "1",
     "distribution": {"binary": {"linux-x86_64": {"cmd": "./bin/goose", "args": ["acp"]}}}},
    {"id": "bare", "name": "Bare", "version": "1", "distribution": {"npx": {"package": "bare"}}}
    ]}"""
)


def test_what_was_installed_for_the_daemon_counts_above_the_path_and_below_the_configuration(programs: str) -> None:
    """Catches an update of the user's own agent that changes what was pinned for the daemon, or the other way round."""
    own = {"gemini": (f"{programs}/my-agent", "--acp"), "opencode": ("/gone/opencode", "acp")}
    found = {one.id: one for one in detect(programs, {"claude-acp": AgentOverride(command="my-agent")}, own)}
    assert found["gemini"] == Detected("gemini", (f"{programs}/my-agent", "--acp"), "own")
    assert found["claude-acp"].source == "configuration"
    assert "opencode" not in found
    given = {"gemini": AgentOverride(command="gemini"), "mine": AgentOverride(command="my-agent")}
    assert [one.source for one in detect(programs, given, own) if one.id == "gemini"] == ["configuration"]
    turned = detect(programs, {"gemini": AgentOverride(args=("-x",))}, own)
    assert Detected("gemini", (f"{programs}/my-agent", "-x"), "own") in turned


def test_the_registrys_agents_are_found_on_the_path_by_their_programs(tmp_path: Path) -> None:
    """Catches an agent of the registry that is here and not offered, and the registry's word above our own."""
    for name in ("goose", "qwen", "other", "bare", "claude-agent-acp"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert detect(str(tmp_path), {}, registry=REGISTRY) == [
        Detected("claude-acp", (f"{tmp_path}/claude-agent-acp",)),
        ECHO,
        Detected("qwen-code", (f"{tmp_path}/qwen", "--acp")),
        Detected("goose", (f"{tmp_path}/goose", "acp")),
    ]


def test_a_package_is_pinned_by_us_or_named_by_the_registry() -> None:
    """Catches an installation of a version that nobody has tried where one was, or of no version at all."""
    claude = pin_of("claude-acp", REGISTRY)
    assert claude is not None
    assert (claude.package, claude.version) == ("@agentclientprotocol/claude-agent-acp", "0.100.0")
    assert pin_of("qwen-code", REGISTRY) == Pin("@q/qwen", "1.2.3")
    assert [pin_of(one, REGISTRY) for one in ("goose", "bare", "echo", "mine")] == [None] * 4
    assert arguments_of("gemini", REGISTRY) == arguments_of("qwen-code", REGISTRY) == ("--acp",)
    assert arguments_of("goose", REGISTRY) == arguments_of("claude-acp", REGISTRY) == ()


def test_agents_have_the_names_that_people_know() -> None:
    """Catches a list of ids where people look for names."""
    named = [name_of(one) for one in ("claude-code-acp", "gemini", "echo", "mine")]
    assert named == ["Claude Agent", "Gemini CLI", "Echo", "mine"]
    assert name_of("qwen-code", Registry(agents=())) == "qwen-code"


def test_every_agent_of_ours_is_one_of_the_registrys() -> None:
    """Catches an id of ours under which nobody else knows the agent."""
    known = {one.id for one in snapshot().agents}
    assert {canonical(one) for one in ("claude-code-acp", "codex-cli", "gemini-cli", "opencode")} <= known


def test_a_service_is_given_what_is_set_of_what_its_agents_may_see() -> None:
    """Catches a variable that is handed on although no agent may see it, and one that an agent lacks."""
    env = {**DAEMON, "OPENAI_BASE_URL": ""}
    assert variables_of(["codex-cli", "opencode", "echo"], env) == {
        "": ("PATH", "https_proxy", "NODE_EXTRA_CA_CERTS"),
        "codex-acp": ("OPENAI_API_KEY", "CODEX_HOME"),
        "opencode": ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENCODE_CONFIG"),
        "echo": (),
    }
