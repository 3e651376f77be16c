"""Blobs: the bytes of files, as objects of an S3 bucket.

An object's key is ``<tenant>/<file>``: a foreign one can't be asked for. An object is never written over: its file's
id is its own, and an address to which bytes are sent holds ``If-None-Match: *``.

Source: AWS docs, "Authenticating requests: query parameters" and "How to prevent object overwrites with conditional
writes".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ..core.catalog import File
from ..core.errors import Busy
from ..wire.ids import FileId, TenantId

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 10.0
MAX_ATTEMPTS: Final = 2
"""Two tries of at most 2 s + 10 s end inside API Gateway's 29 s, so that a caller gets an answer, not a cut line."""

POOL_CONNECTIONS: Final = 32
"""The local gateway runs many handlers in one process; a Lambda runs one."""

CHUNK_BYTES: Final = 1024 * 1024

_ABSENT: Final = frozenset({"NoSuchKey", "404"})


class Blobs:
    """The bytes of files.

    Args:
        bucket: its name; None for a plane that was not told, which keeps no files.
        host: S3's URL; None leaves it to botocore (which knows ``AWS_ENDPOINT_URL``).
        region: AWS region; None leaves it to botocore.
    """

    def __init__(self, bucket: str | None, host: str | None = None, region: str | None = None) -> None:
        self._bucket = bucket
        self._host = host
        self._region = region
        self._making = threading.Lock()
        self._made: Any = None

    def put(self, file: File, body: bytes) -> None:
        """Writes a file's bytes. Writing the same again is harmless."""
        self._client().put_object(**self._object(file.tenant_id, file.file_id), Body=body, ContentType=file.mime_type)

    def read(self, tenant_id: TenantId, file_id: FileId) -> Iterator[bytes] | None:
        """The bytes in pieces, or None when there are none."""
        try:
            found = self._client().get_object(**self._object(tenant_id, file_id))
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in _ABSENT:
                raise
            return None
        pieces: Iterator[bytes] = found["Body"].iter_chunks(CHUNK_BYTES)
        return pieces

    def delete(self, tenant_id: TenantId, file_id: FileId) -> None:
        """Deletes the bytes if they are there."""
        self._client().delete_object(**self._object(tenant_id, file_id))

    def upload_url(self, file: File, expires_in_s: float) -> tuple[str, Mapping[str, str]]:
        """An address to which exactly this many bytes of this type can be PUT, once; and the headers it wants."""
        wish = {
            **self._object(file.tenant_id, file.file_id),
            "ContentLength": file.size_bytes,
            "ContentType": file.mime_type,
            "IfNoneMatch": "*",
        }
        headers = {"Content-Type": file.mime_type, "If-None-Match": "*"}
        return self._signed("put_object", wish, expires_in_s), headers

    def download_url(self, file: File, disposition: str, expires_in_s: float) -> str:
        """An address from which the bytes come, with this ``Content-Disposition``."""
        wish = {
            **self._object(file.tenant_id, file.file_id),
            "ResponseContentType": file.mime_type,
            "ResponseContentDisposition": disposition,
        }
        return self._signed("get_object", wish, expires_in_s)

    def _signed(self, operation: str, wish: dict[str, Any], expires_in_s: float) -> str:
        url: str = self._client().generate_presigned_url(operation, Params=wish, ExpiresIn=int(expires_in_s))
        return url

    def _object(self, tenant_id: TenantId, file_id: FileId) -> dict[str, Any]:
        if self._bucket is None:
            raise Busy("files_not_set_up", "This plane does not know its bucket; set MOORING_BUCKET on it.")
        return {"Bucket": self._bucket, "Key": f"{tenant_id}/{file_id}"}

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "standard"},
                    max_pool_connections=POOL_CONNECTIONS,
                    signature_version="s3v4",
                    # Otherwise an address that is signed names the host of us-east-1, whatever the region.
                    s3={"addressing_style": "virtual"},
                )
                # Not boto3's default session: that one is shared by all threads and not made for it.
                self._made = boto3.Session(region_name=self._region).client(
                    "s3", endpoint_url=self._host, config=config
                )
            return self._made
