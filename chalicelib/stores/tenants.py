"""Tenants: the teams, and the hashes of their API keys."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from ..core.catalog import ApiKey, Tenant
from .table import Records, Secrets, written

_SK = "tenant"


class Tenants:
    """Tenants and their keys."""

    def __init__(self, records: type[Records], secrets: type[Secrets]) -> None:
        self._records = records
        self._secrets = secrets

    def put(self, tenant: Tenant) -> None:
        """Writes a tenant."""
        self._records(tenant.tenant_id, _SK, body=msgspec.json.encode(tenant).decode()).save()

    def first(self) -> Tenant | None:
        """The tenant made first, for a plane that has one; a scan, for the operator's use only."""
        return min(self.all(), key=lambda tenant: (tenant.created_at, tenant.tenant_id), default=None)

    def all(self) -> Sequence[Tenant]:
        """Every tenant, in no order; a scan, for the operator's use only."""
        found = self._records.scan(self._records.sk == _SK, consistent_read=True)
        return [msgspec.json.decode(row.body or "", type=Tenant) for row in found]

    def put_key(self, key: ApiKey) -> None:
        """Writes a key."""
        body = msgspec.json.encode(key).decode()
        self._secrets(_pk(key.key_hash), body=body, revoked_at=key.revoked_at).save()

    def key(self, key_hash: str) -> ApiKey | None:
        """The key with this hash, or None. No tenant: this is how one is found."""
        try:
            row = self._secrets.get(_pk(key_hash), consistent_read=True)
        except self._secrets.DoesNotExist:
            return None
        return replace(msgspec.json.decode(row.body, type=ApiKey), revoked_at=row.revoked_at)

    def revoke_key(self, key_hash: str, now: float) -> None:
        """Marks a key as revoked. No tenant: whoever has the hash has found the key. The first time counts."""
        row = self._secrets(_pk(key_hash))
        # An update would otherwise make a row of its own for a hash that nobody has.
        is_there = self._secrets.body.exists()
        is_in_force = self._secrets.revoked_at.does_not_exist()
        written(lambda: row.update([self._secrets.revoked_at.set(now)], is_there & is_in_force))


def _pk(key_hash: str) -> str:
    return f"key#{key_hash}"
