"""Passes: found by their hash until they expire."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Pass
from chalicelib.wire.ids import SessionId, TenantId

NOW = 1_800_000_000.25
COOKIE = Pass(
    pass_hash="ab" * 32, kind="cookie", tenant_id=TenantId("ten_a"), key_hash="cd" * 32, expires_at=NOW + 60.5
)
TICKET = replace(COOKIE, pass_hash="ef" * 32, kind="ticket", session_id=SessionId("sesn_1"))


def test_a_pass_is_found_by_its_hash_until_it_expires(stores: Stores) -> None:
    for one in (COOKIE, TICKET):
        stores.passes.put(one)
        assert stores.passes.get(one.pass_hash, NOW) == one
        assert stores.passes.get(one.pass_hash, one.expires_at) is None
    assert stores.passes.get(COOKIE.key_hash, NOW) is None


def test_a_deleted_pass_is_absent(stores: Stores) -> None:
    stores.passes.put(COOKIE)
    for _ in range(2):
        stores.passes.delete(COOKIE.pass_hash)
    assert stores.passes.get(COOKIE.pass_hash, NOW) is None
