"""Tenancy: the first tenant of a plane, and whose a secret is."""

from __future__ import annotations

import pytest

from chalicelib.actors.api_keys import ApiKeys
from chalicelib.actors.people import People
from chalicelib.actors.ports import Stores
from chalicelib.actors.tenancy import Tenancy
from chalicelib.core.access import EVERYTHING, KeyPrincipal, RuntimePrincipal, token_hash
from chalicelib.core.catalog import ApiKey, RuntimeToken, Tenant
from chalicelib.core.errors import BadRequest, Forbidden, Unauthorized
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from tests.actors.team import Team, tokens_of
from tests.fakes import FakeClock, fake_stores

KEY = "moor_" + "a" * 48


def over(stores: Stores) -> Tenancy:
    """A tenancy over stores, in which nobody holds a connection."""
    keys = ApiKeys(stores, lambda _tenant_id, _key_id: None)
    return Tenancy(stores, People(stores, keys), keys, tokens_of(stores, keys))


@pytest.fixture
def tenancy() -> Tenancy:
    return over(fake_stores(FakeClock()))


def test_a_new_plane_gets_its_first_tenant_and_key(tenancy: Tenancy) -> None:
    tenant_id, key = tenancy.bootstrap(None)
    assert tenant_id.startswith("ten_")
    assert key.startswith("moor_")
    assert len(key) == len("moor_") + 48
    assert tenancy.key_principal(key, "read").tenant_id == tenant_id


def test_bootstrapping_again_finds_the_same_tenant(tenancy: Tenancy) -> None:
    first = tenancy.bootstrap(KEY)
    assert first[1] == KEY
    assert tenancy.bootstrap(KEY) == first
    tenant_id, other = tenancy.bootstrap(None)
    assert tenant_id == first[0]
    assert tenancy.key_principal(other, "read") != tenancy.key_principal(KEY, "read")


def test_the_first_key_is_the_first_owners(tenancy: Tenancy) -> None:
    """Catches an admin key that is nobody's: nothing it makes would have an owner."""
    _, key = tenancy.bootstrap(None)
    principal = tenancy.key_principal(key, "admin")
    assert principal.user_id.startswith("user_")
    assert (principal.role, principal.scopes, principal.expires_at) == ("owner", EVERYTHING, None)


@pytest.mark.parametrize("point", ["tenants.put", "users.put", "tenants.put_note", "tenants.put_key"])
def test_a_beginning_that_broke_off_is_gone_on_with(point: str) -> None:
    """Catches a second tenant or a second owner after a first start that died halfway."""
    breaks = [(point, "after")]

    def fail(name: str, phase: str) -> None:
        if (name, phase) in breaks:
            breaks.clear()
            raise ConnectionResetError

    stores = fake_stores(FakeClock(), on_io=fail)
    with pytest.raises(ConnectionResetError):
        over(stores).bootstrap(KEY)
    tenant_id, _ = over(stores).bootstrap(KEY)
    assert [one.tenant_id for one in stores.tenants.all()] == [tenant_id]
    assert len(stores.users.list(tenant_id, None, 10, lambda _: True)[0]) == 1
    assert over(stores).key_principal(KEY, "admin").tenant_id == tenant_id


def test_a_tenant_from_before_people_gets_its_owner_with_its_next_admin_key() -> None:
    stores = fake_stores(FakeClock())
    old = Tenant(tenant_id=TenantId("ten_old"), name="first tenant", created_at=1.0)
    stores.tenants.put(old)
    key = ApiKey(key_hash=token_hash(KEY), key_id=KeyId("key_1"), tenant_id=old.tenant_id, name="a", created_at=1.0)
    stores.tenants.put_key(key)
    tenancy = over(stores)
    assert tenancy.bootstrap(KEY) == (old.tenant_id, KEY)
    asking = tenancy.key_principal(KEY, "admin")
    assert (asking.tenant_id, asking.key_id, asking.user_id, asking.role) == (old.tenant_id, "key_1", "", "owner")
    tenant_id, other = tenancy.bootstrap(None)
    assert tenant_id == old.tenant_id
    assert tenancy.key_principal(other, "admin").user_id


@pytest.mark.parametrize(
    "key", ["", "moor_", "moor_short", "x" * 60, "moor_st_" + "a" * 48, "moor_tk_" + "a" * 48, KEY + "\n", KEY + "é"]
)
def test_a_key_of_the_wrong_form_is_refused(tenancy: Tenancy, key: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tenancy.bootstrap(key)
    assert caught.value.code == "bad_admin_key"


def test_a_revoked_key_is_not_bootstrapped_again() -> None:
    stores = fake_stores(FakeClock())
    over(stores).bootstrap(KEY)
    stores.tenants.revoke_key(token_hash(KEY), 1.0)
    with pytest.raises(BadRequest):
        over(stores).bootstrap(KEY)
    with pytest.raises(Unauthorized):
        over(stores).key_principal(KEY, "read")


def test_each_secret_stands_for_its_own_kind_of_principal() -> None:
    stores = fake_stores(FakeClock())
    tenancy = over(stores)
    tenancy.bootstrap(KEY)
    token = "sk_machine_" + "b" * 60
    made = RuntimeToken(
        token_hash=token_hash(token), tenant_id=TenantId("ten_1"), runtime_id=RuntimeId("rt_1"), created_at=1.0
    )
    stores.runtimes.put_token(made)
    assert isinstance(tenancy.principal(KEY), KeyPrincipal)
    assert tenancy.runtime_principal(token) == RuntimePrincipal(made.tenant_id, made.runtime_id, made.token_hash)
    with pytest.raises(Forbidden):
        tenancy.key_principal(token, "read")
    with pytest.raises(Forbidden):
        tenancy.runtime_principal(KEY)


@pytest.mark.parametrize("secret", [None, "", KEY, "sk_machine_" + "0" * 60, "moor_st_x", "moor_tk_x", "other"])
def test_nobody_stands_behind_an_unknown_secret(tenancy: Tenancy, secret: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        tenancy.principal(secret)
    assert caught.value.code == "unauthorized"


def test_whoever_asks_is_known_by_one_read() -> None:
    """Catches a request that costs more because there are people now."""
    team = Team()
    team.asking(team.ada_key.secret)
    team.io.clear()
    team.asking(team.ada_key.secret)
    assert team.io == ["tenants.key"]


def test_a_person_is_known_by_any_of_their_keys() -> None:
    team = Team()
    bob = team.joins("Bob", "viewer")
    narrow = team.asking(team.key(bob, "read", expires_in_s=60.0).secret)
    assert (narrow.user_id, narrow.owner_id, narrow.role) == (bob.user_id, bob.user_id, "viewer")
    assert (narrow.scopes, narrow.expires_at) == (("read",), team.clock.now() + 60.0)


def test_a_socket_is_for_laptops_and_for_those_who_may_read() -> None:
    """Catches a narrow key that follows what it may not read."""
    team = Team()
    blind = team.key(team.ada, "sessions:write").secret
    with pytest.raises(Forbidden) as caught:
        team.tenancy.visitor(blind)
    assert caught.value.code == "scope_missing"
    assert team.tenancy.visitor(team.ada_key.secret) == team.ada_asking
    token = "sk_machine_" + "b" * 60
    made = RuntimeToken(
        token_hash=token_hash(token), tenant_id=team.tenant_id, runtime_id=RuntimeId("rt_1"), created_at=1.0
    )
    team.stores.runtimes.put_token(made)
    assert isinstance(team.tenancy.visitor(token), RuntimePrincipal)
