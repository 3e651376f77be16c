"""Tenancy: the first tenant of a plane, and whose a secret is."""

from __future__ import annotations

import pytest

from chalicelib.actors.tenancy import Tenancy
from chalicelib.core.access import KeyPrincipal, RuntimePrincipal, token_hash
from chalicelib.core.catalog import RuntimeToken
from chalicelib.core.errors import BadRequest, Forbidden, Unauthorized
from chalicelib.wire.ids import RuntimeId, TenantId
from tests.fakes import FakeClock, fake_stores

KEY = "moor_" + "a" * 48


@pytest.fixture
def tenancy() -> Tenancy:
    return Tenancy(fake_stores(FakeClock()))


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


def test_a_tenant_made_without_its_key_is_found_again() -> None:
    clock = FakeClock()
    stores = fake_stores(clock)

    def fail(name: str, phase: str) -> None:
        if (name, phase) == ("tenants.put_key", "before"):
            raise ConnectionResetError

    stores.tenants.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    with pytest.raises(ConnectionResetError):
        Tenancy(stores).bootstrap(KEY)
    stores.tenants.on_io = lambda _name, _phase: None  # type: ignore[attr-defined]  # The fakes' own.
    tenant_id, _ = Tenancy(stores).bootstrap(KEY)
    first = stores.tenants.first()
    assert first is not None
    assert first.tenant_id == tenant_id


@pytest.mark.parametrize(
    "key", ["", "moor_", "moor_short", "x" * 60, "moor_st_" + "a" * 48, "moor_tk_" + "a" * 48, KEY + "\n", KEY + "é"]
)
def test_a_key_of_the_wrong_form_is_refused(tenancy: Tenancy, key: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tenancy.bootstrap(key)
    assert caught.value.code == "bad_admin_key"


def test_a_revoked_key_is_not_bootstrapped_again() -> None:
    stores = fake_stores(FakeClock())
    Tenancy(stores).bootstrap(KEY)
    stores.tenants.revoke_key(token_hash(KEY), 1.0)
    with pytest.raises(BadRequest):
        Tenancy(stores).bootstrap(KEY)
    with pytest.raises(Unauthorized):
        Tenancy(stores).key_principal(KEY, "read")


def test_each_secret_stands_for_its_own_kind_of_principal() -> None:
    stores = fake_stores(FakeClock())
    tenancy = Tenancy(stores)
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
