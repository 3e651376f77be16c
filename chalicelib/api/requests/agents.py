"""Requests about agents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...actors.agents import AgentChoice
from ...core.catalog import RuntimeBinding
from ...core.definition import AgentChange
from ...core.errors import BadRequest
from ...core.permissions import PolicySaid, known_policy
from ...core.selection import Selection
from ...core.span import Span
from ...wire.ids import RuntimeId
from .fields import LimitSeconds, ListQuery, MetadataPatch, Moment, Name, Note, PageSize, Values, Word

ModelId = Annotated[str, Meta(max_length=256)]
Prompt = Annotated[str, Meta(max_length=100_000)]


class MCPServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An MCP server by its URL. Nothing else is taken, so that no credential is stored beside it."""

    type: Literal["url"] = "url"
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    url: Annotated[str, Meta(pattern=r"^https?://[!-~]+$", max_length=2048)]


MCPServers = Annotated[tuple[MCPServer, ...], Meta(max_length=20)]


class Typed(Struct, frozen=True):
    """A value of which only the type matters."""

    type: str


class Effort(Struct, frozen=True):
    """How hard a model is to think."""

    type: Literal["low", "medium", "high", "xhigh", "max"]


class Model(Struct, frozen=True):
    """A model by its id, with what is asked for beside it. The ACP agent chooses for itself; this is kept and shown."""

    id: ModelId
    effort: Literal["low", "medium", "high", "xhigh", "max"] | Effort | None = None
    speed: Literal["standard", "fast"] | None = None
    inference_geo: Any = None

    def options(self) -> dict[str, Any]:
        """What is asked for beside the id. Raises BadRequest ``unsupported_field``."""
        if self.inference_geo:
            why = "Where a model runs is the ACP agent's choice; inference_geo is not supported."
            raise BadRequest("unsupported_field", why, field="model.inference_geo")
        effort = Effort(self.effort) if isinstance(self.effort, str) else self.effort
        said = {"effort": effort and msgspec.to_builtins(effort), "speed": self.speed}
        return {name: value for name, value in said.items() if value is not None}


class Binding(Struct, frozen=True, kw_only=True):
    """Which laptop runs the agent, by which ACP agent unless the model says it, without which of its own skills."""

    runtime_id: Word
    acp_agent_id: Word | None = None
    local_skill_blocklist: Annotated[tuple[Word, ...], Meta(max_length=500)] = ()

    def wanted(self) -> RuntimeBinding:
        """The binding that is asked for."""
        return RuntimeBinding(
            runtime_id=RuntimeId(self.runtime_id),
            acp_agent_id=self.acp_agent_id or "",
            local_skill_blocklist=self.local_skill_blocklist,
        )


class _Ours(Struct, frozen=True, kw_only=True):
    """What the local-runtime extension adds to an agent."""

    harness: str | None | UnsetType = UNSET
    runtime_binding: Binding | None | UnsetType = UNSET
    permission_policy: str | PolicySaid | None | UnsetType = UNSET
    idle_limit_s: LimitSeconds | None | UnsetType = UNSET
    hard_limit_s: LimitSeconds | None | UnsetType = UNSET
    appendable_prompts: Annotated[tuple[Prompt, ...], Meta(max_length=20)] | None | UnsetType = UNSET
    workspace: Annotated[str, Meta(max_length=1024)] | None | UnsetType = UNSET


class Extension(_Ours, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``_oma``: the same in a place of its own. An unknown key is refused."""


class _Fields(_Ours, frozen=True, kw_only=True):
    """What an agent may be asked to be; null and "" clear. What is under ``_oma`` wins over the same at the top."""

    model: ModelId | Model | None | UnsetType = UNSET
    description: Note | None | UnsetType = UNSET
    system: Prompt | None | UnsetType = UNSET
    tools: Values | None | UnsetType = UNSET
    mcp_servers: MCPServers | None | UnsetType = UNSET
    skills: Values | None | UnsetType = UNSET
    metadata: MetadataPatch | None | UnsetType = UNSET
    multiagent: Any = None
    execution_identity: Typed | None = None
    extension: Extension | None = field(name="_oma", default=None)

    def _change(self, name: str | UnsetType) -> AgentChange:
        if self.multiagent:
            raise BadRequest("unsupported_field", "multiagent is not supported.", field="multiagent")
        if self.execution_identity and self.execution_identity.type != "service_account":
            why = "An agent acts as whoever runs the daemon; no other execution_identity is supported."
            raise BadRequest("unsupported_field", why, field="execution_identity")
        if self._said("harness") not in (UNSET, None, "acp-proxy"):
            raise BadRequest("unsupported_harness", "The only harness is 'acp-proxy'.", field="harness")
        policy, binding = self._said("permission_policy"), self._said("runtime_binding")
        return AgentChange(
            name=name,
            description=self.description,
            appendable_prompts=self._said("appendable_prompts"),
            runtime_binding=binding.wanted() if isinstance(binding, Binding) else binding,
            workspace=self._said("workspace"),
            policy_said=known_policy(policy, "permission_policy") if policy else policy,
            idle_limit_s=self._said("idle_limit_s"),
            hard_limit_s=self._said("hard_limit_s"),
            metadata=self.metadata,
            **_configured(self),
        )

    def _said(self, name: str) -> Any:
        inner = getattr(self.extension, name, UNSET)
        return getattr(self, name) if inner is UNSET else inner


class CreateAgent(_Fields, frozen=True, kw_only=True):
    """``POST /v1/agents``."""

    name: Name

    def wanted(self) -> AgentChange:
        """The agent that is asked for.

        Raises:
            BadRequest: ``unsupported_harness``, ``unsupported_policy``, ``unsupported_field``.
        """
        return self._change(self.name)


class UpdateAgent(_Fields, frozen=True, kw_only=True):
    """``POST /v1/agents/{id}``: what is left out stays. ``version`` is the one that was read; it must be the newest."""

    name: Name | UnsetType = UNSET
    version: Annotated[int, Meta(ge=1)] | None = None

    def wanted(self) -> AgentChange:
        """The change that is asked for. Raises as ``CreateAgent.wanted``."""
        return self._change(self.name)


class AgentRef(Struct, frozen=True, kw_only=True):
    """An agent by id and, if wanted, version; as ``agent_with_overrides`` with what is to be another in one session."""

    type: Literal["agent", "agent_with_overrides"] = "agent"
    id: Word
    version: int | None = None
    model: ModelId | Model | UnsetType = UNSET
    system: Prompt | None | UnsetType = UNSET
    tools: Values | UnsetType = UNSET
    mcp_servers: MCPServers | UnsetType = UNSET
    skills: Values | UnsetType = UNSET

    def wanted(self, where: str) -> AgentChoice:
        """The agent that is asked for. Raises BadRequest ``unsupported_field`` for overrides of a plain ``agent``."""
        overrides = AgentChange(**_configured(self))
        if overrides == AgentChange():
            return AgentChoice(agent_id=self.id, version=self.version)
        if self.type == "agent":
            why = "What is to be another than the agent's goes with the type 'agent_with_overrides'."
            raise BadRequest("unsupported_field", why, field=f"{where}.type")
        return AgentChoice(agent_id=self.id, version=self.version, overrides=overrides)


def _configured(one: _Fields | AgentRef) -> dict[str, Any]:
    """The part of a change that a session may make too."""
    model: Any = one.model
    options: Any = UNSET if model is UNSET else {}
    if isinstance(model, Model):
        model, options = model.id, model.options()
    servers: Any = one.mcp_servers
    if isinstance(servers, tuple):
        servers = tuple(msgspec.to_builtins(server) for server in servers)
    return {
        "model": model,
        "model_options": options,
        "system": one.system,
        "tools": one.tools,
        "mcp_servers": servers,
        "skills": one.skills,
    }


class AgentQuery(Struct, frozen=True, kw_only=True):
    """``GET /v1/agents/{id}``: which version; the newest without one."""

    version: int | None = None


class AgentsQuery(ListQuery, frozen=True, kw_only=True):
    """``GET /v1/agents``."""

    since: Moment | None = field(name="created_at[gte]", default=None)
    until: Moment | None = field(name="created_at[lte]", default=None)

    def wanted(self) -> Selection:
        """Which agents are asked for."""
        created = Span(since=self.since, until=self.until)
        return Selection(include_archived=self.include_archived, created=created)


class VersionsQuery(Struct, frozen=True, kw_only=True):
    """``GET /v1/agents/{id}/versions``."""

    limit: PageSize = 20
    page: str | None = None
