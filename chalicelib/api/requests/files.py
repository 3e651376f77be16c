"""Requests about files."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from ...core.errors import BadRequest, TooLarge
from ...core.files import MAX_LIFE_S, MIN_LIFE_S
from ...wire.limits import MAX_DIRECT_BYTES
from ..forms import FORM, Part, parts_of
from .fields import Word

MAX_FORM_BYTES: Final = MAX_DIRECT_BYTES + 16 * 1024
"""The largest file, and the form round it."""

Life = Annotated[int, Meta(ge=MIN_LIFE_S, le=MAX_LIFE_S)]


class FormHeaders(Struct, frozen=True, kw_only=True):
    """Headers of a form."""

    content_type: str = field(name="content-type", default=FORM)


class NewFile(Struct, frozen=True):
    """What ``POST /v1/files`` brings."""

    part: Part
    expires_in_s: int | None = None


def new_file(content_type: str, body: bytes) -> NewFile:
    """The file in a form.

    Raises:
        TooLarge: ``content_too_large``.
        BadRequest: ``bad_form``; ``bad_request`` with the field that is wrong; ``unsupported_field``.
    """
    if len(body) > MAX_FORM_BYTES:
        why = (
            f"A file of up to {MAX_DIRECT_BYTES} bytes goes this way; the form has {len(body)}."
            " Announce a larger one at POST /v1/files/uploads."
        )
        raise TooLarge("content_too_large", why, field="file")
    found: dict[str, Part] = {}
    for part in parts_of(content_type, body):
        if part.name not in ("file", "expires_in_seconds") or part.name in found:
            why = f"A form holds one file and, if wanted, expires_in_seconds; not {part.name[:64]!r}."
            raise BadRequest("unsupported_field", why, field=part.name[:64])
        found[part.name] = part
    if "file" not in found:
        raise BadRequest("bad_form", "The form holds no file.", field="file")
    return NewFile(found["file"], _seconds(found.get("expires_in_seconds")))


def _seconds(part: Part | None) -> int | None:
    if part is None:
        return None
    if not part.body.isdigit() or len(part.body) > 9:
        raise BadRequest("bad_request", "expires_in_seconds: it is no whole number", field="expires_in_seconds")
    return int(part.body)


class AnnounceFile(Struct, frozen=True, kw_only=True):
    """``POST /v1/files/uploads``: a file whose bytes go straight to the store."""

    filename: Annotated[str, Meta(min_length=1, max_length=1024)]
    mime_type: Word
    size_bytes: Annotated[int, Meta(ge=0)]
    expires_in_seconds: Life | None = None


class FilesQuery(Struct, frozen=True, kw_only=True):
    """``GET /v1/files``: a page of files, only a session's if ``scope_id`` names one; or those of ``ids``."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    page: str | None = None
    ids: tuple[str, ...] = ()
    scope_id: Word | None = None

    def __post_init__(self) -> None:
        if self.ids and (self.page or self.scope_id):
            raise ValueError("ids stand alone: no page and no scope_id beside them")


class DownloadHeaders(Struct, frozen=True, kw_only=True):
    """Headers of a download; ``accept`` decides whether bytes can be answered."""

    accept: str = ""
