"""Which tool a call is of, in the words of permission policies, as far as an agent tells that on purpose.

============  ==============================================================================================
agent         how it is told
============  ==============================================================================================
claude-acp    By name, in ``_meta``.
codex-acp     It has a shell and patches, and says which by the kind; its calls of MCP servers, which have the shell's
              kind, are marked in ``_meta``, with server and tool in the arguments.
gemini        By name, before the call's id.
opencode      By name, as the title of a call that is only announced, and by the kind.
others        By name, in ``_meta``; without one nothing is known.
============  ==============================================================================================

What else stands in a title is the model's: a command that is called ``read`` is no reading. Nobody's kind is believed
but that of the agents above.
Source: the adapters' own code: claude-agent-acp 0.100, codex-acp 2.6, Gemini CLI 0.61, OpenCode 1.18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

from ..core.permissions import plain

_TOOLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("Bash", "bash", "run_shell_command"), "bash"),
        **dict.fromkeys(("Edit", "MultiEdit", "NotebookEdit", "edit", "replace"), "edit"),
        **dict.fromkeys(("Write", "write", "write_file"), "write"),
        **dict.fromkeys(("Read", "read", "read_file", "read_many_files", "list_directory"), "read"),
        **dict.fromkeys(("Glob", "glob"), "glob"),
        **dict.fromkeys(("Grep", "grep", "grep_search"), "grep"),
        **dict.fromkeys(("WebFetch", "webfetch", "web_fetch"), "web_fetch"),
        **dict.fromkeys(("WebSearch", "websearch", "google_web_search", "web_search"), "web_search"),
    }
)
"""What agents call the tools that policies name."""

_KINDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "execute": frozenset({"bash"}),
        "edit": frozenset({"edit", "write"}),
        "read": frozenset({"read"}),
        "search": frozenset({"glob", "grep", "web_search"}),
        "fetch": frozenset({"web_fetch", "web_search"}),
    }
)
"""The tools that a call of an ACP kind may be of."""

_UNKNOWN: Final[frozenset[str]] = frozenset()


class Known(Protocol):
    """What is known of a call.

    Attributes:
        kind: as ACP has it.
        told: see ``told_name``.
        announced: the title with which it was announced, before there was anything to put into it.
        input: its arguments.
    """

    kind: str
    told: str | None
    announced: str | None
    input: dict[str, Any]


def told_name(agent_id: str, update: Mapping[str, Any]) -> str | None:
    """Returns the name of a call's tool where the agent tells it on purpose; None = it does not.

    ACP has no field for it.
    """
    if agent_id == "gemini":
        name, is_there, _ = str(update.get("toolCallId")).partition("__")
        return name if is_there and name else None
    meta = update.get("_meta")
    if not isinstance(meta, Mapping):
        return None
    if agent_id == "codex-acp" and meta.get("is_mcp_tool_call") is True:
        arguments = update.get("rawInput")
        server, tool = map(arguments.get, ("server", "tool")) if isinstance(arguments, Mapping) else (None, None)
        return f"mcp__{server}__{tool}"
    parts = (meta, *(value for value in meta.values() if isinstance(value, Mapping)))
    names = (part.get("toolName") for part in parts)
    return next((name for name in names if isinstance(name, str) and name), None)


def tools_of(agent_id: str, call: Known, servers: Sequence[str]) -> frozenset[str]:
    """Returns the tools that a call may be of, as policies name them; empty = nothing is known of it.

    Args:
        agent_id: canonical id.
        call: what is known of it.
        servers: names of the session's MCP servers.
    """
    told, announced = call.told or "", call.announced or ""
    if told.startswith("mcp__"):
        return frozenset({plain(told)})
    match agent_id:
        case "codex-acp":
            is_plain = call.kind == "edit" or (call.kind == "execute" and "command" in call.input)
            return _KINDS[call.kind] if is_plain else _UNKNOWN
        case "gemini":
            return _of_server(told.removeprefix("mcp_"), servers) if told.startswith("mcp_") else _named(told)
        case "opencode":
            may_be = _KINDS.get(call.kind, _UNKNOWN)
            return (may_be & _named(announced)) or may_be or _of_server(announced, servers)
        case _:
            return _named(told)


def _named(name: str) -> frozenset[str]:
    return frozenset({_TOOLS[name]}) if name in _TOOLS else _UNKNOWN


def _of_server(name: str, servers: Sequence[str]) -> frozenset[str]:
    """The tools of MCP servers that ``<server>_<tool>`` may mean."""
    name, plain_servers = plain(name), map(plain, servers)
    found = {server: name.removeprefix(f"{server}_") for server in plain_servers if name.startswith(f"{server}_")}
    return frozenset(f"mcp__{server}__{tool}" for server, tool in found.items())
