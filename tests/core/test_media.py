"""Media: what bytes are, told by how they begin, and which of them an agent can be shown."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import BadRequest
from chalicelib.core.media import check_bytes, check_kind, check_text, media_type_of, suffix_of

HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\0",
    "image/gif": b"GIF89a\0\0",
    "image/webp": b"RIFF\x10\0\0\0WEBP",
    "application/pdf": b"\n%PDF-1.7",
}


@pytest.mark.parametrize("media_type", HEADS)
def test_bytes_are_what_they_are_declared_to_be_or_refused(media_type: str) -> None:
    """Catches a page of HTML that is passed on as an image, and one kind of image as another."""
    check_bytes(media_type, HEADS[media_type])
    others = [head for other, head in HEADS.items() if other != media_type]
    for head in (*others, b"", b"<html>", HEADS[media_type][3:]):
        with pytest.raises(BadRequest, match="^bad_content: ") as refused:
            check_bytes(media_type, head, "a.b")
        assert refused.value.field == "a.b"


def test_text_is_anything_without_the_marks_of_something_else() -> None:
    for head in (b"", b"RIFF me", "ä".encode(), b"about %PDF- files"):
        check_bytes("text/plain", head)
    for media_type, head in (("text/plain", b"GIF87a"), ("text/plain", b"a\0"), ("text/csv", b"a\0")):
        with pytest.raises(BadRequest, match="^bad_content: "):
            check_bytes(media_type, head)
    check_text("ä".encode())
    with pytest.raises(BadRequest, match="^bad_content: ") as refused:
        check_text(b"\xff", "a.b")
    assert refused.value.field == "a.b"


def test_of_types_without_marks_nothing_is_told() -> None:
    for head in (b"", b"\0", *HEADS.values()):
        check_bytes("application/zip", head)


@pytest.mark.parametrize(
    ("declared", "head", "expected"),
    [
        ("Image/PNG; name=a", b"", "image/png"),
        ("text/x-python", HEADS["image/png"], "text/x-python"),
        ("", HEADS["image/webp"], "image/webp"),
        ("application/octet-stream", HEADS["application/pdf"], "application/pdf"),
        ("", b"anything", "application/octet-stream"),
    ],
)
def test_a_type_is_as_declared_or_as_the_bytes_tell(declared: str, head: bytes, expected: str) -> None:
    assert media_type_of(declared, head) == expected


def test_a_block_takes_what_agents_can_be_shown() -> None:
    for media_type in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        check_kind("image", media_type, None)
    for media_type in ("application/pdf", "text/plain", "text/markdown"):
        check_kind("document", media_type, None)
    refused = [("image", "image/svg+xml"), ("image", "application/pdf"), ("document", "image/png"), ("document", "x/y")]
    for kind, media_type in refused:
        with pytest.raises(BadRequest, match="^bad_content: "):
            check_kind(kind, media_type, "a.b")  # type: ignore[arg-type]  # The two kinds there are.


def test_names_end_as_their_type_says() -> None:
    assert (suffix_of("image/jpeg"), suffix_of("text/plain"), suffix_of("application/zip")) == (".jpg", ".txt", "")
