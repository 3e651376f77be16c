"""What the actors need of the world.

Stores and outbound implement it, ``tests/fakes.py`` does in memory, and one contract test holds for both.

A foreign id answers like an absent one everywhere: the tenant is part of every key. Where a method takes no tenant, its
docstring says why. Reads are strongly consistent unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from ..core.catalog import (
    Agent,
    Attachment,
    ConnectCode,
    Connection,
    Environment,
    LivePiece,
    Runtime,
    RuntimeToken,
    SessionRow,
    SessionSummary,
    WorkItem,
)
from ..core.details import Details
from ..core.object_key import ObjectKey as ObjectKey
from ..core.object_key import PutRefused as PutRefused
from ..core.object_key import Stored as Stored
from ..core.object_key import request_key as request_key
from ..core.object_key import room_key as room_key
from ..core.object_key import session_key as session_key
from ..core.selection import Selection
from ..core.session_list import Keys
from ..core.session_token import Canary
from ..wire.ids import (
    AgentId,
    ConnectionId,
    EnvironmentId,
    ReaderId,
    RuntimeId,
    SessionId,
    TenantId,
    TurnId,
)
from .device_ports import Devices as Devices
from .file_ports import Blobs as Blobs
from .file_ports import Files as Files
from .people_ports import Passes as Passes
from .people_ports import Tenants as Tenants
from .people_ports import Users as Users


class Objects(Protocol):
    """The logs."""

    def newest(self, key: ObjectKey) -> Stored | None:
        """The newest record, or None when there is no such object."""

    def append(self, key: ObjectKey, n: int, body: bytes, cause: str | None) -> None:
        """Puts record ``n`` if there is none. Raises PutRefused otherwise."""

    def by_cause(self, key: ObjectKey, cause: str) -> Stored | None:
        """The record that the request ``cause`` made, or None."""

    def get(self, key: ObjectKey, n: int) -> Stored | None:
        """Record ``n``, or None."""

    def read(self, key: ObjectKey, after: int, limit: int) -> Sequence[Stored]:
        """Records ``after + 1`` …, ascending, at most ``limit``; fewer only at the end of the log or of 1 MB."""

    def read_back(self, key: ObjectKey, before: int, limit: int) -> Sequence[Stored]:
        """Records ``before - 1`` …, descending, at most ``limit``; fewer than that only at the start or of 1 MB."""


class Bodies(Protocol):
    """Events too large for a record, by session and SHA-256 of their JSON. Writing the same again is harmless."""

    def put(self, tenant_id: TenantId, session_id: SessionId, sha256: str, body: bytes) -> None:
        """Keeps the event's JSON, at most ``MAX_EVENT_BYTES``."""

    def get(self, tenant_id: TenantId, session_id: SessionId, sha256: str) -> bytes | None:
        """The event's JSON, or None."""


class Live(Protocol):
    """Deltas of running turns, for late viewers. Never the only copy of anything."""

    def put(self, tenant_id: TenantId, turn_id: TurnId, piece: LivePiece, expires_at: float) -> None:
        """Keeps a piece until ``expires_at`` (epoch seconds)."""

    def read(self, tenant_id: TenantId, turn_id: TurnId, start: tuple[int, int], now: float) -> Sequence[LivePiece]:
        """Pieces from key ``(epoch, counter)`` on, in key order, without those expired at ``now``."""


class Work(Protocol):
    """The work items, by runtime. No tenant in the key: a runtime already known, or the sweep, leads to them."""

    def put(self, item: WorkItem) -> None:
        """Writes the item if there is none, or one with a lower intent; otherwise changes nothing."""

    def postpone(self, item: WorkItem, due: float) -> None:
        """Moves the item's due time, if it still has this intent."""

    def delete(self, runtime_id: RuntimeId, session_id: SessionId, upto: int) -> None:
        """Deletes the item if its intent is at most ``upto``; otherwise changes nothing."""

    def of_runtime(self, runtime_id: RuntimeId) -> Sequence[WorkItem]:
        """All items of a runtime."""

    def due(self, now: float) -> Iterable[WorkItem]:
        """Items whose due time has come. Eventually consistent: one missed now is found by the next sweep."""


class Connections(Protocol):
    """The open WebSockets. No tenant in the key: a connection id is all that a frame brings."""

    def put(self, connection: Connection) -> None:
        """Writes a row."""

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """The row, or None."""

    def of_holder(self, tenant_id: TenantId, holder: str) -> Sequence[ConnectionId]:
        """The connections of a runtime, a key or a session token; also such as have ended since."""

    def delete(self, connection_id: ConnectionId) -> None:
        """Deletes the row if it is there."""


class Attachments(Protocol):
    """Who follows which session. No tenant in the key: attaching checks it, and session ids are not guessed."""

    def put(self, attachment: Attachment) -> None:
        """Writes, or writes over, the reader's attachment."""

    def remove(self, session_id: SessionId, reader_id: ReaderId) -> None:
        """Removes it if it is there."""

    def of_session(self, session_id: SessionId, now: float) -> Sequence[Attachment]:
        """Everybody attached and not expired at ``now``."""

    def of_connection(self, connection_id: ConnectionId) -> Sequence[Attachment]:
        """All of a connection's. Eventually consistent; only ``session_id`` and ``reader_id`` are sure to be filled."""


class Runtimes(Protocol):
    """Laptops, their tokens and the codes that enrol them."""

    def put(self, runtime: Runtime) -> None:
        """Writes, or writes over, a runtime."""

    def get(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Runtime | None:
        """The runtime, or None."""

    def list(self, tenant_id: TenantId) -> Sequence[Runtime]:
        """All of a tenant's, newest first."""

    def put_token(self, token: RuntimeToken) -> None:
        """Writes a token."""

    def token(self, token_hash: str) -> RuntimeToken | None:
        """The token with this hash, or None. No tenant: this is how one is found."""

    def tokens(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Sequence[RuntimeToken]:
        """All of a runtime's tokens, newest first."""

    def use_token(self, token_hash: str, now: float, unless_since: float) -> bool:
        """Writes that a token was used at ``now``. False when that was written after ``unless_since`` already.

        No tenant, here and below: whoever has the hash has found the token.
        """

    def end_token(self, token_hash: str, at: float) -> None:
        """Lets a token end at ``at`` (epoch seconds), unless it ends before that anyway."""

    def revoke_token(self, token_hash: str, now: float) -> None:
        """Marks a token as revoked. The first time counts."""

    def revoke_tokens(self, tenant_id: TenantId, runtime_id: RuntimeId, now: float) -> None:
        """Marks all of a runtime's tokens as revoked."""

    def delete(self, tenant_id: TenantId, runtime_id: RuntimeId) -> None:
        """Deletes a runtime if it is there; its tokens stay."""

    def canary(self, tenant_id: TenantId, runtime_id: RuntimeId) -> Canary | None:
        """The laptop's newest canary, or None."""

    def put_canary(self, canary: Canary, was: Canary | None) -> bool:
        """Writes a laptop's newest canary. False when the newest one is not ``was``."""

    def put_code(self, code: ConnectCode) -> None:
        """Writes a connect code, if there is none of its hash: one that was used up stays so."""

    def spend_code(self, code_hash: str, state_hash: str, code_challenge: str | None, now: float) -> ConnectCode:
        """Uses a code up, by one conditional write that also reads it: of any number of callers one wins.

        ``code_challenge`` is what the caller's verifier gives, or None. It must equal the code's if the code has one.

        Raises:
            BadRequest: ``code_invalid`` (unknown, wrong state or wrong verifier), ``code_expired``, ``code_used``.
        """


class Agents(Protocol):
    """Agents' definitions: of each the newest version, and the older ones that were kept when it took their place."""

    def put(self, agent: Agent) -> Agent | None:
        """Makes this the newest version: version 1 of a new agent, or the one after the newest of one in use.

        Returns None when it was written, if it was written before too; otherwise the newest version, which is another
        one or an archived agent's.
        """

    def keep(self, agent: Agent) -> None:
        """Writes a version among the older ones. Writing it again is harmless."""

    def archive(self, tenant_id: TenantId, agent_id: AgentId, now: float) -> Agent | None:
        """The agent, archived since ``now`` or before that; None when there is none."""

    def get(self, tenant_id: TenantId, agent_id: AgentId) -> Agent | None:
        """The newest version, or None."""

    def older(self, tenant_id: TenantId, agent_id: AgentId, version: int) -> Agent | None:
        """A version that was kept, or None."""

    def versions(self, tenant_id: TenantId, agent_id: AgentId, below: int, limit: int) -> Sequence[Agent]:
        """Versions that were kept, newest first: ``below - 1`` …, at most ``limit``."""

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Agent], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place."""

    def count(self, tenant_id: TenantId) -> int:
        """How many agents are not archived."""

    def drop(self, agent: Agent) -> None:
        """Forgets an agent that nobody was told of."""


class Environments(Protocol):
    """The environments that a tenant made."""

    def put(self, environment: Environment) -> bool:
        """Writes the first or the next version. False when the one before it is no longer the newest, or is gone."""

    def get(self, tenant_id: TenantId, environment_id: EnvironmentId) -> Environment | None:
        """The environment, or None."""

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, wanted: Selection
    ) -> tuple[Sequence[Environment], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place."""

    def delete(self, tenant_id: TenantId, environment_id: EnvironmentId) -> None:
        """Deletes it if it is there."""


class Sessions(Protocol):
    """The rows that lists of sessions show, and how many of a tenant's sessions are open."""

    def reserve(self, tenant_id: TenantId, most: int, now: float) -> bool:
        """Counts one more open session. False, and nothing is counted, when the tenant has ``most`` of them."""

    def put(self, row: SessionRow) -> None:
        """Writes a new row, for which room was reserved. Raises PutRefused when there is another one of this id."""

    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow | None:
        """The row, or None."""

    def list(self, tenant_id: TenantId, keys: Keys, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        """Some of the rows that ``keys`` names, in its order, and the id to go on beyond, or None. One request."""

    def summarise(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        """Repeats what the row shows as of a record, unless the row has it of a newer one or is gone."""

    def describe(self, tenant_id: TenantId, session_id: SessionId, details: Details, n: int, at: float) -> None:
        """Repeats what the session is called by as of record ``n``, written at ``at`` (epoch seconds).

        Not where the row has it of a newer one, or is gone.
        """

    def archive(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        """Marks the row as archived at ``summary.at``, unless it is, or is gone. It counts as open no longer."""

    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Deletes the row if it is there. It counts as open no longer."""


class Sockets(Protocol):
    """What goes out to connections."""

    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        """Sends one message. False when the connection is gone; a rate limit of the gateway's counts as lost."""

    def close(self, connection_id: ConnectionId) -> None:
        """Closes the connection if it is open."""


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> float:
        """Epoch seconds, UTC."""

    def token(self, n_bytes: int) -> str:
        """``n_bytes`` of chance from the system, as lower-case hex."""

    def pause(self, seconds: float) -> None:
        """Waits: the jitter between two tries to commit."""


class Stores(Struct, frozen=True, kw_only=True):
    """All of it in one hand."""

    objects: Objects
    bodies: Bodies
    live: Live
    work: Work
    connections: Connections
    attachments: Attachments
    tenants: Tenants
    users: Users
    passes: Passes
    runtimes: Runtimes
    devices: Devices
    agents: Agents
    environments: Environments
    sessions: Sessions
    files: Files
    blobs: Blobs
    sockets: Sockets
    clock: Clock
