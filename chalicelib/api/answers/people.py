"""A tenant, its people and their keys as they are answered. Times are epoch seconds."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ...actors.api_keys import Minted
from ...core.access import KeyPrincipal, Right, Role
from ...core.catalog import KeyNote, Tenant, User
from ...core.tenant_limits import TenantLimits


class TenantAnswer(Struct, frozen=True, kw_only=True):
    """A tenant, with every limit as it holds."""

    type: Literal["tenant"] = "tenant"
    id: str
    name: str
    limits: dict[str, int]
    created_at: int


class UserAnswer(Struct, frozen=True, kw_only=True):
    """A person."""

    type: Literal["user"] = "user"
    id: str
    name: str
    email: str | None
    role: Role
    created_at: int
    removed_at: int | None


class UserRemoved(Struct, frozen=True, kw_only=True):
    """A person who was removed, with all their keys."""

    id: str
    type: Literal["user_removed"] = "user_removed"


class KeyAnswer(Struct, frozen=True, kw_only=True):
    """A key without its secret. ``last_used_at`` may be up to an hour old."""

    type: Literal["api_key"] = "api_key"
    id: str
    name: str
    user_id: str | None
    scopes: tuple[Right, ...]
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None


class KeyWithSecret(KeyAnswer, frozen=True, kw_only=True):
    """A key with its secret, shown this once."""

    secret: str


class KeyRevoked(Struct, frozen=True, kw_only=True):
    """A key that opens nothing any more."""

    id: str
    type: Literal["api_key_revoked"] = "api_key_revoked"


class MeAnswer(Struct, frozen=True, kw_only=True):
    """Who asks: the person, or null for a key that is nobody's, and what the key may do."""

    type: Literal["me"] = "me"
    tenant: TenantAnswer
    user: UserAnswer | None
    role: Role
    scopes: tuple[Right, ...]
    key_id: str
    expires_at: int | None


def tenant_answer(tenant: Tenant) -> TenantAnswer:
    """A tenant as it is answered."""
    limits = {name: getattr(tenant.limits, name) for name in TenantLimits.__struct_fields__}
    return TenantAnswer(id=tenant.tenant_id, name=tenant.name, limits=limits, created_at=int(tenant.created_at))


def user_answer(user: User) -> UserAnswer:
    """A person as they are answered."""
    return UserAnswer(
        id=user.user_id,
        name=user.name,
        email=user.email,
        role=user.role,
        created_at=int(user.created_at),
        removed_at=_whole(user.removed_at),
    )


def key_answer(note: KeyNote) -> KeyAnswer:
    """A key as it is answered."""
    return KeyAnswer(
        id=note.key_id,
        name=note.name,
        user_id=note.user_id or None,
        scopes=note.scopes,
        created_at=int(note.created_at),
        expires_at=_whole(note.expires_at),
        last_used_at=_whole(note.last_used_at),
        revoked_at=_whole(note.revoked_at),
    )


def minted_answer(minted: Minted) -> KeyWithSecret:
    """A key as it is answered once."""
    known = key_answer(minted.note)
    return KeyWithSecret(secret=minted.secret, **{name: getattr(known, name) for name in known.__struct_fields__})


def me_answer(asking: KeyPrincipal, tenant: Tenant, user: User | None) -> MeAnswer:
    """Who asks, as they are answered."""
    return MeAnswer(
        tenant=tenant_answer(tenant),
        user=user_answer(user) if user else None,
        role=asking.role,
        scopes=asking.scopes,
        key_id=asking.key_id,
        expires_at=_whole(asking.expires_at),
    )


def _whole(at: float | None) -> int | None:
    return None if at is None else int(at)
