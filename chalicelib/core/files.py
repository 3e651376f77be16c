"""Files: how they are named, how long they are there, and what they count."""

from __future__ import annotations

import hashlib
import re
import string
from typing import Final

from ..wire.ids import FileId, SessionId
from .catalog import File
from .errors import BadRequest, NotFound
from .media import suffix_of

MIN_LIFE_S: Final = 3600
MAX_LIFE_S: Final = 90 * 24 * 3600
"""How long a file may be asked to be there (seconds). Source: the SDK's ``FileUploadParams``."""

UPLOAD_S: Final = 15 * 60.0
"""How long an address is good to which bytes are sent (seconds)."""

DOWNLOAD_S: Final = 5 * 60.0
"""How long an address is good from which bytes come (seconds)."""

AWAITED_S: Final = 3600.0
"""How long a file waits for its bytes before it counts as given up (seconds): longer than any upload that began."""

ROW_BYTES: Final = 1024
"""What each file counts beside its bytes, so that empty ones can't be had without end."""

MAX_NAME_CHARS: Final = 255

_ID = re.compile(r"file_[0-9A-Za-z_]{1,96}")
_ATTR_CHARS = frozenset(string.ascii_letters + string.digits + "!#$&+-.^_`|~")
"""What may stand as it is. Source: RFC 8187, attr-char."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def no_file(file_id: str, field: str | None = None) -> NotFound:
    """The refusal for a file that is absent, expired or another tenant's."""
    return NotFound("file_not_found", f"There is no file {file_id[:80]}.", field=field)


def file_id_of(text: str, field: str | None = None) -> FileId:
    """A file id as a stranger writes it. One that can't be any answers like an absent one: NotFound."""
    if not is_file_id(text):
        raise no_file(text, field)
    return FileId(text)


def is_file_id(text: str) -> bool:
    """Whether this can be a file's id."""
    return _ID.fullmatch(text) is not None


def scope_prefix(session_id: SessionId) -> str:
    """How the ids of all files begin that came in messages of a session: they sort with it."""
    return f"file_{session_id.removeprefix('sesn_')}_"


def inline_id(session_id: SessionId, media_type: str, sha256: str) -> FileId:
    """The id of a file that came in a message: whoever posts the same again does not make a second one."""
    told = hashlib.sha256(f"{media_type}/{sha256}".encode()).hexdigest()
    return FileId(scope_prefix(session_id) + told[:16])


def file_name(given: str | None, media_type: str) -> str:
    """A file's name: the last part of the path that was given, or ``unnamed`` with the ending of its media type."""
    name = _UNPRINTABLE.sub("", (given or "").replace("\\", "/").rpartition("/")[2]).strip()
    return name[:MAX_NAME_CHARS] or f"unnamed{suffix_of(media_type)}"


def disposition(filename: str) -> str:
    """The ``Content-Disposition`` that saves a file under its name, in any language. Source: RFC 6266, RFC 8187."""
    encoded = "".join(
        character if character in _ATTR_CHARS else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in filename
    )
    return f"attachment; filename*=UTF-8''{encoded}"


def check_life(seconds: int | None) -> None:
    """Raises BadRequest ``bad_request`` for a time that a file can't be asked to be there."""
    if seconds is not None and not MIN_LIFE_S <= seconds <= MAX_LIFE_S:
        why = f"expires_in_seconds is between {MIN_LIFE_S} and {MAX_LIFE_S}."
        raise BadRequest("bad_request", why, field="expires_in_seconds")


def is_gone(file: File, now: float) -> bool:
    """Whether a file can no longer be had at ``now`` (epoch seconds): it has expired, or its bytes never came."""
    if file.expires_at is not None and file.expires_at <= now:
        return True
    return not file.is_ready and file.created_at + AWAITED_S <= now


def weight(file: File) -> int:
    """What a file counts against its tenant's limit, in bytes."""
    return file.size_bytes + ROW_BYTES
