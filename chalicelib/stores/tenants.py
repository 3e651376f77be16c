"""Tenants: the teams, their API keys, and the hashes of the keys' secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace
from pynamodb.exceptions import VerboseClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from ..core.access import Role
from ..core.catalog import ApiKey, KeyNote, Tenant
from ..core.object_key import PutRefused
from ..wire.ids import KeyId, TenantId
from .listing import newest_first_of
from .table import Records, Secrets, save, update, written

_SK = "tenant"


class Tenants:
    """Tenants and their keys."""

    def __init__(self, records: type[Records], secrets: type[Secrets]) -> None:
        self._records = records
        self._secrets = secrets

    # ---- tenants

    def put(self, tenant: Tenant) -> None:
        """Writes a new tenant. Writing the same again is harmless.

        Raises:
            PutRefused: there is another tenant of this id.
        """
        body = _body(tenant)
        row = self._records(tenant.tenant_id, _SK, body=body, version=tenant.version)
        standing = save(row, self._records.body.does_not_exist())
        if standing is not None and standing.body != body:
            raise PutRefused(f"There is another tenant {tenant.tenant_id}.")

    def change(self, tenant: Tenant) -> bool:
        """Writes the next version of a tenant. False when the one before it is no longer the newest."""
        return self._next(self._records(tenant.tenant_id, _SK), _body(tenant), tenant.version)

    def get(self, tenant_id: TenantId) -> Tenant | None:
        """The tenant, or None."""
        try:
            row = self._records.get(tenant_id, _SK, consistent_read=True)
        except self._records.DoesNotExist:
            return None
        return msgspec.json.decode(row.body or "", type=Tenant)

    def first(self) -> Tenant | None:
        """The tenant made first, for a plane that has one; a scan, for the operator's use only."""
        return min(self.all(), key=lambda tenant: (tenant.created_at, tenant.tenant_id), default=None)

    def all(self) -> Sequence[Tenant]:
        """Every tenant, in no order; a scan, for the operator's use only."""
        found = self._records.scan(self._records.sk == _SK, consistent_read=True)
        return [msgspec.json.decode(row.body or "", type=Tenant) for row in found]

    # ---- keys, as their tenant lists them

    def put_note(self, note: KeyNote) -> bool:
        """Writes the first or the next version of a key. False when there is one of that version or a newer one."""
        row = self._records(note.tenant_id, _note(note.key_id))
        if note.version > 1:
            return self._next(row, _body(note), note.version)
        row.body, row.version = _body(note), note.version
        standing = save(row, self._records.body.does_not_exist())
        return standing is None or standing.body == row.body

    def note(self, tenant_id: TenantId, key_id: KeyId) -> KeyNote | None:
        """The key, or None."""
        try:
            return _key_note(self._records.get(tenant_id, _note(key_id), consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def notes(
        self, tenant_id: TenantId, after: str | None, limit: int, is_shown: Callable[[KeyNote], bool]
    ) -> tuple[Sequence[KeyNote], str | None]:
        """Newest first: a page of those shown, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """

        def keep(row: Records) -> KeyNote | None:
            note = _key_note(row)
            return note if is_shown(note) else None

        return newest_first_of(self._records, tenant_id, "key", after, limit, keep)

    def all_notes(self, tenant_id: TenantId) -> Sequence[KeyNote]:
        """All of a tenant's keys, those that are revoked or have ended too."""
        rows = self._records.query(tenant_id, self._records.sk.startswith(_note("")), consistent_read=True)
        return [_key_note(row) for row in rows]

    def drop_note(self, tenant_id: TenantId, key_id: KeyId) -> None:
        """Forgets a key that never had a secret."""
        self._records(tenant_id, _note(key_id)).delete()

    def note_use(self, tenant_id: TenantId, key_id: KeyId, now: float) -> bool:
        """Notes that a key was used. False when there is no such key."""
        records = self._records
        # A key from before there were notes must not get one without a body.
        is_there = records.body.exists()
        row = records(tenant_id, _note(key_id))
        return written(lambda: row.update([records.last_used_at.set(now)], is_there))

    # ---- their secrets

    def put_key(self, key: ApiKey) -> None:
        """Writes a key's secret."""
        self._secrets(_pk(key.key_hash), body=_body(key), **{name: getattr(key, name) for name in _CHANGING}).save()

    def key(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, or None. No tenant: this is how one is found."""
        try:
            row = self._secrets.get(_pk(key_hash), consistent_read=True)
        except self._secrets.DoesNotExist:
            return None
        # What a row from before people does not have, its key's defaults say.
        since = {name: value for name in _CHANGING if (value := getattr(row, name)) is not None}
        return replace(msgspec.json.decode(row.body, type=ApiKey), **since)

    def use_key(self, key_hash: str, now: float, unless_since: float) -> bool:
        """Writes that a secret was used at ``now``. False when that was written after ``unless_since`` already.

        No tenant, here and below: whoever has the hash has found the key.
        """
        used = self._secrets.last_used_at
        # Of those who use it at the same moment one writes.
        return self._change(key_hash, [used.set(now)], used.does_not_exist() | (used <= unless_since))

    def give_role(self, key_hash: str, role: Role, version: int) -> None:
        """Repeats a person's role as of their ``version``, unless the secret has it of a newer one."""
        secrets = self._secrets
        # Who read the person before another change may write after whoever read them afterwards.
        is_older = secrets.role_version.does_not_exist() | (secrets.role_version < version)
        self._change(key_hash, [secrets.role.set(role), secrets.role_version.set(version)], is_older)

    def end_key(self, key_hash: str, at: float) -> None:
        """Lets a secret end at ``at``, unless it ends before that anyway."""
        ends = self._secrets.expires_at
        self._change(key_hash, [ends.set(at)], ends.does_not_exist() | (ends > at))

    def revoke_key(self, key_hash: str, now: float) -> None:
        """Marks a secret as revoked. The first time counts."""
        revoked = self._secrets.revoked_at
        self._change(key_hash, [revoked.set(now)], revoked.does_not_exist())

    def _change(self, key_hash: str, actions: list[Action], condition: Condition) -> bool:
        row = self._secrets(_pk(key_hash))
        # An update would otherwise make a row of its own for a hash that nobody has.
        is_there = self._secrets.body.exists()
        return written(lambda: row.update(actions, is_there & condition))

    def _next(self, row: Records, body: str, version: int) -> bool:
        records = self._records
        # A tenant from before there were versions has its first one.
        was_newest = records.version.does_not_exist() | (records.version == version - 1)
        actions: list[Action] = [records.body.set(body), records.version.set(version)]
        try:
            done, standing = update(row, actions, records.body.exists() & was_newest)
        except VerboseClientError as exc:
            # A transaction with this row has not ended: one of the tenant's people is changing.
            if exc.response["Error"]["Code"] != "TransactionConflictException":
                raise
            return False
        # Our own write, applied before its answer was lost and tried again, stands in the way of itself.
        return done or (standing is not None and standing.body == body)


_CHANGING = ("revoked_at", "expires_at", "last_used_at", "role", "role_version")


def _body(one: Tenant | KeyNote | ApiKey) -> str:
    return msgspec.json.encode(one).decode()


def _key_note(row: Records) -> KeyNote:
    written_first = msgspec.json.decode(row.body or "", type=KeyNote)
    return replace(written_first, last_used_at=row.last_used_at)


def _note(key_id: str) -> str:
    return f"key#{key_id}"


def _pk(key_hash: str) -> str:
    return f"key#{key_hash}"
