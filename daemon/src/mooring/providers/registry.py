"""Which agents there are, how each is started, and what of the daemon's environment its child gets.

An agent's id is what an agent's definition binds to. The laptop's owner may give other commands for the known ids, or
add ids of any agent that speaks ACP, in the configuration (``[agents.<id>]``: command, args, env).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

NEVER: Final = frozenset(("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT"))
"""Set by a Claude Code that runs the daemon; a child that saw them would take itself for a part of that one."""

_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "claude-acp": ("claude-agent-acp",),
        "codex-acp": ("codex-acp",),
        "gemini": ("gemini", "--acp"),
        "opencode": ("opencode", "acp"),
        "echo": ("moor-echo-agent",),
    }
)

_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "claude-code-acp": "claude-acp",
        "claude-agent-acp": "claude-acp",
        "codex-cli": "codex-acp",
        "gemini-cli": "gemini",
    }
)

_PASSED: Final = frozenset(
    # The user and the terminal.
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR")
    # The way out of the network, and whom to trust there.
    + ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy")
    + ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    # Windows: programs do not start without some of these.
    + ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE")
    + ("HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROCESSOR_ARCHITECTURE")
)

_PASSED_PREFIXES: Final = ("LC_", "XDG_")

_KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "claude-acp": (
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_OAUTH_TOKEN",
        ),
        "codex-acp": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_API_KEY", "CODEX_HOME"),
        "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GEMINI_CLI_TRUST_WORKSPACE"),
        # OpenCode speaks to any model: whose keys it needs is in its own configuration.
        "opencode": ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY"),
    }
)

_KEY_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"opencode": ("OPENCODE_",)})


@dataclass(frozen=True)
class AgentOverride:
    """What the laptop's configuration says of an agent.

    Attributes:
        command: a program in place of the known one; None = the known one.
        args: its arguments; None = the known ones, or none if ``command`` is given.
        env: variables for the child.
    """

    command: str | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Detected:
    """An agent that can be started: its canonical id, and its command with the program's full path."""

    id: str
    command: tuple[str, ...]


def canonical(agent_id: str) -> str:
    """Returns the id under which an agent is known here; one that is not known is its own."""
    return _ALIASES.get(agent_id, agent_id)


def detect(path_env: str | None, overrides: Mapping[str, AgentOverride]) -> list[Detected]:
    """Returns the agents whose program is there, known ones first.

    Args:
        path_env: where to look, as in PATH; None = the daemon's own.
        overrides: by agent id; aliases count for their agent.
    """
    given = {canonical(agent_id): override for agent_id, override in overrides.items()}
    found = [(agent_id, _command(agent_id, given.get(agent_id), path_env)) for agent_id in {**_COMMANDS, **given}]
    return [Detected(agent_id, command) for agent_id, command in found if command is not None]


def child_env(agent_id: str, daemon_env: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Returns the whole environment of an agent's child.

    Args:
        agent_id: canonical or alias; decides whose keys are passed.
        daemon_env: the daemon's own environment, of which only what is listed here is passed.
        extra: what was set on purpose, by configuration or session; it wins, but for ``NEVER``.
    """
    agent_id = canonical(agent_id)
    names = _PASSED | set(_KEYS.get(agent_id, ()))
    prefixes = _PASSED_PREFIXES + _KEY_PREFIXES.get(agent_id, ())
    passed = {
        name: value
        for name, value in daemon_env.items()
        # Some shells export functions as variables; no agent needs them.
        if (name in names or name.startswith(prefixes)) and not value.startswith("()")
    }
    return {name: value for name, value in {**passed, **extra}.items() if name.upper() not in NEVER}


def _command(agent_id: str, override: AgentOverride | None, path_env: str | None) -> tuple[str, ...] | None:
    program, *args = _COMMANDS.get(agent_id, ("",))
    if override is not None and override.command is not None:
        program, args = override.command, []
    if override is not None and override.args is not None:
        args = list(override.args)
    if not program:
        return None
    if located := shutil.which(program, path=path_env):
        return (located, *args)
    if agent_id == "echo" and (override is None or override.command is None):
        # Ours comes with the daemon, whether or not its script is on the path of a service.
        return (sys.executable, "-m", "mooring.echo_agent", *args)
    return None
