"""Requests about agents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from ...actors.agents import NewAgent
from ...core.catalog import PermissionPolicy, RuntimeBinding
from ...core.errors import BadRequest
from ...core.parsing import refused
from ...wire.ids import RuntimeId
from .fields import LimitSeconds, Metadata, Name, Note, Values, Word

MAX_AGENT_BYTES = 128 * 1024
"""An agent's definition is copied into each of its sessions' rows, and a DynamoDB item holds 400 KB."""


class Policy(Struct, frozen=True):
    """A permission policy as the API writes it."""

    type: str


class ToolConfig(Struct, frozen=True):
    """The part of a toolset's configuration that acts here."""

    permission_policy: Policy | None = None


class Toolset(Struct, frozen=True):
    """The part of a tool that acts here: ACP agents bring their own tools, only the policy counts."""

    type: str
    default_config: ToolConfig | None = None
    configs: tuple[ToolConfig, ...] = ()


class MCPServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An MCP server by its URL. Nothing else is taken, so that no credential is stored beside it."""

    type: Literal["url"] = "url"
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    url: Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2048)]


class Model(Struct, frozen=True):
    """A model by its id; the ACP agent chooses for itself."""

    id: Annotated[str, Meta(max_length=256)]


class Binding(Struct, frozen=True, kw_only=True):
    """Which laptop runs the agent, by which ACP agent, without which of the laptop's skills."""

    runtime_id: Word
    acp_agent_id: Word
    local_skill_blocklist: Annotated[tuple[Word, ...], Meta(max_length=500)] = ()

    def wanted(self) -> RuntimeBinding:
        """The binding that is asked for."""
        return RuntimeBinding(
            runtime_id=RuntimeId(self.runtime_id),
            acp_agent_id=self.acp_agent_id,
            local_skill_blocklist=self.local_skill_blocklist,
        )


class Extension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``_oma``: what the local-runtime extension adds to an agent. An unknown key is refused."""

    harness: str | None = None
    runtime_binding: Binding | None = None
    permission_policy: str | Policy | None = None
    idle_limit_s: LimitSeconds | None = None
    hard_limit_s: LimitSeconds | None = None


class CreateAgent(Struct, frozen=True, kw_only=True):
    """``POST /v1/agents``. What the extension adds may stand at the top level or under ``_oma``, which wins."""

    name: Name
    model: Annotated[str, Meta(max_length=256)] | Model | None = None
    description: Note | None = None
    system: Annotated[str, Meta(max_length=100_000)] | None = None
    tools: Values = ()
    mcp_servers: Annotated[tuple[MCPServer, ...], Meta(max_length=20)] = ()
    skills: Values = ()
    metadata: Metadata | None = None
    multiagent: Any = None
    harness: str | None = None
    runtime_binding: Binding | None = None
    permission_policy: str | Policy | None = None
    idle_limit_s: LimitSeconds | None = None
    hard_limit_s: LimitSeconds | None = None
    extension: Extension | None = field(name="_oma", default=None)

    def wanted(self) -> NewAgent:
        """The agent that is asked for.

        Raises:
            BadRequest: ``unsupported_harness``, ``unsupported_policy``, ``unsupported_field``, ``bad_request``.
        """
        if self.multiagent:
            raise BadRequest("unsupported_field", "multiagent is not supported.", field="multiagent")
        harness = self._said("harness") or "acp-proxy"
        if harness != "acp-proxy":
            raise BadRequest("unsupported_harness", "The only harness is 'acp-proxy'.", field="harness")
        binding: Binding | None = self._said("runtime_binding")
        idle_limit_s, hard_limit_s = self._said("idle_limit_s"), self._said("hard_limit_s")
        return NewAgent(
            name=self.name,
            model=self.model.id if isinstance(self.model, Model) else self.model or "",
            description=self.description,
            system=self.system,
            runtime_binding=binding.wanted() if binding else None,
            permission_policy=_policy(self._said("permission_policy"), self.tools),
            idle_limit_s=600.0 if idle_limit_s is None else idle_limit_s,
            hard_limit_s=3600.0 if hard_limit_s is None else hard_limit_s,
            tools=self.tools,
            mcp_servers=tuple(msgspec.to_builtins(one) for one in self.mcp_servers),
            skills=self.skills,
            metadata=self.metadata or {},
        )

    def _said(self, name: str) -> Any:
        inner = getattr(self.extension, name, None)
        return getattr(self, name) if inner is None else inner


def _policy(given: str | Policy | None, tools: tuple[dict[str, Any], ...]) -> PermissionPolicy:
    """The policy asked for; without one the strictest among the tools'; without any, questions are asked."""
    if given is not None:
        return _known_policy(given, "permission_policy")
    try:
        toolsets = msgspec.convert(tools, tuple[Toolset, ...])
    except msgspec.ValidationError as exc:
        raise refused(exc, "tools") from exc
    configs = [one for tool in toolsets for one in (tool.default_config, *tool.configs) if one is not None]
    found = {_known_policy(one.permission_policy, "tools") for one in configs if one.permission_policy}
    return "always_allow" if found == {"always_allow"} else "always_ask"


def _known_policy(given: str | Policy, where: str) -> PermissionPolicy:
    match given.type if isinstance(given, Policy) else given:
        case "always_ask":
            return "always_ask"
        case "always_allow":
            return "always_allow"
        case _:
            why = "A permission policy is 'always_ask' or 'always_allow'."
            raise BadRequest("unsupported_policy", why, field=where)


class AgentQuery(Struct, frozen=True, kw_only=True):
    """``GET /v1/agents/{id}``: which version; the newest without one."""

    version: int | None = None
