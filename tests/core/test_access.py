"""Secrets are told apart by prefix, found in two headers, and kept as hashes."""

from __future__ import annotations

from hashlib import sha256

import pytest

from chalicelib.core.access import (
    EVERYTHING,
    CanaryPrincipal,
    KeyPrincipal,
    Right,
    Role,
    SessionPrincipal,
    bearer,
    kind_of,
    session_token,
    session_token_id,
    token_hash,
)
from chalicelib.core.errors import Forbidden
from chalicelib.wire.ids import KeyId, SessionId, TenantId


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("moor_st_x", "session_token"),
        ("moor_tk_x", "ticket"),
        ("moor_abc", "api_key"),
        ("moor_", "api_key"),
        ("sk_machine_x", "runtime_token"),
        ("sk_other", None),
        ("MOOR_x", None),
        ("", None),
    ],
)
def test_a_secret_is_told_by_its_prefix_and_the_longest_one_counts(token: str, kind: str | None) -> None:
    """Catches a session's token taken for an API key: both begin alike."""
    assert kind_of(token) == kind


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "token"),
    [
        ("Bearer moor_1", None, "moor_1"),
        ("bearer moor_1", None, "moor_1"),
        ("  BEARER   moor_1  ", None, "moor_1"),
        ("Bearer moor_1", "moor_2", "moor_1"),
        ("Basic moor_1", "moor_2", "moor_2"),
        ("Bearer", " moor_2 ", "moor_2"),
        ("Bearer  ", None, None),
        (None, "  ", None),
        (None, None, None),
        ("", "", None),
    ],
)
def test_a_secret_is_found_in_either_header(
    authorization: str | None, x_api_key: str | None, token: str | None
) -> None:
    assert bearer(authorization, x_api_key) == token


@pytest.mark.parametrize("kind", [SessionPrincipal, CanaryPrincipal])
def test_a_session_token_may_what_its_scopes_say_and_signs_for_itself(kind: type[SessionPrincipal]) -> None:
    token = kind(
        tenant_id=TenantId("ten_1"),
        session_id=SessionId("sesn_1"),
        token_id="stk_1",
        maker_id="key_1",
        owner_id="user_1",
        scopes=("read",),
        expires_at=1.0,
    )
    token.must("read")
    with pytest.raises(Forbidden) as refused:
        token.must("sessions:write")
    assert refused.value.code == "scope_missing"
    assert (token.shown_id, token.signature) == ("stk_1", "stk_1")


def test_a_key_signs_for_its_person_or_where_it_is_nobodys_for_itself() -> None:
    key = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1")
    assert (key.shown_id, key.signature) == ("key_1", "user_1")
    assert KeyPrincipal(TenantId("ten_1"), KeyId("key_1")).signature == "key_1"


def test_a_session_token_names_itself() -> None:
    shown = session_token("stk_" + "a" * 26, "b" * 48)
    assert kind_of(shown) == "session_token"
    assert session_token_id(shown) == "stk_" + "a" * 26
    for other in ("moor_st_" + "0" * 48, shown + "0", shown.upper(), shown.replace("_st_", "_"), ""):
        assert session_token_id(other) is None


def test_of_a_secret_only_its_hash_is_kept() -> None:
    assert token_hash("moor_1") == sha256(b"moor_1").hexdigest()


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("owner", {"read", "sessions:write", "agents:write", "runtimes:write", "admin"}),
        ("admin", {"read", "sessions:write", "agents:write", "runtimes:write", "admin"}),
        ("member", {"read", "sessions:write", "agents:write", "runtimes:write"}),
        ("viewer", {"read"}),
    ],
)
def test_a_role_gives_its_rights_and_scopes_narrow_them(role: Role, rights: set[Right]) -> None:
    """Catches a key that may do more than its person, and one that ignores its scopes."""
    whole = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1", role)
    assert {right for right in EVERYTHING if whole.may(right)} == rights
    narrow = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1", role, ("read", "admin"))
    assert {right for right in EVERYTHING if narrow.may(right)} == rights & {"read", "admin"}


def test_a_refusal_says_whether_the_role_or_the_key_is_too_narrow() -> None:
    viewer = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1", "viewer")
    viewer.must("read")
    with pytest.raises(Forbidden) as refused:
        viewer.must("sessions:write")
    assert refused.value.code == "role_not_allowed"
    narrow = KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1", "owner", ("read",))
    with pytest.raises(Forbidden) as refused:
        narrow.must("sessions:write")
    assert refused.value.code == "scope_missing"


def test_a_key_without_a_person_owns_what_it_makes_itself() -> None:
    assert KeyPrincipal(TenantId("ten_1"), KeyId("key_1")).owner_id == "key_1"
    assert KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1").owner_id == "user_1"


def holder(
    role: Role = "owner", scopes: tuple[Right, ...] = EVERYTHING, expires_at: float | None = None
) -> KeyPrincipal:
    return KeyPrincipal(TenantId("ten_1"), KeyId("key_1"), "user_1", role, scopes, expires_at)


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_only_an_owner_governs_owners(role: Role) -> None:
    """Catches an admin who makes themselves an owner, or removes the one there is."""
    holder("owner").must_govern("owner", "member")
    holder(role).must_govern("admin", "member", "viewer")
    for concerned in (("owner",), ("member", "owner"), ("owner", "member")):
        with pytest.raises(Forbidden) as refused:
            holder(role).must_govern(*concerned)
        assert refused.value.code == "owners_only"


@pytest.mark.parametrize(
    ("asking", "scopes", "expires_at", "field"),
    [
        (holder(), EVERYTHING, None, None),
        (holder(scopes=("read",)), ("read",), None, None),
        (holder(scopes=("read",)), (), 50.0, None),
        (holder(scopes=("read",)), ("read", "admin"), None, "scopes"),
        (holder(expires_at=100.0), EVERYTHING, 100.0, None),
        (holder(expires_at=100.0), EVERYTHING, 100.5, "expires_in"),
        (holder(expires_at=100.0), EVERYTHING, None, "expires_in"),
    ],
)
def test_no_key_gives_more_than_it_has_or_for_longer(
    asking: KeyPrincipal, scopes: tuple[Right, ...], expires_at: float | None, field: str | None
) -> None:
    """Catches a narrow key, or one that is about to end, that makes itself a better one."""
    if field is None:
        asking.must_cover(scopes, expires_at)
        return
    with pytest.raises(Forbidden) as refused:
        asking.must_cover(scopes, expires_at)
    assert (refused.value.code, refused.value.field) == ("key_too_wide", field)
