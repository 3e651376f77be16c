"""Files: their rows, and how many bytes a tenant's files have. The bytes themselves are ``blobs``'."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import msgspec

from ..core.catalog import File
from ..core.files import is_gone, scope_prefix, weight
from ..wire.ids import FileId, SessionId, TenantId
from .listing import newest_first_of
from .table import Records, save, written

_COUNT = "files"


class Files:
    """Files' rows."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, file: File, max_bytes: int) -> bool:
        """Writes a new file; one of this id that is there stays as it is.

        Returns:
            False when all of the tenant's files would have more than ``max_bytes``; then nothing is written.
        """
        row = self._records(file.tenant_id, _sk(file.file_id), body=msgspec.json.encode(file).decode())
        if save(row, self._records.body.does_not_exist()) is not None:
            return True
        # Row first: whoever dies between the two has been given room, not robbed of it.
        if self._count(file.tenant_id, weight(file), max_bytes):
            return True
        row.delete()
        return False

    def get(self, tenant_id: TenantId, file_id: FileId) -> File | None:
        """The file, or None."""
        try:
            return _file(self._records.get(tenant_id, _sk(file_id), consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(
        self, tenant_id: TenantId, after: str | None, limit: int, now: float, session_id: SessionId | None = None
    ) -> tuple[Sequence[File], str | None]:
        """Those that can be had at ``now``, newest first, only a session's if one is named: a page, and where to go on.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """

        def had(row: Records) -> File | None:
            file = _file(row)
            return None if is_gone(file, now) else file

        within = scope_prefix(session_id) if session_id else ""
        return newest_first_of(self._records, tenant_id, "file", after, limit, had, within)

    def gone(self, tenant_id: TenantId, now: float, limit: int) -> Sequence[File]:
        """At most ``limit`` of those that can no longer be had at ``now``. Reads all of the tenant's, if it must."""
        rows = self._records.query(tenant_id, self._records.sk.startswith("file#"), consistent_read=True)
        files = (_file(row) for row in rows)
        return list(islice((file for file in files if is_gone(file, now)), limit))

    def finish(self, file: File) -> bool:
        """Writes what is known of a file now that its bytes are there. False when it was deleted meanwhile."""
        body = msgspec.json.encode(file).decode()
        row = self._records(file.tenant_id, _sk(file.file_id))
        is_there = self._records.body.exists()
        return written(lambda: row.update([self._records.body.set(body)], is_there))

    def delete(self, file: File) -> None:
        """Deletes the file if it is there."""
        row = self._records(file.tenant_id, _sk(file.file_id))
        is_there = self._records.body.exists()
        # Of those who delete it at the same moment one gives its bytes back.
        if written(lambda: row.delete(is_there)):
            self._count(file.tenant_id, -weight(file), 0)

    def _count(self, tenant_id: TenantId, n_bytes: int, max_bytes: int) -> bool:
        total = self._records.n_bytes
        has_room = total <= max_bytes - n_bytes
        is_first = total.does_not_exist()
        condition = None if n_bytes < 0 else has_room | is_first
        row = self._records(tenant_id, _COUNT)
        return n_bytes <= max_bytes and written(lambda: row.update([total.add(n_bytes)], condition))


def _file(row: Records) -> File:
    return msgspec.json.decode(row.body or "", type=File)


def _sk(file_id: FileId) -> str:
    return f"file#{file_id}"
