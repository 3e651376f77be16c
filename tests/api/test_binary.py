"""Binary: bytes leave as base64 for who can be given bytes; anybody else is sent to where they are."""

from __future__ import annotations

import base64

import pytest

from chalicelib.actors.filing import Content
from chalicelib.api.binary import BINARY_TYPES, download, is_wanted
from chalicelib.core.catalog import File
from chalicelib.wire.ids import FileId, TenantId

FILE = File(
    tenant_id=TenantId("ten_1"),
    file_id=FileId("file_1"),
    filename="page.html",
    mime_type="text/html",
    size_bytes=3,
    created_at=1.0,
    sha256="ab",
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/binary", True),
        ("Application/Octet-Stream;q=0.9, */*", True),
        ("*/*", False),
        ("application/json, application/octet-stream", False),
        ("", False),
    ],
)
def test_the_first_type_that_is_accepted_decides(accept: str, wanted: bool) -> None:
    """Catches base64 in the place of a file: API Gateway looks at the first type only."""
    assert is_wanted(accept) is wanted


@pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n"])
def test_bytes_of_any_type_leave_as_base64(body: bytes) -> None:
    """Catches an answer that Lambda can't write as JSON because its type is not among those that Chalice knows."""
    told = download(Content(FILE, body=body)).to_dict(list(BINARY_TYPES))
    assert (told["statusCode"], told["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(told["body"]) == body
    assert told["headers"]["Content-Type"] == "text/html"
    assert told["headers"]["Content-Disposition"].startswith("attachment;")
    assert told["headers"]["X-Content-Type-Options"] == "nosniff"


def test_who_is_sent_elsewhere_is_not_remembered() -> None:
    told = download(Content(FILE, url="https://bucket.example/x")).to_dict(list(BINARY_TYPES))
    assert (told["statusCode"], told["body"]) == (307, "")
    assert told["headers"] == {"Location": "https://bucket.example/x", "Cache-Control": "no-store"}
