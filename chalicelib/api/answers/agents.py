"""Agents as they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from ...core.catalog import Agent, RuntimeBinding
from ...core.render import rfc3339


class PolicyAnswer(Struct, frozen=True):
    """A permission policy."""

    type: str


class ModelAnswer(Struct, frozen=True):
    """A model by its id; empty when the ACP agent chooses."""

    id: str


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
        archived_at=None,
    )


def agent_snapshot(agent: Agent) -> AgentSnapshot:
    """An agent as a session shows it."""
    return AgentSnapshot(**_snapshot(agent))


def _snapshot(agent: Agent) -> dict[str, Any]:
    policy = PolicyAnswer(agent.permission_policy)
    return {
        "id": agent.agent_id,
        "version": agent.version,
        "name": agent.name,
        "model": ModelAnswer(agent.model),
        "description": agent.description,
        "system": agent.system,
        "tools": tuple(_tool(one, msgspec.to_builtins(policy)) for one in agent.tools),
        "mcp_servers": agent.mcp_servers,
        "skills": agent.skills,
        "harness": agent.harness,
        "runtime_binding": agent.runtime_binding,
        "extension": ExtensionAnswer(
            harness=agent.harness,
            runtime_binding=agent.runtime_binding,
            permission_policy=policy,
            idle_limit_s=agent.idle_limit_s,
            hard_limit_s=agent.hard_limit_s,
        ),
    }


def _tool(tool: dict[str, Any], policy: Mapping[str, str]) -> dict[str, Any]:
    """A toolset with the parts that the SDKs require of an answer and do not send."""
    if not str(tool.get("type", "")).endswith(("_toolset", "_toolset_20260401")):
        return tool
    filled = {"configs": [], "default_config": {"enabled": True, "permission_policy": policy}}
    return {**filled, **{name: value for name, value in tool.items() if value is not None}}
