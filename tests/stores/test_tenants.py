"""Tenants and their keys."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import ApiKey, Runtime, Tenant
from chalicelib.stores import Tables
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId

TENANT = Tenant(tenant_id=TenantId("ten_b"), name="Bees", created_at=100.5)
KEY = ApiKey(key_hash="ab" * 32, key_id=KeyId("key_1"), tenant_id=TENANT.tenant_id, name="laptop", created_at=101.0)


def test_a_new_plane_has_no_tenant(stores: Stores) -> None:
    assert stores.tenants.first() is None


def test_the_first_tenant_is_the_one_made_first(stores: Stores) -> None:
    runtime = Runtime(
        tenant_id=TENANT.tenant_id,
        runtime_id=RuntimeId("rt_1"),
        owner_key_id=KEY.key_id,
        machine_id="m",
        hostname="h",
        os="linux",
        version="1",
        created_at=1.0,
    )
    stores.runtimes.put(runtime)
    stores.tenants.put(replace(TENANT, tenant_id=TenantId("ten_a"), created_at=200.0))
    stores.tenants.put(TENANT)
    stores.tenants.put(replace(TENANT, tenant_id=TenantId("ten_c"), created_at=300.0))
    assert stores.tenants.first() == TENANT


def test_all_tenants_are_listed_for_the_operator(tables: Tables) -> None:
    tables.tenants.put(TENANT)
    tables.tenants.put(replace(TENANT, tenant_id=TenantId("ten_a")))
    assert sorted(one.tenant_id for one in tables.tenants.all()) == ["ten_a", "ten_b"]


def test_a_key_is_found_by_its_hash_only(stores: Stores) -> None:
    stores.tenants.put_key(KEY)
    assert stores.tenants.key(KEY.key_hash) == KEY
    assert stores.tenants.key("cd" * 32) is None
    assert stores.tenants.key("") is None
    assert stores.runtimes.token(KEY.key_hash) is None


def test_a_revoked_key_says_since_when(stores: Stores) -> None:
    stores.tenants.put_key(KEY)
    stores.tenants.put_key(replace(KEY, key_hash="cd" * 32))
    stores.tenants.revoke_key(KEY.key_hash, 200.5)
    stores.tenants.revoke_key(KEY.key_hash, 300.5)
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, revoked_at=200.5)
    assert stores.tenants.key("cd" * 32) == replace(KEY, key_hash="cd" * 32)


def test_a_key_written_as_revoked_is_revoked(stores: Stores) -> None:
    stores.tenants.put_key(replace(KEY, revoked_at=150.0))
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, revoked_at=150.0)


def test_revoking_an_unknown_key_makes_none(stores: Stores) -> None:
    stores.tenants.revoke_key(KEY.key_hash, 200.5)
    assert stores.tenants.key(KEY.key_hash) is None
