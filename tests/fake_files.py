"""In-memory twins of the stores of files; `tests/fakes.py` has the others and says what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.catalog import File
from chalicelib.core.files import is_gone, scope_prefix, weight
from chalicelib.wire.ids import FileId, SessionId, TenantId
from tests.fake_io import Fake, io_point
from tests.fake_records import newest_first

PIECE_BYTES = 1024
"""Small, so that whoever reads a blob meets more than one piece of it."""


@dataclass
class FakeFiles(Fake):
    """Files' rows, and how many bytes a tenant's files have."""

    rows: dict[tuple[TenantId, str], File] = field(default_factory=dict)
    port = "files"

    @io_point
    def put(self, file: File, max_bytes: int) -> bool:
        if (file.tenant_id, file.file_id) in self.rows:
            return True
        kept = sum(weight(one) for (tenant_id, _), one in self.rows.items() if tenant_id == file.tenant_id)
        if kept + weight(file) > max_bytes:
            return False
        self.rows[file.tenant_id, file.file_id] = file
        return True

    @io_point
    def get(self, tenant_id: TenantId, file_id: FileId) -> File | None:
        return self.rows.get((tenant_id, file_id))

    @io_point
    def gone(self, tenant_id: TenantId, now: float, limit: int) -> Sequence[File]:
        files = [self.rows[key] for key in sorted(self.rows) if key[0] == tenant_id]
        return [file for file in files if is_gone(file, now)][:limit]

    @io_point
    def finish(self, file: File) -> bool:
        if (file.tenant_id, file.file_id) not in self.rows:
            return False
        self.rows[file.tenant_id, file.file_id] = file
        return True

    @io_point
    def delete(self, file: File) -> None:
        self.rows.pop((file.tenant_id, file.file_id), None)

    @io_point
    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, now: float, session_id: SessionId | None = None
    ) -> tuple[Sequence[File], str | None]:
        within = scope_prefix(session_id) if session_id else ""
        there = {key: file for key, file in self.rows.items() if key[1].startswith(within) and not is_gone(file, now)}
        return newest_first(there, tenant_id, after, limit)


@dataclass
class FakeBlobs(Fake):
    """The bytes of files. What S3 does with an address that was given out, `send` and `fetch` do here."""

    objects: dict[tuple[TenantId, FileId], bytes] = field(default_factory=dict)
    urls: dict[str, tuple[File, float]] = field(default_factory=dict)
    port = "blobs"

    @io_point
    def put(self, file: File, body: bytes) -> None:
        self.objects[file.tenant_id, file.file_id] = body

    @io_point
    def read(self, tenant_id: TenantId, file_id: FileId) -> Iterator[bytes] | None:
        body = self.objects.get((tenant_id, file_id))
        if body is None:
            return None
        return iter([body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES)])

    @io_point
    def delete(self, tenant_id: TenantId, file_id: FileId) -> None:
        self.objects.pop((tenant_id, file_id), None)

    @io_point
    def upload_url(self, file: File, expires_in_s: float) -> tuple[str, Mapping[str, str]]:
        return self._url("put", file, expires_in_s), {"Content-Type": file.mime_type, "If-None-Match": "*"}

    @io_point
    def download_url(self, file: File, disposition: str, expires_in_s: float) -> str:
        return self._url("get", file, expires_in_s)

    def send(self, url: str, body: bytes) -> bool:
        """A PUT to an upload's address. False where S3 refuses it: another length, or bytes are there already."""
        file, _ = self.urls[url]
        key = file.tenant_id, file.file_id
        if len(body) != file.size_bytes or key in self.objects:
            return False
        self.objects[key] = body
        return True

    def fetch(self, url: str) -> bytes:
        """A GET of a download's address."""
        file, _ = self.urls[url]
        return self.objects[file.tenant_id, file.file_id]

    def _url(self, verb: str, file: File, expires_in_s: float) -> str:
        url = f"https://bucket.example/{file.tenant_id}/{file.file_id}?{verb}={len(self.urls)}"
        self.urls[url] = (file, expires_in_s)
        return url
