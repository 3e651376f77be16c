"""Agents: a tenant's definitions of who works for it, and on which laptop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.bundle import canonical_acp_agent
from ..core.catalog import Agent, PermissionPolicy, RuntimeBinding
from ..core.errors import NotFound
from ..wire.ids import AgentId, TenantId
from .enrolment import Enrolment
from .ports import Clock, Stores

_AGENT_ID = re.compile(r"agent_[0-9A-Za-z]{1,64}")


class NewAgent(Struct, frozen=True, kw_only=True):
    """What an agent is to be; limits in seconds, 0 = none."""

    name: str
    model: str = ""
    description: str | None = None
    system: str | None = None
    harness: str = "acp-proxy"
    runtime_binding: RuntimeBinding | None = None
    permission_policy: PermissionPolicy = "always_ask"
    idle_limit_s: float = 600.0
    hard_limit_s: float = 3600.0
    tools: tuple[dict[str, Any], ...] = ()
    mcp_servers: tuple[dict[str, Any], ...] = ()
    skills: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def timed_id(prefix: str, clock: Clock) -> str:
    """A new id that sorts by the time of its making: the prefix, 10 hex digits of epoch ms + 16 of chance.

    40 bits of milliseconds begin anew every 34 years; the order holds within each such span.
    """
    return f"{prefix}_{int(clock.now() * 1000) % (1 << 40):010x}{clock.token(8)}"


def no_agent(agent_id: str) -> NotFound:
    """The refusal for an agent that is absent or another tenant's."""
    return NotFound("agent_not_found", f"There is no agent {agent_id[:80]}.", field="agent")


class AgentDefinitions:
    """Keeps agents."""

    def __init__(self, stores: Stores, enrolment: Enrolment) -> None:
        self._agents = stores.agents
        self._clock = stores.clock
        self._enrolment = enrolment

    def create(self, tenant_id: TenantId, new: NewAgent) -> Agent:
        """Makes version 1 of a new agent. Its ACP agent may be named by any alias; the canonical one is kept.

        Raises:
            NotFound: ``runtime_not_found``, also for another tenant's runtime.
        """
        binding = new.runtime_binding
        if binding is not None:
            runtime = self._enrolment.get(tenant_id, binding.runtime_id)
            canonical = canonical_acp_agent(binding.acp_agent_id)
            binding = replace(binding, runtime_id=runtime.runtime_id, acp_agent_id=canonical)
        now = self._clock.now()
        agent = Agent(
            tenant_id=tenant_id,
            agent_id=AgentId(timed_id("agent", self._clock)),
            version=1,
            name=new.name,
            created_at=now,
            updated_at=now,
            model=new.model,
            description=new.description,
            system=new.system,
            harness=new.harness,
            runtime_binding=binding,
            permission_policy=new.permission_policy,
            idle_limit_s=new.idle_limit_s,
            hard_limit_s=new.hard_limit_s,
            tools=new.tools,
            mcp_servers=new.mcp_servers,
            skills=new.skills,
            metadata=new.metadata,
        )
        self._agents.put(agent)
        return agent

    def get(self, tenant_id: TenantId, agent_id: str, version: int | None = None) -> Agent:
        """The newest version of an agent; only that one exists for now, so another ``version`` is not found.

        Raises:
            NotFound: ``agent_not_found``, the same for another tenant's.
        """
        found = self._agents.get(tenant_id, AgentId(agent_id)) if _AGENT_ID.fullmatch(agent_id) else None
        if found is None or version not in (None, found.version):
            raise no_agent(agent_id)
        return found

    def list(self, tenant_id: TenantId, page: str | None, limit: int) -> tuple[Sequence[Agent], str | None]:
        """Newest first: at most ``limit``, and the page to go on with, or None."""
        return self._agents.list(tenant_id, page, limit)
