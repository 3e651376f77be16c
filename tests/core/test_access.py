"""Secrets are told apart by prefix, found in two headers, and kept as hashes."""

from __future__ import annotations

from hashlib import sha256

import pytest

from chalicelib.core.access import bearer, kind_of, token_hash


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


def test_of_a_secret_only_its_hash_is_kept() -> None:
    assert token_hash("moor_1") == sha256(b"moor_1").hexdigest()
