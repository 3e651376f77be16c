"""Shapes: what agents, sessions and runtimes look like in answers.

Agents and sessions have every field that the Managed Agents SDKs require of them, with what Mooring adds under ``_oma``
and, for readers of the older form, ``runtime_binding`` at the top level too. Runtimes' times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..actors.enrolment import Seen
from ..core.catalog import Agent, SessionRow
from ..core.render import rfc3339
from ..wire.limits import LEASE_S


def agent_shape(agent: Agent) -> dict[str, Any]:
    """An agent."""
    return {
        **_snapshot(agent),
        "metadata": agent.metadata,
        "created_at": rfc3339(agent.created_at),
        "updated_at": rfc3339(agent.updated_at),
        "archived_at": None,
    }


def session_shape(row: SessionRow) -> dict[str, Any]:
    """A session."""
    return {
        "type": "session",
        "id": row.session_id,
        "status": row.status,
        "agent": _snapshot(row.agent),
        "environment_id": row.environment_id,
        "title": row.title,
        "metadata": row.metadata,
        "resources": [],
        "vault_ids": [],
        "outcome_evaluations": [],
        "stats": {},
        "usage": {},
        "budget": None,
        "deployment_id": None,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "archived_at": None,
    }


def runtime_shape(seen: Seen, now: float) -> dict[str, Any]:
    """A runtime; whether it is online is what its room says at ``now`` (epoch seconds)."""
    runtime, room = seen.runtime, seen.room
    beat = int(room.lease_until - LEASE_S) if room and room.lease_until else None
    return {
        "id": runtime.runtime_id,
        "hostname": runtime.hostname,
        "os": runtime.os,
        "status": "online" if room and room.online(now) else "offline",
        "agents": msgspec.to_builtins(runtime.agents),
        "local_skills": msgspec.to_builtins(runtime.local_skills),
        "version": runtime.version,
        "last_heartbeat": beat,
        "created_at": int(runtime.created_at),
    }


def _snapshot(agent: Agent) -> dict[str, Any]:
    binding = msgspec.to_builtins(agent.runtime_binding)
    policy = {"type": agent.permission_policy}
    return {
        "type": "agent",
        "id": agent.agent_id,
        "version": agent.version,
        "name": agent.name,
        "model": {"id": agent.model},
        "description": agent.description,
        "system": agent.system,
        "tools": [_tool(one, policy) for one in agent.tools],
        "mcp_servers": agent.mcp_servers,
        "skills": agent.skills,
        "multiagent": None,
        "execution_identity": {"type": "service_account"},
        "runtime_binding": binding,
        "_oma": {
            "harness": agent.harness,
            "runtime_binding": binding,
            "permission_policy": policy,
            "idle_limit_s": agent.idle_limit_s,
            "hard_limit_s": agent.hard_limit_s,
        },
    }


def _tool(tool: dict[str, Any], policy: Mapping[str, str]) -> dict[str, Any]:
    """A toolset with the parts that the SDKs require of an answer and do not send."""
    if not str(tool.get("type", "")).endswith(("_toolset", "_toolset_20260401")):
        return tool
    filled = {"configs": [], "default_config": {"enabled": True, "permission_policy": policy}}
    return {**filled, **{name: value for name, value in tool.items() if value is not None}}
