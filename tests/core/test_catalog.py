"""What is written down: who counts as an owner, what a key still opens, and whose a connection is."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.access import Role
from chalicelib.core.catalog import ApiKey, Connection, KeyNote, KeySecret, User, in_force, next_secrets
from chalicelib.wire.ids import ConnectionId, KeyId, RuntimeId, TenantId, UserId

TEN = TenantId("ten_1")


@pytest.mark.parametrize(
    ("role", "removed_at", "is_owner"),
    [("owner", None, True), ("owner", 1.0, False), ("admin", None, False), ("admin", 1.0, False)],
)
def test_an_owner_is_one_until_removed(role: Role, removed_at: float | None, is_owner: bool) -> None:
    user = User(tenant_id=TEN, user_id=UserId("user_1"), name="Ada", role=role, created_at=0.0, removed_at=removed_at)
    assert user.is_owner is is_owner


@pytest.mark.parametrize(
    ("changes", "opens"),
    [
        ({}, True),
        ({"expires_at": 100.5}, True),
        ({"expires_at": 100.0}, False),
        ({"expires_at": 99.0}, False),
        ({"revoked_at": 50.0}, False),
        ({"revoked_at": 50.0, "expires_at": 200.0}, False),
    ],
)
def test_a_key_opens_until_it_ends_or_is_revoked(changes: dict[str, Any], opens: bool) -> None:
    """Catches a key that opens something in the very moment in which it ends."""
    common: dict[str, Any] = {"tenant_id": TEN, "key_id": KeyId("key_1"), "name": "a", "created_at": 0.0, **changes}
    assert in_force(ApiKey(key_hash="ab", **common), 100.0) is opens
    assert in_force(KeyNote(user_id="", scopes=(), secrets=(), **common), 100.0) is opens


@pytest.mark.parametrize(
    ("whose", "holders"),
    [
        ({"runtime_id": RuntimeId("rt_1")}, ("rt_1",)),
        ({"key_id": KeyId("key_1")}, ("key_1",)),
        ({"held_by": ("key_1", "stk_1")}, ("key_1", "stk_1")),
        ({}, ()),
    ],
)
def test_a_connection_is_a_runtimes_or_a_keys_or_a_session_tokens(whose: dict[str, Any], holders: object) -> None:
    one = Connection(
        connection_id=ConnectionId("c"), role="viewer", tenant_id=TEN, created_at=0.0, expires_at=1.0, **whose
    )
    assert one.holders == holders


def test_a_replaced_secret_lives_out_its_grace_and_none_gets_longer_by_another_replacement() -> None:
    before = (KeySecret("b"), KeySecret("a", 110.0), KeySecret("gone", 99.0))
    assert next_secrets(before, "c", 100.0, 160.0) == (KeySecret("c"), KeySecret("b", 160.0), KeySecret("a", 110.0))
    assert next_secrets(before, "c", 100.0, 100.0)[1:] == (KeySecret("b", 100.0), KeySecret("a", 100.0))
