"""In-memory twins of the stores of plain records; `tests/fakes.py` has the others and says what they are for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from chalicelib.actors.ports import PutRefused
from chalicelib.core.catalog import Agent, ApiKey, ConnectCode, Runtime, RuntimeToken, SessionRow, Tenant
from chalicelib.core.errors import BadRequest, Conflicting
from chalicelib.wire.ids import AgentId, RuntimeId, SessionId, TenantId
from tests.fake_io import Fake, io_point


@dataclass
class FakeTenants(Fake):
    """Tenants and their keys."""

    tenants: dict[TenantId, Tenant] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    port = "tenants"

    @io_point
    def put(self, tenant: Tenant) -> None:
        self.tenants[tenant.tenant_id] = tenant

    @io_point
    def first(self) -> Tenant | None:
        return min(self.tenants.values(), key=lambda one: (one.created_at, one.tenant_id), default=None)

    @io_point
    def put_key(self, key: ApiKey) -> None:
        self.keys[key.key_hash] = key

    @io_point
    def key(self, key_hash: str) -> ApiKey | None:
        return self.keys.get(key_hash)

    @io_point
    def revoke_key(self, key_hash: str, now: float) -> None:
        key = self.keys.get(key_hash)
        if key is not None and key.revoked_at is None:
            self.keys[key_hash] = replace(key, revoked_at=now)


@dataclass
class FakeRuntimes(Fake):
    """Laptops, their tokens and connect codes."""

    runtimes: dict[tuple[TenantId, RuntimeId], Runtime] = field(default_factory=dict)
    tokens: dict[str, RuntimeToken] = field(default_factory=dict)
    codes: dict[str, ConnectCode] = field(default_factory=dict)
    port = "runtimes"

    @io_point
    def put(self, runtime: Runtime) -> None:
        self.runtimes[runtime.tenant_id, runtime.runtime_id] = runtime

    @io_point
    def get(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Runtime | None:
        return self.runtimes.get((tenant_id, runtime_id))

    @io_point
    def put_token(self, token: RuntimeToken) -> None:
        self.tokens[token.token_hash] = token

    @io_point
    def token(self, token_hash: str) -> RuntimeToken | None:
        return self.tokens.get(token_hash)

    @io_point
    def revoke_tokens(self, tenant_id: TenantId, runtime_id: RuntimeId, now: float) -> None:
        for key, token in self.tokens.items():
            if (token.tenant_id, token.runtime_id, token.revoked_at) == (tenant_id, runtime_id, None):
                self.tokens[key] = replace(token, revoked_at=now)

    @io_point
    def put_code(self, code: ConnectCode) -> None:
        self.codes[code.code_hash] = code

    @io_point
    def spend_code(self, code_hash: str, state_hash: str, code_challenge: str | None, now: float) -> ConnectCode:
        code = self.codes.get(code_hash)
        if code is None or code.state_hash != state_hash or code.code_challenge not in (None, code_challenge):
            raise BadRequest("code_invalid", "This connect code is unknown, or not for this state and verifier.")
        if code.used_at is not None:
            raise BadRequest("code_used", "This connect code was used before; make a new one.")
        if code.expires_at <= now:
            raise BadRequest("code_expired", "This connect code has expired; make a new one.")
        self.codes[code_hash] = replace(code, used_at=now)
        return self.codes[code_hash]

    @io_point
    def list(self, tenant_id: TenantId) -> Sequence[Runtime]:
        found = [one for one in self.runtimes.values() if one.tenant_id == tenant_id]
        return sorted(found, key=lambda one: (-one.created_at, one.runtime_id))


_PLACE = re.compile(r"[A-Za-z0-9_-]{1,128}")
V = TypeVar("V")


def _newest_first(
    rows: dict[tuple[TenantId, str], V], tenant_id: TenantId, after: str | None, limit: int
) -> tuple[list[V], str | None]:
    if after is not None and not _PLACE.fullmatch(after):
        raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
    ids = sorted((one for owner, one in rows if owner == tenant_id and (after is None or one < after)), reverse=True)
    shown = ids[:limit]
    return [rows[tenant_id, one] for one in shown], shown[-1] if len(ids) > limit else None


@dataclass
class FakeAgents(Fake):
    """Agents' definitions."""

    agents: dict[tuple[TenantId, str], Agent] = field(default_factory=dict)
    port = "agents"

    @io_point
    def put(self, agent: Agent) -> None:
        standing = self.agents.get((agent.tenant_id, agent.agent_id))
        if standing is not None and standing != agent and standing.version >= agent.version:
            raise Conflicting("agent_version_conflict", f"Agent {agent.agent_id} was changed meanwhile.")
        self.agents[agent.tenant_id, agent.agent_id] = agent

    @io_point
    def get(self, tenant_id: TenantId, agent_id: AgentId) -> Agent | None:
        return self.agents.get((tenant_id, agent_id))

    @io_point
    def list(self, tenant_id: TenantId, after: str | None, limit: int) -> tuple[Sequence[Agent], str | None]:
        return _newest_first(self.agents, tenant_id, after, limit)


@dataclass
class FakeSessions(Fake):
    """The rows that lists of sessions show."""

    rows: dict[tuple[TenantId, str], SessionRow] = field(default_factory=dict)
    first_rows: dict[tuple[TenantId, str], SessionRow] = field(default_factory=dict)
    port = "sessions"

    @io_point
    def put(self, row: SessionRow) -> None:
        key = row.tenant_id, row.session_id
        if key in self.rows:
            if self.first_rows[key] != row:
                raise PutRefused(f"There is another row of session {row.session_id}.")
            return
        self.rows[key] = self.first_rows[key] = row

    @io_point
    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow | None:
        return self.rows.get((tenant_id, session_id))

    @io_point
    def summarise(self, tenant_id: TenantId, session_id: SessionId, status: str, n: int, at: float) -> None:
        row = self.rows.get((tenant_id, session_id))
        if row is not None and row.summary_n < n:
            self.rows[tenant_id, session_id] = replace(row, status=status, summary_n=n, updated_at=at)

    @io_point
    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        self.rows.pop((tenant_id, session_id), None)

    @io_point
    def list(self, tenant_id: TenantId, after: str | None, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        return _newest_first(self.rows, tenant_id, after, limit)
