"""What is written down beside the logs: plain records, each belonging to one tenant.

Times are epoch seconds. Lists are kept as tuples. No record here is the truth about a session's progress: that is the
log's; a session's row only repeats its status for lists.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ..wire.frames import AgentReport, LocalSkill
from ..wire.ids import AgentId, ConnectionId, KeyId, ReaderId, RuntimeId, SessionId, TenantId

PermissionPolicy = Literal["always_ask", "always_allow"]


class Tenant(Struct, frozen=True, kw_only=True):
    """A team."""

    tenant_id: TenantId
    name: str
    created_at: float


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key of a tenant's; of the secret only its hash is kept."""

    key_hash: str
    key_id: KeyId
    tenant_id: TenantId
    name: str
    created_at: float
    revoked_at: float | None = None


class Runtime(Struct, frozen=True, kw_only=True):
    """A laptop, as it was enrolled and as its last hello described it. Whether it is online is its room's to say."""

    tenant_id: TenantId
    runtime_id: RuntimeId
    owner_key_id: KeyId
    machine_id: str
    hostname: str
    os: str
    version: str
    created_at: float
    agents: tuple[AgentReport, ...] = ()
    local_skills: dict[str, tuple[LocalSkill, ...]] = field(default_factory=dict)


class RuntimeToken(Struct, frozen=True, kw_only=True):
    """A runtime's token; of the secret only its hash is kept."""

    token_hash: str
    tenant_id: TenantId
    runtime_id: RuntimeId
    created_at: float
    revoked_at: float | None = None


class ConnectCode(Struct, frozen=True, kw_only=True):
    """A one-time code, by the hashes of its secret, of the state it is bound to and of its PKCE challenge if any."""

    code_hash: str
    tenant_id: TenantId
    key_id: KeyId
    state_hash: str
    expires_at: float
    code_challenge: str | None = None
    used_at: float | None = None


class RuntimeBinding(Struct, frozen=True, kw_only=True):
    """Which laptop runs an agent, by which ACP agent, without which of its own skills."""

    runtime_id: RuntimeId
    acp_agent_id: str
    local_skill_blocklist: tuple[str, ...] = ()


class Agent(Struct, frozen=True, kw_only=True):
    """One version of an agent's definition."""

    tenant_id: TenantId
    agent_id: AgentId
    version: int
    name: str
    created_at: float
    updated_at: float
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


class SessionRow(Struct, frozen=True, kw_only=True):
    """A session as lists show it: what it was made with, and its status as of record ``summary_n``."""

    tenant_id: TenantId
    session_id: SessionId
    runtime_id: RuntimeId
    agent: Agent
    created_at: float
    updated_at: float
    environment_id: str = "env-local-runtime"
    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    status: Literal["idle", "running", "rescheduling", "terminated"] = "idle"
    summary_n: int = 1


class WorkItem(Struct, frozen=True, kw_only=True):
    """A session owes its runtime something, at the latest since record ``intent``; the sweep looks at ``due``."""

    runtime_id: RuntimeId
    tenant_id: TenantId
    session_id: SessionId
    intent: int
    due: float


class Connection(Struct, frozen=True, kw_only=True):
    """One WebSocket: whose it is. Exactly one of ``runtime_id`` and the viewer's fields is meant, by ``role``."""

    connection_id: ConnectionId
    role: Literal["daemon", "viewer"]
    tenant_id: TenantId
    created_at: float
    expires_at: float
    runtime_id: RuntimeId | None = None
    token_hash: str | None = None
    key_id: KeyId | None = None
    only_session_id: SessionId | None = None


class Attachment(Struct, frozen=True, kw_only=True):
    """Somebody follows a session until ``expires_at``. Without a connection it is a reader that polls."""

    session_id: SessionId
    reader_id: ReaderId
    expires_at: float
    connection_id: ConnectionId | None = None
    deltas: bool = True
    include: tuple[str, ...] = ()


class LivePiece(Struct, frozen=True, kw_only=True):
    """A delta as kept for late viewers, under ``(epoch, counter)`` of its turn."""

    epoch: int
    counter: int
    event_id: str
    event_type: str
    offset: int
    text: str
