"""What is written down beside the logs: plain records, each belonging to one tenant.

Times are epoch seconds. Lists are kept as tuples. No record here is the truth about a session's progress: that is the
log's; a session's row only repeats its status for lists.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ..wire.frames import AgentReport, LocalSkill
from ..wire.ids import (
    AgentId,
    ConnectionId,
    EnvironmentId,
    FileId,
    KeyId,
    ReaderId,
    RuntimeId,
    SessionId,
    TenantId,
    UserId,
)
from .access import EVERYTHING, Right, Role
from .tenant_limits import TenantLimits

PermissionPolicy = Literal["always_ask", "always_allow"]
SessionStatus = Literal["idle", "running", "rescheduling", "terminated"]


class Tenant(Struct, frozen=True, kw_only=True):
    """A team. ``version`` grows with each change."""

    tenant_id: TenantId
    name: str
    created_at: float
    limits: TenantLimits = TenantLimits()
    version: int = 1


def limits_of(tenant: Tenant | None) -> TenantLimits:
    """A tenant's limits; the usual ones for one whose row nobody ever wrote."""
    return tenant.limits if tenant else TenantLimits()


class User(Struct, frozen=True, kw_only=True):
    """A person of a tenant. Removed people stay, so that what they made can be told from what nobody made.

    ``version`` grows with each change; what repeats a user elsewhere says of which version it is.
    """

    tenant_id: TenantId
    user_id: UserId
    name: str
    role: Role
    created_at: float
    email: str | None = None
    removed_at: float | None = None
    version: int = 1

    @property
    def is_owner(self) -> bool:
        """Whether this is one of those of whom a tenant always has one."""
        return self.role == "owner" and self.removed_at is None


UserWrite = Literal["done", "stale", "full", "last_owner"]
"""What became of writing a person; all but ``done`` changed nothing.

    stale       it was changed since it was read
    full        the tenant may not have another person
    last_owner  the tenant would have no owner
"""


class ApiKey(Struct, frozen=True, kw_only=True):
    """One secret of a key, by its hash: all that it takes to know who shows it.

    What a key is says its ``KeyNote``, and what its person may do the ``User``; both are repeated here. A key from
    before there were people has no ``user_id``, and stands for itself.

    Attributes:
        role: the person's, as of their ``role_version``.
        last_used_at: as of at most an hour ago.
    """

    key_hash: str
    key_id: KeyId
    tenant_id: TenantId
    name: str
    created_at: float
    revoked_at: float | None = None
    user_id: str = ""
    scopes: tuple[Right, ...] = EVERYTHING
    expires_at: float | None = None
    role: Role = "owner"
    role_version: int = 0
    last_used_at: float | None = None


class KeySecret(Struct, frozen=True):
    """A secret of a key's: its hash, and when it ends beside the key itself, which is when it has been replaced."""

    key_hash: str
    expires_at: float | None = None


def next_secrets(
    secrets: tuple[KeySecret, ...], key_hash: str, now: float, old_ends_at: float
) -> tuple[KeySecret, ...]:
    """A key's secrets with another newest one; those that have ended at ``now`` are left out (epoch seconds)."""
    older = [(one.key_hash, one.expires_at or old_ends_at) for one in secrets]
    kept = [KeySecret(each, min(ends_at, old_ends_at)) for each, ends_at in older if ends_at >= now]
    return (KeySecret(key_hash), *kept)


class KeyNote(Struct, frozen=True, kw_only=True):
    """A key, as its tenant lists it: the truth about it, which its secrets repeat.

    Attributes:
        secrets: the newest first; those before it live out their time of grace.
        last_used_at: as of at most an hour ago.
        version: grows with each change but those of ``last_used_at``.
    """

    tenant_id: TenantId
    key_id: KeyId
    user_id: str
    name: str
    scopes: tuple[Right, ...]
    created_at: float
    secrets: tuple[KeySecret, ...]
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    version: int = 1


def in_force(key: ApiKey | KeyNote, now: float) -> bool:
    """Whether a secret, or a key's newest one, opens anything at ``now`` (epoch seconds)."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


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
    """A runtime's token; of the secret only its hash is kept.

    Attributes:
        token_id: names it to people.
        name: of the machine that it was made for; "" for one from before tokens had names.
        expires_at: None for one from before tokens ended by themselves.
        last_used_at: as of at most an hour ago.
    """

    token_hash: str
    tenant_id: TenantId
    runtime_id: RuntimeId
    created_at: float
    revoked_at: float | None = None
    token_id: str = ""
    expires_at: float | None = None
    last_used_at: float | None = None
    name: str = ""

    def opens(self, now: float) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class ConnectCode(Struct, frozen=True, kw_only=True):
    """A one-time code, by the hashes of its secret, of the state it is bound to and of its PKCE challenge if any."""

    code_hash: str
    tenant_id: TenantId
    key_id: KeyId
    state_hash: str
    expires_at: float
    code_challenge: str | None = None
    used_at: float | None = None
    owner_id: str = ""


class RuntimeBinding(Struct, frozen=True, kw_only=True):
    """Which laptop runs an agent, by which ACP agent, without which of its own skills."""

    runtime_id: RuntimeId
    acp_agent_id: str
    local_skill_blocklist: tuple[str, ...] = ()


class Agent(Struct, frozen=True, kw_only=True):
    """One version of an agent's definition.

    Attributes:
        permission_policy: of calls whose tool has no policy of its own, or can't be told.
        model_options: what was asked for beside the model's id.
        appendable_prompts: texts that follow the system prompt.
        workspace: the folder on the laptop in which its sessions work; None = each in a folder of its own.
        policy_said: the agent's own word, which with those of its tools makes the policies.
        permission_policies: by tool, see ``core/permissions.py``.
        archived_at: since when it makes no new sessions; the same of all versions.
        mark: chance that tells a version from another writer's of the same content.
    """

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
    model_options: dict[str, Any] = field(default_factory=dict)
    appendable_prompts: tuple[str, ...] = ()
    workspace: str | None = None
    policy_said: PermissionPolicy | None = None
    permission_policies: dict[str, PermissionPolicy] = field(default_factory=dict)
    archived_at: float | None = None
    mark: str = ""


class Environment(Struct, frozen=True, kw_only=True):
    """A place where sessions run: any laptop that its agent names, or the one laptop that it is tied to.

    Attributes:
        version: grows with each change; 0 for one that nobody made.
        mark: chance that tells a version from another writer's of the same content.
    """

    tenant_id: TenantId
    environment_id: EnvironmentId
    name: str
    created_at: float
    updated_at: float
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    runtime_id: RuntimeId | None = None
    archived_at: float | None = None
    version: int = 1
    mark: str = ""


class SessionRow(Struct, frozen=True, kw_only=True):
    """A session as lists show it: what it was made with, and what was repeated of its log since.

    ``status`` and the times that go with it are as of record ``summary_n``, title and metadata as of ``details_n``.
    """

    tenant_id: TenantId
    session_id: SessionId
    runtime_id: RuntimeId
    agent: Agent
    created_at: float
    updated_at: float
    environment_id: str = "env-local-runtime"
    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    status: SessionStatus = "idle"
    summary_n: int = 1
    archived_at: float | None = None
    details_n: int = 1
    active_s: float = 0.0
    running_since: float | None = None


class SessionSummary(Struct, frozen=True, kw_only=True):
    """What a session's row repeats of record ``n``, written at ``at`` (epoch seconds); see ``SessionState``."""

    status: SessionStatus
    n: int
    at: float
    active_s: float = 0.0
    running_since: float | None = None


class File(Struct, frozen=True, kw_only=True):
    """A file of the tenant's. Its bytes are kept beside, under its id; until they are there it has no ``sha256``.

    Attributes:
        sha256: of its bytes, lower-case hex; "" while they are awaited.
        expires_at: when it can no longer be had (epoch seconds), or None.
        session_id: in whose message it came, or None for one that was uploaded by itself.
    """

    tenant_id: TenantId
    file_id: FileId
    filename: str
    mime_type: str
    size_bytes: int
    created_at: float
    sha256: str = ""
    expires_at: float | None = None
    session_id: SessionId | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its bytes are there."""
        return bool(self.sha256)


class Pass(Struct, frozen=True, kw_only=True):
    """What a browser holds in place of a key, by its hash: a cookie, or a ticket to one session's WebSocket.

    It opens what the key ``key_hash`` opens, and nothing from the moment on at which that opens nothing.
    """

    pass_hash: str
    kind: Literal["cookie", "ticket"]
    tenant_id: TenantId
    key_hash: str
    expires_at: float
    session_id: SessionId | None = None


class WorkItem(Struct, frozen=True, kw_only=True):
    """A session owes its runtime something, at the latest since record ``intent``; the sweep looks at ``due``."""

    runtime_id: RuntimeId
    tenant_id: TenantId
    session_id: SessionId
    intent: int
    due: float


class Connection(Struct, frozen=True, kw_only=True):
    """One WebSocket: whose it is. Exactly one of ``runtime_id`` and the viewer's fields is meant, by ``role``.

    Attributes:
        held_by: of one that a session token opened: the token's maker, and the token.
    """

    connection_id: ConnectionId
    role: Literal["daemon", "viewer"]
    tenant_id: TenantId
    created_at: float
    expires_at: float
    runtime_id: RuntimeId | None = None
    token_hash: str | None = None
    key_id: KeyId | None = None
    only_session_id: SessionId | None = None
    held_by: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """By what its tenant can look for it: the runtime, the viewer's key, or a session token and its maker."""
        own = self.runtime_id or self.key_id
        return (own, *self.held_by) if own else self.held_by


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
