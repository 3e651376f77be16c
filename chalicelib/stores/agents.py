"""Agents: a tenant's definitions, of each the newest version and those before it.

The newest version is the agent's own row. Before another one takes its place it is written among the older ones, which
are therefore never more than what the row has been: whoever dies in between leaves a copy that is there already.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.update import Action

from ..core.catalog import Agent
from ..core.selection import Selection
from ..wire.ids import AgentId, TenantId
from .listing import newest_first_of
from .table import Records, update


class Agents:
    """Agents' definitions."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, agent: Agent) -> Agent | None:
        """Makes this the newest version: version 1 of a new agent, or the one after the newest of one in use.

        Returns:
            None when it was written, if it was written before too; otherwise the newest version, which is another one
            or an archived agent's.
        """
        records, body = self._records, _body(agent)
        # A new agent. Ids have 64 bits of chance, so that no other one is in its way.
        is_new = records.body.does_not_exist()
        # Of any number of writers of one version the first one's write makes this false for the others.
        is_next = records.version == agent.version - 1
        is_in_use = records.archived_at.does_not_exist()
        actions: list[Action] = [records.body.set(body), records.version.set(agent.version)]
        row = records(agent.tenant_id, _sk(agent.agent_id))
        done, standing = update(row, actions, is_new if agent.version == 1 else is_next & is_in_use)
        assert standing is not None, f"{agent.agent_id} is changed and was never made"
        return None if done or self._is_ours(agent, body, standing) else _agent(standing)

    def keep(self, agent: Agent) -> None:
        """Writes a version among the older ones. Writing it again is harmless."""
        self._records(agent.tenant_id, _older(agent.agent_id, agent.version), body=_body(agent)).save()

    def archive(self, tenant_id: TenantId, agent_id: AgentId, now: float) -> Agent | None:
        """The agent, archived since ``now`` or before that; None when there is none."""
        # An update would otherwise make a row of its own for an agent that nobody has.
        is_there = self._records.body.exists()
        is_in_use = self._records.archived_at.does_not_exist()
        row = self._records(tenant_id, _sk(agent_id))
        _, found = update(row, [self._records.archived_at.set(now)], is_there & is_in_use)
        return _agent(found) if found is not None else None

    def get(self, tenant_id: TenantId, agent_id: AgentId) -> Agent | None:
        """The newest version, or None."""
        return self._read(tenant_id, _sk(agent_id))

    def older(self, tenant_id: TenantId, agent_id: AgentId, version: int) -> Agent | None:
        """A version that is kept, or None: also for one that is still the newest and never was."""
        return self._read(tenant_id, _older(agent_id, version))

    def versions(self, tenant_id: TenantId, agent_id: AgentId, below: int, limit: int) -> Sequence[Agent]:
        """Versions that are kept, newest first: ``below - 1`` …, at most ``limit``."""
        place = self._records.sk.between(_older(agent_id, 0), _older(agent_id, below - 1))
        rows = self._records.query(tenant_id, place, scan_index_forward=False, limit=limit, consistent_read=True)
        return [_agent(row) for row in rows]

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Agent], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """

        def keep(row: Records) -> Agent | None:
            agent = _agent(row)
            return agent if wanted.takes(agent.created_at, agent.archived_at) else None

        return newest_first_of(self._records, tenant_id, "agent", after, limit, keep)

    def count(self, tenant_id: TenantId) -> int:
        """How many agents are not archived. Reads them all."""
        is_in_use = self._records.archived_at.does_not_exist()
        return self._records.count(tenant_id, self._records.sk.startswith(_sk("")), is_in_use, consistent_read=True)

    def drop(self, agent: Agent) -> None:
        """Forgets an agent that nobody was told of."""
        self._records(agent.tenant_id, _sk(agent.agent_id)).delete()

    def _is_ours(self, agent: Agent, body: str, standing: Records) -> bool:
        """Whether our own put stands in the way of itself: it was applied, its answer lost, and it was tried again."""
        if int(standing.version or 0) > agent.version:
            ours = self.older(agent.tenant_id, agent.agent_id, agent.version)
            return ours is not None and ours.mark == agent.mark
        return standing.body == body

    def _read(self, tenant_id: TenantId, sk: str) -> Agent | None:
        try:
            return _agent(self._records.get(tenant_id, sk, consistent_read=True))
        except self._records.DoesNotExist:
            return None


def _agent(row: Records) -> Agent:
    archived_at = float(row.archived_at) if row.archived_at else None
    return replace(msgspec.json.decode(row.body or "", type=Agent), archived_at=archived_at)


def _body(agent: Agent) -> str:
    return msgspec.json.encode(agent).decode()


def _sk(agent_id: str) -> str:
    return f"agent#{agent_id}"


def _older(agent_id: AgentId, version: int) -> str:
    return f"agentv#{agent_id}#{version:010d}"
