"""Agents: a tenant's definitions; of each the newest version."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..core.catalog import Agent
from ..core.errors import Conflicting
from ..wire.ids import AgentId, TenantId
from .listing import newest_first
from .table import Records, save


class Agents:
    """Agents' definitions."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, agent: Agent) -> None:
        """Writes one version. Writing the same again is harmless.

        Raises:
            Conflicting: ``agent_version_conflict``: there is this version with another content, or a newer one.
        """
        body = msgspec.json.encode(agent).decode()
        row = self._records(agent.tenant_id, f"agent#{agent.agent_id}", body=body, version=agent.version)
        is_new = self._records.version.does_not_exist()
        is_newer = self._records.version < agent.version
        standing = save(row, is_new | is_newer)
        # Our own put, applied before its answer was lost and tried again, stands in the way of itself.
        if standing is not None and standing.body != body:
            raise Conflicting(
                "agent_version_conflict",
                f"Agent {agent.agent_id} was changed meanwhile; read it and change its newest version.",
            )

    def get(self, tenant_id: TenantId, agent_id: AgentId) -> Agent | None:
        """The newest version, or None."""
        try:
            return _agent(self._records.get(tenant_id, f"agent#{agent_id}", consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(self, tenant_id: TenantId, after: str | None, limit: int) -> tuple[Sequence[Agent], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """
        rows, place = newest_first(self._records, tenant_id, "agent", after, limit)
        return [_agent(row) for row in rows], place


def _agent(row: Records) -> Agent:
    return msgspec.json.decode(row.body or "", type=Agent)
