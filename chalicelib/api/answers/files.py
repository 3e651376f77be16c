"""Files as they are answered."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from ...actors.filing import Announced
from ...core.catalog import File
from ...core.render import rfc3339


class ScopeAnswer(Struct, frozen=True):
    """In what a file was made."""

    id: str
    type: Literal["session"] = "session"


class FileExtension(Struct, frozen=True, kw_only=True):
    """``_oma``: what Mooring adds to a file. ``sha256`` of its bytes, null while they are awaited."""

    status: Literal["ready", "awaited"]
    sha256: str | None


class FileAnswer(Struct, frozen=True, kw_only=True):
    """A file."""

    type: Literal["file"] = "file"
    id: str
    filename: str
    mime_type: str
    size_bytes: int
    created_at: str
    downloadable: bool
    expires_at: str | None
    scope: ScopeAnswer | None
    extension: FileExtension = field(name="_oma")


class AnnouncedAnswer(FileAnswer, frozen=True, kw_only=True):
    """A file whose bytes are awaited: PUT them to ``upload_url`` with ``upload_headers``, then complete the file."""

    upload_url: str
    upload_headers: dict[str, str]
    upload_expires_at: str


class FileDeleted(Struct, frozen=True):
    """A file that is gone."""

    id: str
    type: Literal["file_deleted"] = "file_deleted"


def file_answer(file: File) -> FileAnswer:
    """A file as it is answered."""
    return FileAnswer(**_fields(file))


def announced_answer(announced: Announced) -> AnnouncedAnswer:
    """A file that was announced, as it is answered."""
    return AnnouncedAnswer(
        **_fields(announced.file),
        upload_url=announced.url,
        upload_headers=dict(announced.headers),
        upload_expires_at=rfc3339(announced.url_expires_at),
    )


def _fields(file: File) -> dict[str, Any]:
    return {
        "id": file.file_id,
        "filename": file.filename,
        "mime_type": file.mime_type,
        "size_bytes": file.size_bytes,
        "created_at": rfc3339(file.created_at),
        "downloadable": file.is_ready,
        "expires_at": rfc3339(file.expires_at) if file.expires_at is not None else None,
        "scope": ScopeAnswer(file.session_id) if file.session_id else None,
        "extension": FileExtension(status="ready" if file.is_ready else "awaited", sha256=file.sha256 or None),
    }
