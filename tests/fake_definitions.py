"""In-memory twins of the stores of what a tenant defines; `tests/fakes.py` has the others and says what for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from chalicelib.core.catalog import Agent, Environment
from chalicelib.core.selection import Selection
from chalicelib.wire.ids import AgentId, EnvironmentId, TenantId
from tests.fake_io import Fake, io_point
from tests.fake_records import newest_first


@dataclass
class FakeAgents(Fake):
    """Agents' definitions: the newest version of each, and those that were kept."""

    newest: dict[tuple[TenantId, str], Agent] = field(default_factory=dict)
    kept: dict[tuple[TenantId, str], dict[int, Agent]] = field(default_factory=dict)
    port = "agents"

    @io_point
    def put(self, agent: Agent) -> Agent | None:
        key = agent.tenant_id, agent.agent_id
        standing = self.newest.get(key)
        if standing is None:
            assert agent.version == 1
        elif agent in (replace(standing, archived_at=None), self.kept.get(key, {}).get(agent.version)):
            return None
        elif standing.version != agent.version - 1 or standing.archived_at is not None:
            return standing
        self.newest[key] = agent
        return None

    @io_point
    def keep(self, agent: Agent) -> None:
        self.kept.setdefault((agent.tenant_id, agent.agent_id), {})[agent.version] = agent

    @io_point
    def archive(self, tenant_id: TenantId, agent_id: AgentId, now: float) -> Agent | None:
        standing = self.newest.get((tenant_id, agent_id))
        if standing is not None and standing.archived_at is None:
            standing = self.newest[tenant_id, agent_id] = replace(standing, archived_at=now)
        return standing

    @io_point
    def get(self, tenant_id: TenantId, agent_id: AgentId) -> Agent | None:
        return self.newest.get((tenant_id, agent_id))

    @io_point
    def older(self, tenant_id: TenantId, agent_id: AgentId, version: int) -> Agent | None:
        return self.kept.get((tenant_id, agent_id), {}).get(version)

    @io_point
    def versions(self, tenant_id: TenantId, agent_id: AgentId, below: int, limit: int) -> Sequence[Agent]:
        kept = self.kept.get((tenant_id, agent_id), {})
        return [kept[version] for version in sorted(kept, reverse=True) if version < below][:limit]

    @io_point
    def count(self, tenant_id: TenantId) -> int:
        return sum(key[0] == tenant_id and one.archived_at is None for key, one in self.newest.items())

    @io_point
    def drop(self, agent: Agent) -> None:
        self.newest.pop((agent.tenant_id, agent.agent_id), None)

    @io_point
    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Agent], str | None]:
        rows = {key: one for key, one in self.newest.items() if wanted.takes(one.created_at, one.archived_at)}
        return newest_first(rows, tenant_id, after, limit)


@dataclass
class FakeEnvironments(Fake):
    """The environments that a tenant made."""

    rows: dict[tuple[TenantId, str], Environment] = field(default_factory=dict)
    port = "environments"

    @io_point
    def put(self, environment: Environment) -> bool:
        key = environment.tenant_id, environment.environment_id
        standing = self.rows.get(key)
        if standing != environment and (standing.version if standing else 0) != environment.version - 1:
            return False
        self.rows[key] = environment
        return True

    @io_point
    def get(self, tenant_id: TenantId, environment_id: EnvironmentId) -> Environment | None:
        return self.rows.get((tenant_id, environment_id))

    @io_point
    def delete(self, tenant_id: TenantId, environment_id: EnvironmentId) -> None:
        self.rows.pop((tenant_id, environment_id), None)

    @io_point
    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Environment], str | None]:
        rows = {key: one for key, one in self.rows.items() if wanted.takes(one.created_at, one.archived_at)}
        return newest_first(rows, tenant_id, after, limit)
