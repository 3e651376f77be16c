"""Permissions: what an agent may do unasked, as its tools and its own word have it.

Tools are named as the Managed Agents API names those of its toolset, and as Claude names those of MCP servers:
``mcp__<server>`` for all of a server's, ``mcp__<server>__<tool>`` for one. Whoever can't tell a call's tool takes the
default, which is therefore the strictest of all that was said.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from .catalog import PermissionPolicy
from .errors import BadRequest
from .parsing import refused

AGENT_TOOLS: Final = ("bash", "edit", "glob", "grep", "read", "web_fetch", "web_search", "write")
"""The tools that a toolset's default is about. Source: Managed Agents API, ``agent_toolset_20260401``."""

_ACTS: Final = frozenset({"name", "type", "enabled", "permission_policy"})
"""The fields of a tool's configuration that mean something here."""


class Policies(Struct, frozen=True):
    """Which policy holds: for each tool that has one of its own, and for all other calls."""

    default: PermissionPolicy
    by_tool: dict[str, PermissionPolicy]


class PolicySaid(Struct, frozen=True):
    """A permission policy as the API writes it."""

    type: str


class _Common(Struct, frozen=True):
    enabled: bool | None = None
    permission_policy: PolicySaid | None = None


class _Own(_Common, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=128)]


class _Tool(Struct, frozen=True):
    type: str
    mcp_server_name: str = ""
    default_config: _Common | None = None
    configs: tuple[_Own, ...] = ()


def policies_of(tools: tuple[dict[str, Any], ...], said: PermissionPolicy | None) -> Policies:
    """The policies of an agent with these tools.

    Args:
        tools: as the API writes them.
        said: the agent's own word, which no tool may loosen; None without one. Then a tool of which nothing is said
            asks.

    Raises:
        BadRequest: ``unsupported_policy``; ``unsupported_field`` for what can't be asked of an ACP agent, such as doing
            without a tool; ``bad_tool`` for what is no tool.
    """
    found: list[PermissionPolicy] = [said] if said else []
    by_tool: dict[str, PermissionPolicy] = {}
    for index, one in enumerate(tools):
        tool = _read(one, f"tools[{index}]")
        if not is_toolset(tool.type):
            continue
        common = _policy_in(tool.default_config, said, f"tools[{index}].default_config")
        found.append(common or said or "always_ask")
        if common:
            names = [_name(tool, "")] if tool.mcp_server_name else AGENT_TOOLS
            by_tool |= dict.fromkeys(names, common)
        for place, config in enumerate(tool.configs):
            own = _policy_in(config, said, f"tools[{index}].configs[{place}]")
            if own:
                by_tool[_name(tool, config.name)] = own
                found.append(own)
    return Policies("always_allow" if set(found) == {"always_allow"} else "always_ask", by_tool)


def is_toolset(kind: str) -> bool:
    """Whether a tool of this type stands for several tools of an agent's or a server's."""
    return kind == "mcp_toolset" or kind.startswith("agent_toolset")


def known_policy(said: str | PolicySaid, where: str) -> PermissionPolicy:
    """A policy that is kept here.

    ``auto`` lets a model decide what is asked. No such model sits in the plane; asking always would leave an agent
    waiting for people where its maker wanted none, allowing always would be worse.

    Raises:
        BadRequest: ``unsupported_policy``.
    """
    match said.type if isinstance(said, PolicySaid) else said:
        case "always_ask":
            return "always_ask"
        case "always_allow":
            return "always_allow"
        case _:
            why = "A permission policy is 'always_ask' or 'always_allow'."
            raise BadRequest("unsupported_policy", why, field=where)


def _read(one: dict[str, Any], where: str) -> _Tool:
    try:
        tool = msgspec.convert(one, _Tool)
    except msgspec.ValidationError as exc:
        told = refused(exc, where)
        raise BadRequest("bad_tool", told.message, field=told.field) from exc
    if is_toolset(tool.type):
        _refuse_what_is_not_kept(one.get("default_config") or {}, f"{where}.default_config")
        for place, config in enumerate(one.get("configs") or ()):
            _refuse_what_is_not_kept(config, f"{where}.configs[{place}]")
    return tool


def _refuse_what_is_not_kept(config: dict[str, Any], where: str) -> None:
    if config.get("enabled") is False:
        why = "An ACP agent brings its own tools; one can be made to ask, not taken away."
        raise BadRequest("unsupported_field", why, field=f"{where}.enabled")
    for name, value in config.items():
        if name not in _ACTS and value is not None:
            raise BadRequest(
                "unsupported_field", f"{name[:64]} of a tool is not supported.", field=f"{where}.{name[:64]}"
            )


def _policy_in(config: _Common | None, said: PermissionPolicy | None, where: str) -> PermissionPolicy | None:
    if config is None or config.permission_policy is None:
        return None
    own = known_policy(config.permission_policy, f"{where}.permission_policy")
    return "always_ask" if "always_ask" in (own, said) else own


def _name(tool: _Tool, name: str) -> str:
    return "__".join(part for part in ("mcp", tool.mcp_server_name, name) if part) if tool.mcp_server_name else name
