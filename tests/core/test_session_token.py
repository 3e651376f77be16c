"""Session tokens: which of their secrets open something, and until when."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.core.catalog import KeySecret
from chalicelib.core.session_token import SessionToken
from chalicelib.wire.ids import SessionId, TenantId

NOW = 1_790_000_000.0
TOKEN = SessionToken(
    token_id="stk_1",
    tenant_id=TenantId("ten_1"),
    session_id=SessionId("sesn_1"),
    name="ci",
    scopes=("read",),
    created_at=NOW,
    expires_at=NOW + 100.0,
    maker_id="key_1",
    maker_hash="m",
    owner_id="user_1",
    secrets=(KeySecret("new"), KeySecret("old", NOW + 10.0)),
)


def test_a_token_opens_by_its_secrets_until_they_or_it_end() -> None:
    """Catches a replaced secret that goes on opening, and a token that opens in the moment in which it ends."""
    assert [TOKEN.opens(one, NOW) for one in ("new", "old", "other", "")] == [True, True, False, False]
    assert [TOKEN.opens(one, NOW + 10.0) for one in ("new", "old")] == [True, False]
    assert [TOKEN.opens("new", at) for at in (NOW + 99.9, NOW + 100.0)] == [True, False]
    assert not replace(TOKEN, revoked_at=NOW).opens("new", NOW)
