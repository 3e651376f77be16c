"""Blobs: the bytes of files in S3, and addresses that are good for one of them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import File
from chalicelib.core.errors import Busy
from chalicelib.stores import Tables, open_tables
from chalicelib.stores.blobs import Blobs
from chalicelib.wire.ids import FileId, TenantId
from infra.bucket import create_bucket
from tests.stores.conftest import BUCKET, REGION

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
FILE = File(
    tenant_id=TENANT,
    file_id=FileId("file_1"),
    filename="a.png",
    mime_type="image/png",
    size_bytes=5,
    created_at=100.5,
)


def read(stores: Stores, tenant_id: TenantId = TENANT) -> bytes | None:
    pieces = stores.blobs.read(tenant_id, FILE.file_id)
    return None if pieces is None else b"".join(pieces)


def test_bytes_come_back_until_they_are_deleted(stores: Stores) -> None:
    """Catches a body that is changed on its way, of one piece or of many."""
    for body in (b"", b"\x00\xff" * 1_500_000):
        stores.blobs.put(FILE, body)
        assert read(stores) == body
    stores.blobs.delete(TENANT, FILE.file_id)
    stores.blobs.delete(TENANT, FILE.file_id)
    assert read(stores) is None


def test_foreign_bytes_are_absent(stores: Stores) -> None:
    """Catches a key without its tenant."""
    stores.blobs.put(FILE, b"mine")
    assert read(stores, OTHER) is None
    stores.blobs.delete(OTHER, FILE.file_id)
    assert read(stores) == b"mine"


def test_an_upload_is_signed_for_these_bytes_in_this_region_once(tables: Tables) -> None:
    """Catches an address to which more, something else, or twice can be sent, or that names another region's host."""
    url, headers = tables.blobs.upload_url(FILE, 900.0)
    parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert parts.netloc == f"{BUCKET}.s3.{REGION}.amazonaws.com"
    assert parts.path == "/ten_a/file_1"
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match"]
    assert headers == {"Content-Type": "image/png", "If-None-Match": "*"}


def test_a_download_is_signed_with_its_type_and_name(tables: Tables) -> None:
    """Catches an address that lives long, or that shows a page in the bucket's name instead of saving a file."""
    parts = urlsplit(tables.blobs.download_url(FILE, "attachment; filename=a.png", 300.0))
    query = parse_qs(parts.query)
    assert query["X-Amz-Expires"] == ["300"]
    assert query["response-content-type"] == ["image/png"]
    assert query["response-content-disposition"] == ["attachment; filename=a.png"]


def test_a_plane_without_a_bucket_says_so(tables: Tables) -> None:
    """Catches files that go to whoever has a bucket of a name that was guessed."""
    blobs = open_tables("plane").blobs
    with pytest.raises(Busy, match="^files_not_set_up: "):
        blobs.put(FILE, b"")
    with pytest.raises(Busy, match="^files_not_set_up: "):
        blobs.read(TENANT, FILE.file_id)


def test_what_goes_wrong_otherwise_flies(aws: None) -> None:
    """Catches a bucket that is not there taken for a file that is not."""
    with pytest.raises(ClientError, match="NoSuchBucket"):
        Blobs("nowhere", region=REGION).read(TENANT, FILE.file_id)


def test_making_the_bucket_again_changes_nothing_and_it_is_closed_to_the_public(tables: Tables) -> None:
    """Catches a second deployment that fails, and a bucket that strangers may open."""
    create_bucket(BUCKET)
    client = boto3.client("s3", region_name=REGION)
    closed = client.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
