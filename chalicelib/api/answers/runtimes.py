"""Runtimes as they are answered. Times are epoch seconds."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ...actors.presence import Seen
from ...core.catalog import RuntimeToken
from ...core.runtime_room import Presence
from ...wire.events import UserBlock
from ...wire.frames import AgentReport, LocalSkill
from ...wire.limits import LEASE_S


class RuntimeAnswer(Struct, frozen=True, kw_only=True):
    """A runtime.

    ``last_heartbeat`` is when it was last heard, ``asleep_since`` when it said that it goes to sleep.
    ``waiting`` is how many messages wait for its return, counted in 100 sessions at most.
    """

    id: str
    hostname: str
    os: str
    status: Presence
    agents: tuple[AgentReport, ...]
    local_skills: dict[str, tuple[LocalSkill, ...]]
    version: str
    last_heartbeat: int | None
    created_at: int
    owner: str
    shared: bool
    asleep_since: int | None
    waiting: int


class RuntimeRemoved(Struct, frozen=True):
    """A runtime that is gone."""

    id: str
    type: Literal["runtime_deleted"] = "runtime_deleted"


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """A runtime's token, without its secret; ``last_used_at`` is as of at most an hour ago, ``name`` the machine's."""

    id: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None
    name: str


class TokenList(Struct, frozen=True):
    """All tokens of a runtime."""

    tokens: tuple[TokenAnswer, ...]


class TokenEnded(Struct, frozen=True):
    """A laptop has ended its own token; ``id`` is the runtime's."""

    id: str
    type: Literal["runtime_token_deleted"] = "runtime_token_deleted"


class RenewedAnswer(Struct, frozen=True):
    """A runtime's new token, shown once."""

    token: str
    expires_at: int


class ConnectionCut(Struct, frozen=True):
    """A laptop's connection that was closed, if there was one; ``id`` is the runtime's."""

    id: str
    type: Literal["connection_cut"] = "connection_cut"


class RuntimeList(Struct, frozen=True):
    """All of a tenant's runtimes."""

    runtimes: tuple[RuntimeAnswer, ...]


class RuntimeSelf(Struct, frozen=True, kw_only=True):
    """What a runtime's token stands for."""

    runtime_id: str
    tenant_id: str
    runtime: RuntimeAnswer


class CodeAnswer(Struct, frozen=True):
    """A connect code, shown once."""

    code: str
    expires_at: int


class EnrolledAnswer(Struct, frozen=True, kw_only=True):
    """What a laptop keeps: its id, its token, shown once, and where it connects."""

    runtime_id: str
    token: str
    ws_url: str
    expires_at: int


class TurnContent(Struct, frozen=True):
    """What a turn works on."""

    content: tuple[UserBlock, ...]


class Kept(Struct, frozen=True):
    """An event that was kept."""

    id: str
    n_bytes: int


def runtime_answer(seen: Seen, now: float) -> RuntimeAnswer:
    """A runtime; whether it is online is what its room says at ``now`` (epoch seconds)."""
    runtime, room = seen.runtime, seen.room
    presence: Presence = room.presence(now) if room else "offline"
    return RuntimeAnswer(
        id=runtime.runtime_id,
        hostname=runtime.hostname,
        os=runtime.os,
        status=presence,
        agents=runtime.agents,
        local_skills=runtime.local_skills,
        version=runtime.version,
        last_heartbeat=_whole(room.lease_until - LEASE_S if room.lease_until else room.asleep_since) if room else None,
        created_at=int(runtime.created_at),
        owner=room.owner_id if room and room.owner_id else runtime.owner_key_id,
        shared=room is not None and (room.use == "tenant" or not room.owner_id),
        asleep_since=_whole(room.asleep_since) if room else None,
        waiting=seen.waiting,
    )


def token_answer(token: RuntimeToken) -> TokenAnswer:
    """A token as it is answered."""
    return TokenAnswer(
        id=token.token_id,
        created_at=int(token.created_at),
        expires_at=_whole(token.expires_at),
        last_used_at=_whole(token.last_used_at),
        revoked_at=_whole(token.revoked_at),
        name=token.name,
    )


def _whole(at: float | None) -> int | None:
    return None if at is None else int(at)
