"""Users: a tenant's people, of whom one is always an owner."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Tenant, User
from chalicelib.core.errors import BadRequest
from chalicelib.stores import Tables
from chalicelib.stores.table import Records
from chalicelib.wire.ids import TenantId, UserId
from tests.stores.conftest import at_once

TENANT = Tenant(tenant_id=TenantId("ten_b"), name="Bees", created_at=100.5)
ADA = User(
    tenant_id=TENANT.tenant_id,
    user_id=UserId("user_1"),
    name="Ada",
    role="owner",
    created_at=101.5,
    email="ada@example.org",
)
MANY = 100


def put_new(stores: Stores | Tables, user: User, max_users: int = MANY) -> str:
    return stores.users.put(user, None, max_users)


def change(stores: Stores | Tables, was: User, **changes: object) -> tuple[str, User]:
    user = replace(was, **changes, version=was.version + 1)
    return stores.users.put(user, was, MANY), user


def tenant_row(tables: Tables) -> Records:
    records = next(table for table in tables.models if issubclass(table, Records))
    return records.get(TENANT.tenant_id, "tenant")


@pytest.fixture(autouse=True)
def tenant(stores: Stores) -> None:
    stores.tenants.put(TENANT)


def test_a_person_is_found_by_id_in_their_own_tenant(stores: Stores) -> None:
    assert put_new(stores, ADA) == "done"
    assert stores.users.get(TENANT.tenant_id, ADA.user_id) == ADA
    assert stores.users.get(TenantId("ten_a"), ADA.user_id) is None
    assert stores.users.get(TENANT.tenant_id, UserId("user_2")) is None


def test_a_person_changes_from_the_version_that_was_read(stores: Stores) -> None:
    """Catches two changes at once of which one is lost without a word."""
    put_new(stores, ADA)
    done, second = change(stores, ADA, name="Ada L.")
    assert done == "done"
    assert change(stores, ADA, name="Countess")[0] == "stale"
    assert put_new(stores, ADA) == "stale"
    assert stores.users.get(TENANT.tenant_id, ADA.user_id) == second


def test_the_last_owner_stays_one_and_stays(stores: Stores) -> None:
    put_new(stores, ADA)
    put_new(stores, replace(ADA, user_id=UserId("user_2"), role="admin"))
    assert change(stores, ADA, role="member")[0] == "last_owner"
    assert change(stores, ADA, removed_at=200.5)[0] == "last_owner"
    assert stores.users.get(TENANT.tenant_id, ADA.user_id) == ADA
    put_new(stores, replace(ADA, user_id=UserId("user_3")))
    assert change(stores, ADA, role="member")[0] == "done"


def test_somebody_who_was_made_an_owner_lets_the_first_one_go(stores: Stores) -> None:
    bob = replace(ADA, user_id=UserId("user_2"), role="member")
    put_new(stores, ADA)
    put_new(stores, bob)
    done, bob = change(stores, bob, role="owner")
    assert done == "done"
    assert change(stores, ADA, removed_at=200.5)[0] == "done"
    assert change(stores, bob, role="viewer")[0] == "last_owner"


def test_an_owner_who_changes_in_another_way_needs_no_other_one(stores: Stores) -> None:
    put_new(stores, ADA)
    done, second = change(stores, ADA, email=None)
    assert done == "done"
    assert change(stores, second, role="owner")[0] == "done"


def test_no_more_people_are_let_in_than_the_limit_says(stores: Stores) -> None:
    assert put_new(stores, ADA, 0) == "full"
    assert put_new(stores, ADA, 2) == "done"
    bob = replace(ADA, user_id=UserId("user_2"), role="member")
    eve = replace(ADA, user_id=UserId("user_3"), role="member")
    assert put_new(stores, bob, 2) == "done"
    assert put_new(stores, eve, 2) == "full"
    assert stores.users.get(TENANT.tenant_id, eve.user_id) is None
    assert change(stores, bob, removed_at=200.5)[0] == "done"
    assert put_new(stores, eve, 2) == "done"


def test_people_are_listed_newest_first_in_full_pages_of_what_is_shown(stores: Stores) -> None:
    for n in range(5):
        put_new(stores, replace(ADA, user_id=UserId(f"user_{n}"), removed_at=1.0 if n == 3 else None))
    first, place = stores.users.list(TENANT.tenant_id, None, 2, lambda user: user.removed_at is None)
    assert [one.user_id for one in first] == ["user_4", "user_2"]
    rest, end = stores.users.list(TENANT.tenant_id, place, 2, lambda user: user.removed_at is None)
    assert ([one.user_id for one in rest], end) == (["user_1", "user_0"], None)
    with pytest.raises(BadRequest):
        stores.users.list(TENANT.tenant_id, "no place", 2, lambda _: True)


@pytest.mark.parametrize("stores", ["dynamodb"], indirect=True)
class TestTogether:
    """What the tenant's row and its people's rows say at the same time; there is no such row in memory."""

    def test_owners_who_remove_each_other_at_the_same_moment_leave_one(self, stores: Stores, tables: Tables) -> None:
        """Catches a tenant that nobody can administer any more."""
        owners = [replace(ADA, user_id=UserId(f"user_{n}")) for n in range(6)]
        for owner in owners:
            put_new(stores, owner)
        won = at_once(len(owners), lambda n: change(stores, owners[n], removed_at=200.5)[0])
        assert sorted(map(str, won)) == ["done"] * (len(owners) - 1) + ["last_owner"]
        (left,) = tables.users.list(TENANT.tenant_id, None, 10, lambda user: user.is_owner)[0]
        assert tenant_row(tables).owners == {left.user_id}
        assert tenant_row(tables).n_users == 1

    def test_newcomers_at_the_same_moment_do_not_exceed_the_limit(self, stores: Stores, tables: Tables) -> None:
        new = [replace(ADA, user_id=UserId(f"user_{n}"), role="member") for n in range(6)]
        won = at_once(len(new), lambda n: put_new(stores, new[n], 4))
        assert sorted(map(str, won)) == ["done"] * 4 + ["full"] * 2
        assert tenant_row(tables).n_users == 4

    def test_a_change_of_the_tenant_keeps_its_owners(self, stores: Stores, tables: Tables) -> None:
        put_new(stores, ADA)
        assert stores.tenants.change(replace(TENANT, name="Wasps", version=2))
        assert (tenant_row(tables).owners, tenant_row(tables).n_users) == ({"user_1"}, 1)

    def test_people_do_not_make_a_tenant(self, stores: Stores, tables: Tables) -> None:
        """Catches a row without a name, at which the operator's list of tenants would break."""
        assert put_new(stores, replace(ADA, tenant_id=TenantId("ten_x"))) == "full"
        assert [one.tenant_id for one in tables.tenants.all()] == ["ten_b"]
