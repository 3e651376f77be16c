"""Agents as they are answered."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ...core.catalog import Agent, RuntimeBinding
from ...core.permissions import is_toolset
from ...core.render import rfc3339


class PolicyAnswer(Struct, frozen=True):
    """A permission policy."""

    type: str


class ModelAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model by its id, empty when the ACP agent chooses; and what was asked for beside it."""

    id: str
    effort: dict[str, str] | None = None
    speed: str | None = None


class IdentityAnswer(Struct, frozen=True):
    """As whom an agent acts."""

    type: str = "service_account"


class ExtensionAnswer(Struct, frozen=True, kw_only=True):
    """``_oma``: what Mooring adds to an agent. Limits in seconds, 0 = none."""

    harness: str
    runtime_binding: RuntimeBinding | None
    permission_policy: PolicyAnswer
    idle_limit_s: float
    hard_limit_s: float
    appendable_prompts: tuple[str, ...]
    workspace: str | None


class AgentSnapshot(Struct, frozen=True, kw_only=True):
    """One version of an agent, as a session holds it."""

    type: Literal["agent"] = "agent"
    id: str
    version: int
    name: str
    model: ModelAnswer
    description: str | None
    system: str | None
    tools: tuple[dict[str, Any], ...]
    mcp_servers: tuple[dict[str, Any], ...]
    skills: tuple[dict[str, Any], ...]
    multiagent: None = None
    execution_identity: IdentityAnswer = IdentityAnswer()
    harness: str
    runtime_binding: RuntimeBinding | None
    extension: ExtensionAnswer = field(name="_oma")


class AgentAnswer(AgentSnapshot, frozen=True, kw_only=True):
    """An agent."""

    metadata: dict[str, str]
    created_at: str
    updated_at: str
    archived_at: str | None


def agent_answer(agent: Agent) -> AgentAnswer:
    """An agent as it is answered."""
    return AgentAnswer(
        **_snapshot(agent),
        metadata=agent.metadata,
        created_at=rfc3339(agent.created_at),
        updated_at=rfc3339(agent.updated_at),
        archived_at=None if agent.archived_at is None else rfc3339(agent.archived_at),
    )


def agent_snapshot(agent: Agent) -> AgentSnapshot:
    """An agent as a session shows it."""
    return AgentSnapshot(**_snapshot(agent))


def _snapshot(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.agent_id,
        "version": agent.version,
        "name": agent.name,
        "model": ModelAnswer(id=agent.model, **agent.model_options),
        "description": agent.description,
        "system": agent.system,
        "tools": tuple(_tool(one, {"type": agent.permission_policy}) for one in agent.tools),
        "mcp_servers": agent.mcp_servers,
        "skills": agent.skills,
        "harness": agent.harness,
        "runtime_binding": agent.runtime_binding,
        "extension": ExtensionAnswer(
            harness=agent.harness,
            runtime_binding=agent.runtime_binding,
            permission_policy=PolicyAnswer(agent.permission_policy),
            idle_limit_s=agent.idle_limit_s,
            hard_limit_s=agent.hard_limit_s,
            appendable_prompts=agent.appendable_prompts,
            workspace=agent.workspace,
        ),
    }


def _tool(tool: dict[str, Any], policy: dict[str, str]) -> dict[str, Any]:
    """A toolset with the parts that the SDKs require of an answer and do not send."""
    kind = str(tool.get("type", ""))
    if not is_toolset(kind):
        return tool
    common = _config(tool.get("default_config") or {}, policy)
    configs = []
    for one in tool.get("configs") or ():
        # Each of an agent's own tools is a type; those of a server are not.
        own = {} if kind == "mcp_toolset" else {"type": one["name"]}
        configs.append(_config({**own, **one}, common["permission_policy"]))
    return {**tool, "configs": configs, "default_config": common}


def _config(said: dict[str, Any], policy: dict[str, str]) -> dict[str, Any]:
    given = {name: value for name, value in said.items() if value is not None}
    return {"enabled": True, "permission_policy": policy, **given}
