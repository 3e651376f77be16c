"""Tenants and their keys."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from pynamodb.exceptions import VerboseClientError

from chalicelib.actors.ports import PutRefused, Stores
from chalicelib.core.access import EVERYTHING
from chalicelib.core.catalog import ApiKey, KeyNote, KeySecret, Runtime, Tenant
from chalicelib.core.errors import BadRequest
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.stores import Tables
from chalicelib.stores.table import Records, Secrets
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from tests.stores.conftest import at_once

TENANT = Tenant(tenant_id=TenantId("ten_b"), name="Bees", created_at=100.5)
KEY = ApiKey(key_hash="ab" * 32, key_id=KeyId("key_1"), tenant_id=TENANT.tenant_id, name="laptop", created_at=101.0)
NOTE = KeyNote(
    tenant_id=TENANT.tenant_id,
    key_id=KeyId("key_1"),
    user_id="user_1",
    name="laptop",
    scopes=("read", "sessions:write"),
    created_at=101.0,
    secrets=(KeySecret(KEY.key_hash),),
    expires_at=900.5,
)
N = 8


def row_of(tables: Tables, kind: type[Records] | type[Secrets]) -> type[Records] | type[Secrets]:
    return next(table for table in tables.models if issubclass(table, kind))


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


def test_all_tenants_are_listed_for_the_operator(stores: Stores) -> None:
    stores.tenants.put(TENANT)
    stores.tenants.put(replace(TENANT, tenant_id=TenantId("ten_a")))
    assert sorted(one.tenant_id for one in stores.tenants.all()) == ["ten_a", "ten_b"]


def test_a_tenant_is_found_by_its_id(stores: Stores) -> None:
    stores.tenants.put(TENANT)
    assert stores.tenants.get(TENANT.tenant_id) == TENANT
    assert stores.tenants.get(TenantId("ten_a")) is None


def test_a_new_tenant_does_not_write_over_another_one(stores: Stores) -> None:
    """Catches a second put that wipes out who a tenant's owners are."""
    stores.tenants.put(TENANT)
    stores.tenants.put(TENANT)
    with pytest.raises(PutRefused):
        stores.tenants.put(replace(TENANT, name="Wasps"))
    assert stores.tenants.get(TENANT.tenant_id) == TENANT


def test_a_tenant_changes_from_its_newest_version_only(stores: Stores) -> None:
    """Catches two changes at once of which one is lost without a word."""
    stores.tenants.put(TENANT)
    second = replace(TENANT, limits=TenantLimits(max_users=3), version=2)
    assert stores.tenants.change(second)
    assert stores.tenants.change(second), "the same write again, whose answer was lost"
    assert not stores.tenants.change(replace(TENANT, name="Wasps", version=2))
    assert stores.tenants.get(TENANT.tenant_id) == second
    assert not stores.tenants.change(replace(second, tenant_id=TenantId("ten_x"), version=3))
    assert stores.tenants.get(TenantId("ten_x")) is None


@pytest.mark.parametrize("code", ["TransactionConflictException", "InternalServerError"])
def test_a_change_that_meets_a_transaction_can_be_tried_again(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Catches an error of the server for whoever changes the tenant while somebody joins it."""

    def meets(*_: object) -> None:
        raise VerboseClientError({"Error": {"Code": code, "Message": ""}}, "UpdateItem")

    tables.tenants.put(TENANT)
    monkeypatch.setattr("chalicelib.stores.tenants.update", meets)
    if code == "TransactionConflictException":
        assert not tables.tenants.change(replace(TENANT, version=2))
        return
    with pytest.raises(VerboseClientError):
        tables.tenants.change(replace(TENANT, version=2))


def test_a_tenant_from_before_limits_has_the_usual_ones_and_can_change(tables: Tables) -> None:
    row_of(tables, Records)("ten_b", "tenant", body='{"tenant_id":"ten_b","name":"Bees","created_at":100.5}').save()
    assert tables.tenants.get(TENANT.tenant_id) == TENANT
    assert tables.tenants.change(replace(TENANT, name="Wasps", version=2))
    assert not tables.tenants.change(replace(TENANT, name="Flies", version=2))


def test_a_keys_note_is_found_by_its_id_in_its_own_tenant(stores: Stores) -> None:
    assert stores.tenants.put_note(NOTE)
    assert stores.tenants.put_note(NOTE), "the same write again, whose answer was lost"
    assert stores.tenants.note(TENANT.tenant_id, NOTE.key_id) == NOTE
    assert stores.tenants.note(TenantId("ten_a"), NOTE.key_id) is None
    assert stores.tenants.note(TENANT.tenant_id, KeyId("key_2")) is None


def test_a_keys_note_changes_from_its_newest_version_only(stores: Stores) -> None:
    """Catches a rotation and a revocation at once of which one is lost."""
    stores.tenants.put_note(NOTE)
    revoked = replace(NOTE, revoked_at=200.5, version=2)
    assert stores.tenants.put_note(revoked)
    assert stores.tenants.put_note(revoked)
    assert not stores.tenants.put_note(replace(NOTE, secrets=(), version=2))
    assert not stores.tenants.put_note(NOTE)
    assert not stores.tenants.put_note(replace(NOTE, key_id=KeyId("key_2"), version=2))
    assert stores.tenants.note(TENANT.tenant_id, NOTE.key_id) == revoked


def test_what_is_noted_of_a_keys_use_outlives_its_changes(stores: Stores) -> None:
    stores.tenants.put_note(NOTE)
    assert stores.tenants.note_use(TENANT.tenant_id, NOTE.key_id, 300.5)
    assert stores.tenants.put_note(replace(NOTE, revoked_at=310.0, version=2))
    found = stores.tenants.note(TENANT.tenant_id, NOTE.key_id)
    assert found == replace(NOTE, revoked_at=310.0, version=2, last_used_at=300.5)


def test_a_key_without_a_note_gets_none_by_being_used(stores: Stores) -> None:
    assert not stores.tenants.note_use(TENANT.tenant_id, NOTE.key_id, 300.5)
    assert stores.tenants.note(TENANT.tenant_id, NOTE.key_id) is None
    assert stores.tenants.all_notes(TENANT.tenant_id) == []


def test_keys_are_listed_newest_first_in_full_pages_of_what_is_shown(stores: Stores) -> None:
    notes = [replace(NOTE, key_id=KeyId(f"key_{n}"), user_id=f"user_{n % 2}") for n in range(7)]
    for note in notes:
        stores.tenants.put_note(note)
    stores.tenants.put_note(replace(NOTE, tenant_id=TenantId("ten_a"), key_id=KeyId("key_9")))
    first, place = stores.tenants.notes(TENANT.tenant_id, None, 2, lambda note: note.user_id == "user_0")
    assert [one.key_id for one in first] == ["key_6", "key_4"]
    rest, end = stores.tenants.notes(TENANT.tenant_id, place, 2, lambda note: note.user_id == "user_0")
    assert ([one.key_id for one in rest], end) == (["key_2", "key_0"], None)
    assert sorted(one.key_id for one in stores.tenants.all_notes(TENANT.tenant_id)) == [one.key_id for one in notes]
    with pytest.raises(BadRequest):
        stores.tenants.notes(TENANT.tenant_id, "no place", 2, lambda _: True)


def test_a_note_without_a_secret_can_be_forgotten(stores: Stores) -> None:
    stores.tenants.put_note(NOTE)
    stores.tenants.drop_note(TENANT.tenant_id, NOTE.key_id)
    stores.tenants.drop_note(TENANT.tenant_id, NOTE.key_id)
    assert stores.tenants.note(TENANT.tenant_id, NOTE.key_id) is None


def test_a_secret_comes_back_as_it_was_written(stores: Stores) -> None:
    whole = replace(
        KEY, user_id="user_1", scopes=("read",), expires_at=900.5, role="member", role_version=3, last_used_at=300.5
    )
    stores.tenants.put_key(whole)
    assert stores.tenants.key(KEY.key_hash) == whole


def test_a_secret_from_before_people_is_an_owners_with_every_scope(tables: Tables) -> None:
    """Catches keys that stop working, or work as somebody else's, by an update of the plane."""
    body = '{"key_hash":"%s","key_id":"key_1","tenant_id":"ten_b","name":"laptop","created_at":101.0,"revoked_at":null}'
    row_of(tables, Secrets)(f"key#{KEY.key_hash}", body=body % KEY.key_hash).save()
    found = tables.tenants.key(KEY.key_hash)
    assert found == KEY
    assert (found.user_id, found.role, found.scopes) == ("", "owner", EVERYTHING)


def test_a_use_is_written_once_a_while_however_many_use_it_at_once(stores: Stores) -> None:
    stores.tenants.put_key(KEY)
    assert stores.tenants.use_key(KEY.key_hash, 5_000.0, 1_400.0)
    assert not stores.tenants.use_key(KEY.key_hash, 5_001.0, 1_401.0)
    assert stores.tenants.use_key(KEY.key_hash, 8_600.0, 5_000.0)
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, last_used_at=8_600.0)


def test_of_many_who_use_a_key_at_the_same_moment_one_writes(tables: Tables) -> None:
    tables.tenants.put_key(KEY)
    won = at_once(N, lambda _: tables.tenants.use_key(KEY.key_hash, 5_000.0, 1_400.0))
    assert sorted(map(str, won)) == ["False"] * (N - 1) + ["True"]


def test_a_role_of_an_older_version_does_not_come_after_a_newer_one(stores: Stores) -> None:
    """Catches a slow writer who makes an admin again of somebody who no longer is one."""
    stores.tenants.put_key(replace(KEY, role="admin", role_version=1))
    stores.tenants.give_role(KEY.key_hash, "viewer", 3)
    stores.tenants.give_role(KEY.key_hash, "admin", 2)
    stores.tenants.give_role(KEY.key_hash, "owner", 3)
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, role="viewer", role_version=3)


def test_a_secrets_end_only_comes_nearer(stores: Stores) -> None:
    stores.tenants.put_key(KEY)
    stores.tenants.end_key(KEY.key_hash, 500.5)
    stores.tenants.end_key(KEY.key_hash, 600.5)
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, expires_at=500.5)
    stores.tenants.end_key(KEY.key_hash, 400.5)
    assert stores.tenants.key(KEY.key_hash) == replace(KEY, expires_at=400.5)


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


def test_nothing_that_is_done_to_an_unknown_secret_makes_one(stores: Stores) -> None:
    stores.tenants.revoke_key(KEY.key_hash, 200.5)
    stores.tenants.end_key(KEY.key_hash, 200.5)
    stores.tenants.give_role(KEY.key_hash, "owner", 1)
    assert not stores.tenants.use_key(KEY.key_hash, 5_000.0, 1_400.0)
    assert stores.tenants.key(KEY.key_hash) is None
