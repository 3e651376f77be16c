"""In-memory twins of the stores of tenants, people and keys; `tests/fakes.py` has the others and says what for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from chalicelib.actors.ports import PutRefused
from chalicelib.core.access import Role
from chalicelib.core.catalog import ApiKey, KeyNote, Pass, Tenant, User, UserWrite
from chalicelib.core.session_token import SessionToken
from chalicelib.wire.ids import KeyId, SessionId, TenantId, UserId
from tests.fake_io import Fake, io_point
from tests.fake_records import newest_first


@dataclass
class FakeTenants(Fake):
    """Tenants and their keys."""

    tenants: dict[TenantId, Tenant] = field(default_factory=dict)
    key_notes: dict[tuple[TenantId, str], KeyNote] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    port = "tenants"

    @io_point
    def put(self, tenant: Tenant) -> None:
        if self.tenants.setdefault(tenant.tenant_id, tenant) != tenant:
            raise PutRefused(f"There is another tenant {tenant.tenant_id}.")

    @io_point
    def change(self, tenant: Tenant) -> bool:
        standing = self.tenants.get(tenant.tenant_id)
        if standing is None or (standing != tenant and standing.version != tenant.version - 1):
            return False
        self.tenants[tenant.tenant_id] = tenant
        return True

    @io_point
    def get(self, tenant_id: TenantId) -> Tenant | None:
        return self.tenants.get(tenant_id)

    @io_point
    def first(self) -> Tenant | None:
        return min(self.tenants.values(), key=lambda one: (one.created_at, one.tenant_id), default=None)

    @io_point
    def all(self) -> Sequence[Tenant]:
        return list(self.tenants.values())

    @io_point
    def put_note(self, note: KeyNote) -> bool:
        place = (note.tenant_id, note.key_id)
        standing = self.key_notes.get(place)
        used_at = standing.last_used_at if standing else None
        if standing is not None and replace(standing, last_used_at=note.last_used_at) == note:
            return True
        if (standing.version if standing else 0) != note.version - 1:
            return False
        self.key_notes[place] = replace(note, last_used_at=used_at)
        return True

    @io_point
    def note(self, tenant_id: TenantId, key_id: KeyId) -> KeyNote | None:
        return self.key_notes.get((tenant_id, key_id))

    @io_point
    def notes(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[KeyNote], bool]
    ) -> tuple[Sequence[KeyNote], str | None]:
        return newest_first({k: one for k, one in self.key_notes.items() if is_shown(one)}, tenant_id, after, limit)

    @io_point
    def all_notes(self, tenant_id: TenantId) -> Sequence[KeyNote]:
        return [note for (owner, _), note in sorted(self.key_notes.items()) if owner == tenant_id]

    @io_point
    def drop_note(self, tenant_id: TenantId, key_id: KeyId) -> None:
        self.key_notes.pop((tenant_id, key_id), None)

    @io_point
    def note_use(self, tenant_id: TenantId, key_id: KeyId, now: float) -> bool:
        note = self.key_notes.get((tenant_id, key_id))
        if note is not None:
            self.key_notes[tenant_id, key_id] = replace(note, last_used_at=now)
        return note is not None

    @io_point
    def put_key(self, key: ApiKey) -> None:
        self.keys[key.key_hash] = key

    @io_point
    def key(self, key_hash: str) -> ApiKey | None:
        return self.keys.get(key_hash)

    @io_point
    def use_key(self, key_hash: str, now: float, unless_since: float) -> bool:
        key = self.keys.get(key_hash)
        if key is None or (key.last_used_at is not None and key.last_used_at > unless_since):
            return False
        return self._change(key_hash, last_used_at=now)

    @io_point
    def give_role(self, key_hash: str, role: Role, version: int) -> None:
        key = self.keys.get(key_hash)
        if key is not None and key.role_version < version:
            self._change(key_hash, role=role, role_version=version)

    @io_point
    def end_key(self, key_hash: str, at: float) -> None:
        key = self.keys.get(key_hash)
        if key is not None and (key.expires_at is None or key.expires_at > at):
            self._change(key_hash, expires_at=at)

    @io_point
    def revoke_key(self, key_hash: str, now: float) -> None:
        key = self.keys.get(key_hash)
        if key is not None and key.revoked_at is None:
            self._change(key_hash, revoked_at=now)

    def _change(self, key_hash: str, **changes: Any) -> bool:
        self.keys[key_hash] = replace(self.keys[key_hash], **changes)
        return True


@dataclass
class FakeUsers(Fake):
    """A tenant's people."""

    users: dict[tuple[TenantId, str], User] = field(default_factory=dict)
    port = "users"

    @io_point
    def put(self, user: User, was: User | None, max_users: int) -> UserWrite:
        place = (user.tenant_id, user.user_id)
        standing = self.users.get(place)
        if (standing.version if standing else 0) != (was.version if was else 0):
            return "stale"
        others = [one for key, one in self.users.items() if key[0] == user.tenant_id and key != place]
        if was is None and sum(one.removed_at is None for one in others) >= max_users:
            return "full"
        if was is not None and was.is_owner and not any(one.is_owner for one in (user, *others)):
            return "last_owner"
        self.users[place] = user
        return "done"

    @io_point
    def get(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        return self.users.get((tenant_id, user_id))

    @io_point
    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[User], bool]
    ) -> tuple[Sequence[User], str | None]:
        return newest_first({k: one for k, one in self.users.items() if is_shown(one)}, tenant_id, after, limit)


@dataclass
class FakePasses(Fake):
    """What is held in place of keys."""

    rows: dict[str, Pass] = field(default_factory=dict)
    session_tokens: dict[str, SessionToken] = field(default_factory=dict)
    port = "passes"

    @io_point
    def put(self, made: Pass) -> None:
        self.rows[made.pass_hash] = made

    @io_point
    def get(self, pass_hash: str, now: float) -> Pass | None:
        found = self.rows.get(pass_hash)
        return found if found and found.expires_at > now else None

    @io_point
    def delete(self, pass_hash: str) -> None:
        self.rows.pop(pass_hash, None)

    @io_point
    def put_token(self, token: SessionToken) -> bool:
        standing = self.session_tokens.get(token.token_id)
        if standing != token and (standing.version if standing else 0) != token.version - 1:
            return False
        self.session_tokens[token.token_id] = token
        return True

    @io_point
    def token(self, token_id: str, now: float) -> SessionToken | None:
        found = self.session_tokens.get(token_id)
        return found if found and found.expires_at > now else None

    @io_point
    def tokens(self, tenant_id: TenantId, session_id: SessionId, now: float) -> Sequence[SessionToken]:
        found = [
            one
            for one in self.session_tokens.values()
            if (one.tenant_id, one.session_id) == (tenant_id, session_id) and one.expires_at > now
        ]
        return sorted(found, key=lambda one: one.token_id, reverse=True)
