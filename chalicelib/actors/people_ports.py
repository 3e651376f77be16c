"""What the actors need of the world to know people: tenants, users, keys, and what browsers hold.

``ports.py`` has the others, and says what holds for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.access import Role
from ..core.catalog import ApiKey, KeyNote, Pass, Tenant, User, UserWrite
from ..core.session_token import SessionToken
from ..wire.ids import KeyId, SessionId, TenantId, UserId


class Tenants(Protocol):
    """Tenants and their keys."""

    def put(self, tenant: Tenant) -> None:
        """Writes a new tenant. Raises PutRefused when there is another one of this id."""

    def change(self, tenant: Tenant) -> bool:
        """Writes the next version of a tenant. False when the one before it is no longer the newest."""

    def get(self, tenant_id: TenantId) -> Tenant | None:
        """The tenant, or None."""

    def first(self) -> Tenant | None:
        """The tenant made first, for a plane that has one; a scan, for the operator's use only."""

    def all(self) -> Sequence[Tenant]:
        """Every tenant, in no order; a scan, for the operator's use only."""

    def put_note(self, note: KeyNote) -> bool:
        """Writes the first or the next version of a key. False when there is one of that version or a newer one.

        ``last_used_at`` is left as it is.
        """

    def note(self, tenant_id: TenantId, key_id: KeyId) -> KeyNote | None:
        """The key, or None."""

    def notes(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[KeyNote], bool]
    ) -> tuple[Sequence[KeyNote], str | None]:
        """Newest first: a page of those shown, and the place to go on from or None. ``after`` is such a place."""

    def all_notes(self, tenant_id: TenantId) -> Sequence[KeyNote]:
        """All of a tenant's keys, those that are revoked or have ended too."""

    def drop_note(self, tenant_id: TenantId, key_id: KeyId) -> None:
        """Forgets a key that never had a secret."""

    def note_use(self, tenant_id: TenantId, key_id: KeyId, now: float) -> bool:
        """Notes that a key was used. False when there is no such key."""

    def put_key(self, key: ApiKey) -> None:
        """Writes a key's secret."""

    def key(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, or None. No tenant: this is how one is found."""

    def use_key(self, key_hash: str, now: float, unless_since: float) -> bool:
        """Writes that a secret was used at ``now``. False when that was written after ``unless_since`` already.

        No tenant, here and below: whoever has the hash has found the key. None of these makes a secret.
        """

    def give_role(self, key_hash: str, role: Role, version: int) -> None:
        """Repeats a person's role as of their ``version``, unless the secret has it of a newer one."""

    def end_key(self, key_hash: str, at: float) -> None:
        """Lets a secret end at ``at`` (epoch seconds), unless it ends before that anyway."""

    def revoke_key(self, key_hash: str, now: float) -> None:
        """Marks a secret as revoked. The first time counts."""


class Users(Protocol):
    """A tenant's people."""

    def put(self, user: User, was: User | None, max_users: int) -> UserWrite:
        """Writes a new person, or the next version of one that was read as ``was``.

        ``max_users`` is how many people the tenant may have, where this is one more.
        """

    def get(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        """The person, or None."""

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[User], bool]
    ) -> tuple[Sequence[User], str | None]:
        """Newest first: a page of those shown, and the place to go on from or None. ``after`` is such a place."""


class Passes(Protocol):
    """What is held in place of keys. No tenant: whoever has the hash, or the id, has found it."""

    def put(self, made: Pass) -> None:
        """Writes a pass."""

    def get(self, pass_hash: str, now: float) -> Pass | None:
        """The pass with this hash, or None when there is none or it had expired at ``now``."""

    def delete(self, pass_hash: str) -> None:
        """Deletes the pass if it is there."""

    def put_token(self, token: SessionToken) -> bool:
        """Writes the first or the next version of a session token. False when that is not the next one."""

    def token(self, token_id: str, now: float) -> SessionToken | None:
        """The session token, or None when there is none or it had expired at ``now``."""

    def tokens(self, tenant_id: TenantId, session_id: SessionId, now: float) -> Sequence[SessionToken]:
        """All of a session's tokens that had not expired at ``now``, newest first."""
