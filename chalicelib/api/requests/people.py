"""Requests about a tenant, its people and their keys.

Unknown fields are refused here: a misspelt ``scopes`` that were ignored would make a key that may do everything.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from ...actors.api_keys import GRACE_S, NewKey
from ...core.access import Right, Role
from ...core.tenant_limits import LimitName
from .fields import ListQuery, Name, Word

MAX_GRACE_S = 30 * 24 * 3600.0
MAX_KEY_S = 10 * 365 * 24 * 3600.0

Email = Annotated[str, Meta(pattern=r"^([!-?A-~]+@[!-?A-~]+)?$", max_length=254)]
Count = Annotated[int, Meta(ge=0, le=1 << 50)]


class ChangeLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of a tenant's limits."""

    max_users: Count | UnsetType | None = UNSET
    max_api_keys: Count | UnsetType | None = UNSET
    max_runtimes: Count | UnsetType | None = UNSET
    max_agents: Count | UnsetType | None = UNSET
    max_sessions: Count | UnsetType | None = UNSET
    max_file_bytes: Count | UnsetType | None = UNSET


class ChangeTenant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/tenant``: what is left out stays; a limit that is null is the usual one again."""

    name: Name | UnsetType = UNSET
    limits: ChangeLimits | UnsetType = UNSET

    def new_limits(self) -> dict[LimitName, int | None]:
        """The limits that are given, by name."""
        given = {name: getattr(self.limits, name, UNSET) for name in get_args(LimitName)}
        return {name: value for name, value in given.items() if value is not UNSET}


class CreateUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/users``."""

    name: Name
    email: Email | None = None
    role: Role = "member"


class ChangeUser(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/users/{id}``: what is left out stays; an email that is null or empty goes."""

    name: Name | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    role: Role | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What is to change, by field."""
        said = {"name": self.name, "email": self.email, "role": self.role}
        return {name: value or None for name, value in said.items() if value is not UNSET}


class CreateKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/api_keys``: for oneself unless ``user_id`` is given; ``expires_in`` is seconds from now, or never."""

    name: Name
    user_id: Word | None = None
    scopes: Annotated[tuple[Right, ...], Meta(min_length=1, max_length=16)] | None = None
    expires_in: Annotated[float, Meta(ge=1, le=MAX_KEY_S)] | None = None

    def wanted(self) -> NewKey:
        """The key that is asked for."""
        return NewKey(name=self.name, user_id=self.user_id, scopes=self.scopes, expires_in_s=self.expires_in)


class RotateKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/api_keys/{id}/rotate``: how many seconds the secret that is replaced goes on opening."""

    grace_s: Annotated[float, Meta(ge=0, le=MAX_GRACE_S)] = GRACE_S


class KeysQuery(ListQuery, frozen=True, kw_only=True):
    """``GET /v1/api_keys``: a page, of one person's if ``user_id`` is given."""

    user_id: Word | None = None
