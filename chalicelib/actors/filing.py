"""Filing: keeps a tenant's files, their rows here and their bytes beside.

Small files go through the plane. A large one is announced, sent to an address of the store's own, and checked there: by
``complete``, or by whoever needs it first. Bytes are there before a row says so, and are deleted before it is: whoever
dies in between leaves nothing that nobody finds again, and what was begun can be done once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..core.catalog import File
from ..core.errors import BadRequest, Conflicting, TooLarge, TooMany
from ..core.files import (
    DOWNLOAD_S,
    UPLOAD_S,
    check_life,
    disposition,
    file_id_of,
    file_name,
    inline_id,
    is_file_id,
    is_gone,
    no_file,
)
from ..core.media import HEAD_BYTES, check_bytes, media_type_of, suffix_of
from ..core.tenant_limits import TenantLimits
from ..wire.codec import digest
from ..wire.ids import FileId, SessionId, TenantId
from ..wire.limits import MAX_DIRECT_BYTES, MAX_FILE_BYTES
from .agents import timed_id
from .ports import Stores

MAX_IDS = 100
"""How many files a list can be asked for by id. Source: the SDK's ``FileListParams``."""

MAX_REMOVED = 20
"""How many files that are gone are removed at once to make room; whoever comes next removes more."""


class Announced(Struct, frozen=True):
    """A file whose bytes are awaited: where to send them, with which headers, and until when (epoch seconds)."""

    file: File
    url: str
    headers: Mapping[str, str]
    url_expires_at: float


class Content(Struct, frozen=True):
    """A file's bytes, or where they are had."""

    file: File
    body: bytes | None = None
    url: str | None = None


class Filing:
    """Keeps files."""

    def __init__(self, stores: Stores) -> None:
        self._rows = stores.files
        self._blobs = stores.blobs
        self._tenants = stores.tenants
        self._clock = stores.clock

    # ---- bytes that come

    def upload(
        self, tenant_id: TenantId, filename: str | None, declared: str, body: bytes, expires_in_s: int | None
    ) -> File:
        """Keeps a small file.

        Raises:
            BadRequest: ``bad_content``: the bytes are not what they are declared to be; ``bad_request``.
            TooLarge: ``content_too_large``: over ``MAX_DIRECT_BYTES``.
            TooMany: ``limit_reached``.
        """
        check_life(expires_in_s)
        if len(body) > MAX_DIRECT_BYTES:
            why = (
                f"The file has {len(body)} bytes; up to {MAX_DIRECT_BYTES} go this way."
                " Announce a larger one at POST /v1/files/uploads."
            )
            raise TooLarge("content_too_large", why, field="file")
        media_type = media_type_of(declared, body[:HEAD_BYTES])
        check_bytes(media_type, body[:HEAD_BYTES], "file")
        file = self._new(tenant_id, filename, media_type, len(body), expires_in_s)
        return self._keep(replace(file, sha256=digest(body)), body)

    def bring(self, tenant_id: TenantId, session_id: SessionId, media_type: str, body: bytes, name: str | None) -> File:
        """Keeps what came within a message of the session; the same again is the same file. Raises as ``upload``."""
        sha256 = digest(body)
        file = File(
            tenant_id=tenant_id,
            file_id=inline_id(session_id, media_type, sha256),
            filename=file_name(f"{name}{suffix_of(media_type)}" if name else None, media_type),
            mime_type=media_type,
            size_bytes=len(body),
            created_at=self._clock.now(),
            sha256=sha256,
            session_id=session_id,
        )
        return self._keep(file, body)

    def announce(
        self, tenant_id: TenantId, filename: str, declared: str, size_bytes: int, expires_in_s: int | None
    ) -> Announced:
        """A file whose bytes are to be sent to the store itself, exactly as many as announced.

        Raises:
            BadRequest: ``bad_request``.
            TooLarge: ``content_too_large``: over ``MAX_FILE_BYTES``.
            TooMany: ``limit_reached``.
        """
        check_life(expires_in_s)
        if size_bytes > MAX_FILE_BYTES:
            why = f"A file has at most {MAX_FILE_BYTES} bytes."
            raise TooLarge("content_too_large", why, field="size_bytes")
        file = self._new(tenant_id, filename, media_type_of(declared, b""), size_bytes, expires_in_s)
        url, headers = self._blobs.upload_url(file, UPLOAD_S)
        self._must_fit(file)
        return Announced(file, url, headers, file.created_at + UPLOAD_S)

    def complete(self, tenant_id: TenantId, file_id: str) -> File:
        """The file, ready: its bytes are checked now if they were not before.

        Raises:
            NotFound: ``file_not_found``.
            Conflicting: ``file_not_uploaded``: its bytes are not there yet.
            BadRequest: ``bad_content``: they are not what was announced; the file is gone.
        """
        file = self.get(tenant_id, file_id)
        if file.is_ready:
            return file
        pieces = self._blobs.read(tenant_id, file.file_id)
        if pieces is None:
            why = f"The bytes of file {file.file_id} are not there yet; PUT them to its upload_url first."
            raise Conflicting("file_not_uploaded", why)
        try:
            done = replace(file, sha256=_checked(file, pieces))
        except BadRequest:
            self._remove(file)
            raise
        if not self._rows.finish(done):
            raise no_file(file_id)
        return done

    # ---- files that are there

    def get(self, tenant_id: TenantId, file_id: str) -> File:
        """One file. Raises NotFound ``file_not_found``, the same for another tenant's."""
        file = self._rows.get(tenant_id, file_id_of(file_id))
        if file is None or not self._is_there(file):
            raise no_file(file_id)
        return file

    def list(
        self,
        tenant_id: TenantId,
        page: str | None,
        limit: int,
        *,
        ids: Iterable[str] = (),
        session_id: SessionId | None = None,
    ) -> tuple[Sequence[File], str | None]:
        """Newest first, only those of a session if one is named; and the page to go on with, or None.

        With ``ids`` those of them that are there, in one page.

        Raises:
            BadRequest: ``bad_request`` for more than ``MAX_IDS``.
        """
        wanted = dict.fromkeys(ids)
        if not wanted:
            return self._rows.list(tenant_id, page, limit, self._clock.now(), session_id)
        if len(wanted) > MAX_IDS:
            raise BadRequest("bad_request", f"At most {MAX_IDS} ids can be asked for at once.", field="ids")
        found = [self._rows.get(tenant_id, FileId(one)) for one in wanted if is_file_id(one)]
        return [one for one in found if one is not None and self._is_there(one)], None

    def content(self, tenant_id: TenantId, file_id: str, *, takes_bytes: bool) -> Content:
        """A file's bytes; or, for a large one and for who could not take them, the address where they are.

        Raises:
            NotFound: ``file_not_found``.
            Conflicting: ``file_not_uploaded``.
            BadRequest: ``bad_content``.
        """
        file = self.complete(tenant_id, file_id)
        if not takes_bytes or file.size_bytes > MAX_DIRECT_BYTES:
            return Content(file, url=self._blobs.download_url(file, disposition(file.filename), DOWNLOAD_S))
        pieces = self._blobs.read(tenant_id, file.file_id)
        if pieces is None:
            # Somebody deletes it at this moment: bytes go before their row.
            raise no_file(file_id)
        return Content(file, body=b"".join(pieces))

    def delete(self, tenant_id: TenantId, file_id: str) -> None:
        """Deletes a file. Raises NotFound ``file_not_found``."""
        self._remove(self.get(tenant_id, file_id))

    # ---- rows and bytes

    def _new(
        self, tenant_id: TenantId, filename: str | None, media_type: str, size_bytes: int, expires_in_s: int | None
    ) -> File:
        now = self._clock.now()
        return File(
            tenant_id=tenant_id,
            file_id=FileId(timed_id("file", self._clock)),
            filename=file_name(filename, media_type),
            mime_type=media_type,
            size_bytes=size_bytes,
            created_at=now,
            expires_at=now + expires_in_s if expires_in_s is not None else None,
        )

    def _keep(self, file: File, body: bytes) -> File:
        self._blobs.put(file, body)
        self._must_fit(file)
        return file

    def _must_fit(self, file: File) -> None:
        tenant = self._tenants.get(file.tenant_id)
        limit = (tenant.limits if tenant else TenantLimits()).max_file_bytes
        if self._rows.put(file, limit):
            return
        for gone in self._rows.gone(file.tenant_id, self._clock.now(), MAX_REMOVED):
            self._remove(gone)
        if not self._rows.put(file, limit):
            self._blobs.delete(file.tenant_id, file.file_id)
            why = f"This tenant's files may have {limit} bytes (max_file_bytes) and would have more; delete some."
            raise TooMany("limit_reached", why, field="max_file_bytes", retry_after_s=60)

    def _is_there(self, file: File) -> bool:
        """Whether a file that was found can be had; one that can't, any more, is removed by whoever meets it."""
        if not is_gone(file, self._clock.now()):
            return True
        self._remove(file)
        return False

    def _remove(self, file: File) -> None:
        self._blobs.delete(file.tenant_id, file.file_id)
        self._rows.delete(file)


def _checked(file: File, pieces: Iterator[bytes]) -> str:
    """The SHA-256 of bytes that were sent, if they are as they were announced. Raises BadRequest ``bad_content``."""
    found, n_bytes, head = hashlib.sha256(), 0, b""
    for piece in pieces:
        found.update(piece)
        n_bytes += len(piece)
        head = head if len(head) >= HEAD_BYTES else (head + piece)[:HEAD_BYTES]
    if n_bytes != file.size_bytes:
        why = f"{n_bytes} bytes were sent, {file.size_bytes} were announced; the file is gone."
        raise BadRequest("bad_content", why)
    check_bytes(file.mime_type, head)
    return found.hexdigest()
