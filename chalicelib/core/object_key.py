"""Object key: how an object's log is named, and what its store hands out and refuses."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from ..wire.ids import RuntimeId, SessionId, TenantId


class ObjectKey(Struct, frozen=True):
    """Names one object's log.

    A session's and a request's carry their tenant; a room's has none, since a daemon's frame names only its runtime and
    is believed by what the room's state says.
    """

    kind: str
    tenant_id: str
    object_id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.tenant_id}/{self.object_id}" if self.tenant_id else f"{self.kind}:{self.object_id}"


def room_key(runtime_id: RuntimeId) -> ObjectKey:
    """The key of a runtime's room."""
    return ObjectKey("room", "", runtime_id)


def session_key(tenant_id: TenantId, session_id: SessionId) -> ObjectKey:
    """The key of a session."""
    return ObjectKey("session", tenant_id, session_id)


def request_key(tenant_id: TenantId, name: str) -> ObjectKey:
    """The key of a request that makes something, by any name that its repeats have too."""
    return ObjectKey("request", tenant_id, hashlib.sha256(name.encode()).hexdigest())


class Stored(Struct, frozen=True):
    """One record's number and bytes."""

    n: int
    body: bytes


class PutRefused(Exception):
    """The record's number is taken: somebody else was faster, or our own put was applied and its answer lost."""
