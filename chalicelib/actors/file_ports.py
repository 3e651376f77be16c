"""What the actors need of the world to keep files; a part of ``ports.py``, which says what holds for all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ..core.catalog import File
from ..wire.ids import FileId, SessionId, TenantId


class Files(Protocol):
    """Files' rows, and how many bytes a tenant's files have."""

    def put(self, file: File, max_bytes: int) -> bool:
        """Writes a new file; one of this id that is there stays as it is.

        False, and nothing is written, when all of the tenant's files would have more than ``max_bytes``.
        """

    def get(self, tenant_id: TenantId, file_id: FileId) -> File | None:
        """The file, or None."""

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, now: float, session_id: SessionId | None = None
    ) -> tuple[Sequence[File], str | None]:
        """Those that can be had at ``now``, newest first, only a session's if one is named: a page, and where to go on.

        ``after`` is such a place; None at the end.
        """

    def gone(self, tenant_id: TenantId, now: float, limit: int) -> Sequence[File]:
        """At most ``limit`` of those that can no longer be had at ``now``."""

    def finish(self, file: File) -> bool:
        """Writes what is known of a file now that its bytes are there. False when it was deleted meanwhile."""

    def delete(self, file: File) -> None:
        """Deletes the file if it is there."""


class Blobs(Protocol):
    """The bytes of files. Raises Busy ``files_not_set_up`` on a plane without a place for them."""

    def put(self, file: File, body: bytes) -> None:
        """Writes a file's bytes. Writing the same again is harmless."""

    def read(self, tenant_id: TenantId, file_id: FileId) -> Iterator[bytes] | None:
        """The bytes in pieces, or None when there are none."""

    def delete(self, tenant_id: TenantId, file_id: FileId) -> None:
        """Deletes the bytes if they are there."""

    def upload_url(self, file: File, expires_in_s: float) -> tuple[str, Mapping[str, str]]:
        """An address to which exactly this many bytes of this type can be PUT, once; and the headers it wants."""

    def download_url(self, file: File, disposition: str, expires_in_s: float) -> str:
        """An address from which the bytes come, with this ``Content-Disposition``."""
