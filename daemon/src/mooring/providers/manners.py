"""What known agents must be told, beyond ACP, so that they do as our permission policies and turn outcomes have it.

============  ==============================================================================================
agent         why
============  ==============================================================================================
claude-acp    Its owner's settings may begin a session in a mode that asks for little, and it never asks for commands
              that it takes to read only, nor for what those settings allow: ``ask`` rules count above both. A system
              prompt is appended by its adapter. It says why a turn fails as if that were an answer.
codex-acp     Its own default mode lets a second model decide in place of a person. In ``read-only`` whatever writes or
              reaches out has to be asked for; in ``workspace-write`` what leaves the folder, which ``always_allow``
              answers. An error of the model ends its turn like an answer, unless the client knows typed failures.
gemini        Its owner's settings may begin a session in a mode that asks for little.
opencode      It asks for nothing unless its configuration says so.
============  ==============================================================================================

Source: the adapters' own code: claude-agent-acp 0.100, codex-acp 2.6, Gemini CLI 0.61, OpenCode 1.18.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ..core.permissions import Permissions, Policy, plain
from .ports import ChildSpec

_MODES: Final[Mapping[tuple[str, Policy], str]] = MappingProxyType(
    {
        ("claude-acp", "always_ask"): "default",
        ("codex-acp", "always_ask"): "read-only",
        ("codex-acp", "always_allow"): "workspace-write",
        ("gemini", "always_ask"): "default",
    }
)

_CLAUDE_TOOLS: Final = ("Bash", "Edit", "NotebookEdit", "WebFetch", "WebSearch", "Write")
"""Claude's tools that change something or reach out."""

_CLAUDE_READERS: Final[Mapping[str, str]] = MappingProxyType({"glob": "Glob", "grep": "Grep", "read": "Read"})
"""Its other tools, which it is told to ask about only where a policy names them."""

_OPENCODE_RULES: Final = ("bash", "edit", "external_directory", "task")
"""OpenCode's permissions for the same. As objects they are merged into the owner's rules and leave the finer ones."""

_OPENCODE_READERS: Final = ("glob", "grep", "read")

_NEVER_ASKED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"codex-acp": ("glob", "grep", "read", "web_search"), "gemini": ("glob", "grep", "read", "web_search")}
)
"""Tools that an agent uses without asking, whatever it is told."""

_OPENCODE_ACTIONS: Final = ("codesearch", "webfetch", "websearch")
"""Those of its permissions that are one word; given an object it drops the whole configuration."""

_CODEX_CLIENT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        # Failures of a turn as data, not as text of an answer. The extension is named for the client it was made for.
        "jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}},
        # With that extension the adapter tells what a command puts out only to those who say that they listen.
        "terminal_output_delta": True,
    }
)


def session_mode(agent_id: str, policy: Policy) -> str | None:
    """Returns the session mode in which the agent keeps the policy; None = its own will do."""
    return _MODES.get((agent_id, policy))


def unasked(agent_id: str, permissions: Permissions) -> list[str]:
    """Returns the tools that are to be asked about by name and that this agent uses without asking."""
    return sorted(permissions.named.intersection(never_asked(agent_id)))


def never_asked(agent_id: str) -> tuple[str, ...]:
    """Returns the tools that the agent uses without asking, whatever it is told."""
    return _NEVER_ASKED.get(agent_id, ())


def variables(
    agent_id: str, permissions: Permissions, mcp_servers: Sequence[str], blocked_skills: Sequence[str] = ()
) -> dict[str, str]:
    """Returns the variables that bring an agent's child to ask what it has to, and to leave out some skills.

    Args:
        agent_id: canonical id.
        permissions: what holds.
        mcp_servers: names of the servers that the session gets.
        blocked_skills: names of the skills that it must not offer its model.
    """
    if agent_id == "codex-acp" and blocked_skills:
        off = [{"name": name, "enabled": False} for name in blocked_skills]
        return {"CODEX_CONFIG": json.dumps({"skills": {"config": off}})}
    if agent_id != "opencode":
        return {}
    rules: dict[str, Any] = {}
    if permissions.strictest == "always_ask":
        readers = [name for name in _OPENCODE_READERS if name in permissions.named]
        names = (*_OPENCODE_RULES, *readers, *(f"{plain(server)}_*" for server in mcp_servers))
        rules = {name: {"*": "ask"} for name in names} | dict.fromkeys(_OPENCODE_ACTIONS, "ask")
    # Its rules are patterns. No skill's name has a star in it, and such an entry must not hide all of them.
    if denied := [name for name in blocked_skills if not {"*", "?"}.intersection(name)]:
        rules["skill"] = dict.fromkeys(denied, "deny")
    return {"OPENCODE_PERMISSION": json.dumps(rules)} if rules else {}


def tells_arguments_late(agent_id: str) -> bool:
    """Returns whether the agent may tell what a call is given after it has asked whether it may be run."""
    return agent_id == "opencode"


def loads_at_once(agent_id: str) -> bool:
    """Returns whether the agent finds a conversation that began within the same minute of the clock.

    Gemini CLI names a conversation's file by the minute, and one that starts begins it anew.
    """
    return agent_id != "gemini"


def request_meta(spec: ChildSpec) -> dict[str, Any]:
    """Returns what goes into ``_meta`` of a session request."""
    if spec.agent_id != "claude-acp":
        return {}
    meta: dict[str, Any] = {}
    if spec.system_prompt:
        meta["systemPrompt"] = {"append": spec.system_prompt}
    if spec.permissions.strictest == "always_ask":
        readers = [rule for tool, rule in _CLAUDE_READERS.items() if tool in spec.permissions.named]
        rules = [*_CLAUDE_TOOLS, *readers, *(f"mcp__{plain(server.name)}" for server in spec.mcp_servers)]
        meta["claudeCode"] = {"options": {"settings": {"permissions": {"ask": rules}}}}
    return meta


def client_meta(agent_id: str) -> dict[str, Any]:
    """Returns what goes into ``_meta`` of the client's capabilities."""
    return dict(_CODEX_CLIENT) if agent_id == "codex-acp" else {}


def is_the_models(agent_id: str, update: Mapping[str, Any]) -> bool:
    """Returns whether the model said this piece of a message; otherwise the agent did, such as why the turn fails.

    Claude's own sentences have a random id, and those of its model have the model's.
    """
    return agent_id != "claude-acp" or str(update.get("messageId", "msg_")).startswith("msg_")


def failure_in(meta: object) -> Mapping[str, Any] | None:
    """Returns the typed failure in a ``_meta`` of the agent's: ``severity``, ``title``, ``category``; None = none."""
    found = meta
    for key in ("jetbrains", "air", "sessionFailure"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None
