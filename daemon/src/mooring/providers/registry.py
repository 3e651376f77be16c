"""Which agents there are, how each is started, and what of the daemon's environment its child gets.

An agent's id is what an agent's definition binds to: the ACP registry's. What is known here of some of them lies over
what the registry says. The laptop's owner may give other commands for the known ids, or add ids of any agent that
speaks ACP, in the configuration (``[agents.<id>]``: command, args, env). What they have configured counts above what
was installed for the daemon alone, and that above what is on the PATH.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from .acp_registry import Registry, snapshot

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

_PROGRAMS: Final[Mapping[str, str]] = MappingProxyType(
    {"auggie": "auggie", "cline": "cline", "github-copilot-cli": "copilot", "kilo": "kilo", "qwen-code": "qwen"}
)
"""The program in a package of the registry's; its arguments are the registry's."""

_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "claude-code-acp": "claude-acp",
        "claude-agent-acp": "claude-acp",
        "codex-cli": "codex-acp",
        "codex-acp-bridge": "codex-acp",
        "gemini-cli": "gemini",
    }
)


@dataclass(frozen=True)
class Pin:
    """The npm package that brings an agent.

    Attributes:
        version: the one that this daemon was tried with.
        has_script: it does not work before its own script (not those of what it needs) has run.
    """

    package: str
    version: str
    has_script: bool = False


_PINS: Final[Mapping[str, Pin]] = MappingProxyType(
    {
        "claude-acp": Pin("@agentclientprotocol/claude-agent-acp", "0.100.0"),
        "codex-acp": Pin("@agentclientprotocol/codex-acp", "2.6.0"),
        "gemini": Pin("@google/gemini-cli", "0.61.0"),
        # Its script puts the program for this platform where its package says that it is.
        "opencode": Pin("opencode-ai", "1.18.33", has_script=True),
    }
)

_NETWORK: Final = (
    # The way out of the network, and whom to trust there.
    ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy")
    + ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
)

_PASSED: Final = frozenset(
    # The user and the terminal.
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR")
    + _NETWORK
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


Source = Literal["configuration", "own", "path", "daemon"]
"""Where an agent is from: the owner's configuration, ``moor agents install``, the PATH, or the daemon's own wheel."""


@dataclass(frozen=True)
class Detected:
    """An agent that can be started: its canonical id, and its command with the program's full path."""

    id: str
    command: tuple[str, ...]
    source: Source = "path"


def canonical(agent_id: str) -> str:
    """Returns the id under which an agent is known here; one that is not known is its own."""
    return _ALIASES.get(agent_id, agent_id)


def name_of(agent_id: str, registry: Registry | None = None) -> str:
    """Returns what people call an agent; an agent that nobody knows is called by its id."""
    entry = (registry or snapshot()).entry(canonical(agent_id))
    return entry.name if entry else "Echo" if agent_id == "echo" else agent_id


def pin_of(agent_id: str, registry: Registry) -> Pin | None:
    """Returns the npm package of an agent; None = it does not come from npm, as far as is known."""
    if (pin := _PINS.get(agent_id)) is not None:
        return pin
    entry = registry.entry(agent_id)
    if entry is None or entry.distribution.npx is None:
        return None
    package, _, version = entry.distribution.npx.package.rpartition("@")
    return Pin(package, version) if package else None


def arguments_of(agent_id: str, registry: Registry) -> tuple[str, ...]:
    """Returns the arguments with which an agent's program speaks ACP."""
    if agent_id in _COMMANDS:
        return _COMMANDS[agent_id][1:]
    entry = registry.entry(agent_id)
    return entry.distribution.npx.args if entry and entry.distribution.npx else ()


def detect(
    path_env: str | None,
    overrides: Mapping[str, AgentOverride],
    own: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    registry: Registry | None = None,
) -> list[Detected]:
    """Returns the agents whose program is there, known ones first.

    Args:
        path_env: where to look, as in PATH; None = the daemon's own.
        overrides: by agent id; aliases count for their agent.
        own: the commands of those installed for the daemon alone, by id.
        registry: which other agents there are; None = the snapshot's.
    """
    given = {canonical(agent_id): override for agent_id, override in overrides.items()}
    commands = {**_COMMANDS, **_commands_in(registry or snapshot())}
    found = []
    for agent_id in {**commands, **own, **given}:
        override = given.get(agent_id)
        is_own = agent_id in own and (override is None or override.command is None)
        known = own[agent_id] if is_own else commands.get(agent_id, ())
        if (command := _command(agent_id, known, override, path_env)) is not None:
            found.append(Detected(agent_id, command, _source(agent_id, override, is_own=is_own)))
    return found


def variables_of(agent_ids: Iterable[str], env: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Returns the names in an environment that a service has to be given for each agent's sake, under its id.

    Under "" are those for all agents: the PATH, the way out of the network and whom to trust there.
    """
    found = {"": tuple(name for name in ("PATH", *_NETWORK) if env.get(name))}
    for agent_id in map(canonical, agent_ids):
        prefixes = _KEY_PREFIXES.get(agent_id, ())
        named = [name for name in _KEYS.get(agent_id, ()) if env.get(name)]
        named += sorted(name for name in env if prefixes and name.startswith(prefixes) and env[name])
        found[agent_id] = tuple(named)
    return found


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


def _commands_in(registry: Registry) -> dict[str, tuple[str, ...]]:
    """The commands of the registry's agents of which nothing better is known."""
    found = {}
    for entry in registry.agents:
        if entry.id in _PROGRAMS and entry.distribution.npx:
            found[entry.id] = (_PROGRAMS[entry.id], *entry.distribution.npx.args)
        elif entry.program:
            found[entry.id] = entry.program
    return {agent_id: command for agent_id, command in found.items() if agent_id not in _COMMANDS}


def _command(
    agent_id: str, known: tuple[str, ...], override: AgentOverride | None, path_env: str | None
) -> tuple[str, ...] | None:
    program, *args = known or ("",)
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


def _source(agent_id: str, override: AgentOverride | None, *, is_own: bool) -> Source:
    if override is not None and override.command is not None:
        return "configuration"
    if is_own:
        return "own"
    return "daemon" if agent_id == "echo" else "path"
