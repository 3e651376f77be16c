"""Passes: found by their hash until they expire; session tokens: by their id, and changed by one writer at a time."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import KeySecret, Pass
from chalicelib.core.session_token import SessionToken
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


TOKEN = SessionToken(
    token_id="stk_0001",
    tenant_id=TenantId("ten_a"),
    session_id=SessionId("sesn_1"),
    name="ci",
    scopes=("read",),
    created_at=NOW,
    expires_at=NOW + 60.5,
    maker_id="key_1",
    maker_hash="cd" * 32,
    owner_id="user_1",
    secrets=(KeySecret("ab" * 32),),
)


def test_a_session_token_is_found_by_its_id_until_it_expires(stores: Stores) -> None:
    assert stores.passes.put_token(TOKEN)
    assert stores.passes.token(TOKEN.token_id, NOW) == TOKEN
    assert stores.passes.token(TOKEN.token_id, TOKEN.expires_at) is None
    assert stores.passes.token("stk_0002", NOW) is None


def test_of_two_writers_of_one_version_of_a_token_one_wins(stores: Stores) -> None:
    """Catches a revocation that is written over by somebody who notes the token's use at the same moment."""
    assert stores.passes.put_token(TOKEN)
    revoked = replace(TOKEN, revoked_at=NOW, version=2)
    assert not stores.passes.put_token(replace(TOKEN, name="another"))
    assert stores.passes.put_token(revoked)
    assert not stores.passes.put_token(replace(TOKEN, last_used_at=NOW, version=2))
    assert stores.passes.put_token(revoked), "it was tried again, and is there"
    assert stores.passes.token(TOKEN.token_id, NOW) == revoked


def test_a_sessions_tokens_are_listed_newest_first_without_others(stores: Stores) -> None:
    second = replace(TOKEN, token_id="stk_0002", expires_at=NOW + 90.0)
    of_another = replace(TOKEN, token_id="stk_0003", session_id=SessionId("sesn_12"))
    foreign = replace(TOKEN, token_id="stk_0004", tenant_id=TenantId("ten_b"))
    for one in (TOKEN, second, of_another, foreign):
        assert stores.passes.put_token(one)
    assert stores.passes.tokens(TOKEN.tenant_id, TOKEN.session_id, NOW) == [second, TOKEN]
    assert stores.passes.tokens(TOKEN.tenant_id, TOKEN.session_id, TOKEN.expires_at) == [second]
