"""Files: how they are named, how long they are there, and what they count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core import files
from chalicelib.core.catalog import File
from chalicelib.core.errors import BadRequest, NotFound
from chalicelib.wire.ids import FileId, SessionId, TenantId

FILE = File(
    tenant_id=TenantId("ten_1"),
    file_id=FileId("file_1"),
    filename="a",
    mime_type="text/plain",
    size_bytes=10,
    created_at=1000.0,
    sha256="ab",
)


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\ada\\a b.txt", "a b.txt"),
        ("a\r\nSet-Cookie: b", "aSet-Cookie: b"),
        ("a\u2028b\ud800", "ab"),
        ("dir/", "unnamed.png"),
        ("  ", "unnamed.png"),
        (None, "unnamed.png"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_the_last_part_of_what_was_given(given_name: str | None, expected: str) -> None:
    """Catches a name that leads elsewhere, or ends a header."""
    assert files.file_name(given_name, "image/png") == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_in_any_language_makes_one_header(name: str) -> None:
    """Catches a header that a name breaks off, or that can't be sent."""
    told = files.disposition(name)
    assert told.isascii()
    assert told.isprintable()
    assert told.startswith("attachment; filename*=UTF-8''")
    assert not set(told.partition("''")[2]) & set(' ";,\\/')


def test_an_id_is_one_or_answers_like_an_absent_one() -> None:
    assert files.file_id_of("file_0a_Z") == "file_0a_Z"
    for text in ("", "file_", "file_a/b", "file_a\n", "sesn_1", "file_" + "a" * 97):
        assert not files.is_file_id(text)
        with pytest.raises(NotFound, match="^file_not_found: ") as refused:
            files.file_id_of(text, "where")
        assert refused.value.field == "where"


def test_the_same_bytes_in_one_session_have_one_name_that_sorts_with_it() -> None:
    """Catches two names for one image that is sent again, and one name for two that differ."""
    session, other = SessionId("sesn_0a1b"), SessionId("sesn_0a1c")
    one = files.inline_id(session, "image/png", "ab")
    assert one == files.inline_id(session, "image/png", "ab")
    assert one.startswith(files.scope_prefix(session))
    assert one.startswith("file_0a1b")
    assert files.is_file_id(one)
    ids = {one, files.inline_id(other, "image/png", "ab"), files.inline_id(session, "text/plain", "ab")}
    assert len(ids | {files.inline_id(session, "image/png", "cd")}) == 4


def test_a_file_is_asked_to_be_there_for_an_hour_to_ninety_days() -> None:
    for seconds in (None, 3600, 7_776_000):
        files.check_life(seconds)
    for seconds in (0, 3599, 7_776_001):
        with pytest.raises(BadRequest, match="^bad_request: "):
            files.check_life(seconds)


def test_a_file_is_gone_when_it_has_expired_or_its_bytes_never_came() -> None:
    awaited = replace(FILE, sha256="")
    assert [files.is_gone(FILE, at) for at in (0.0, 9e9)] == [False, False]
    assert [files.is_gone(replace(FILE, expires_at=2000.0), at) for at in (1999.9, 2000.0)] == [False, True]
    deadline = 1000.0 + files.AWAITED_S
    assert [files.is_gone(awaited, at) for at in (deadline - 1, deadline)] == [False, True]
    assert files.AWAITED_S > files.UPLOAD_S


def test_an_empty_file_counts_too() -> None:
    assert files.weight(replace(FILE, size_bytes=0)) > 0
    assert files.weight(FILE) - files.weight(replace(FILE, size_bytes=0)) == 10
