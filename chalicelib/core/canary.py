"""The canary: an agent that follows from a laptop, by which the laptop proves that everything between works.

It is written nowhere but in its sessions' rows, so that no list shows it and no limit counts it.
"""

from __future__ import annotations

from typing import Final

from ..wire.ids import AgentId, RuntimeId, TenantId
from .catalog import Agent, RuntimeBinding

ACP_AGENT: Final = "echo"
"""The agent that each daemon brings along."""

MARK: Final = "mooring.canary"
"""What a canary's session has in its metadata; the runtime's id stands under it."""

_PREFIX: Final = "agent_canary"
"""No other agent's id begins so: those go on with hex digits."""


def canary_agent(tenant_id: TenantId, runtime_id: RuntimeId) -> Agent:
    """The canary of a laptop: what its agent would do is asked for each time."""
    return Agent(
        tenant_id=tenant_id,
        agent_id=AgentId(_PREFIX + runtime_id.removeprefix("rt_")),
        version=1,
        name="Canary",
        created_at=0.0,
        updated_at=0.0,
        description="Proves that a laptop works from end to end.",
        runtime_binding=RuntimeBinding(runtime_id=runtime_id, acp_agent_id=ACP_AGENT),
        permission_policy="always_ask",
        metadata={MARK: runtime_id},
    )


def is_canary(agent_id: str) -> bool:
    """Whether an agent is some laptop's canary."""
    return agent_id.startswith(_PREFIX)
