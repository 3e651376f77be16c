"""Forms: bodies of ``multipart/form-data``. Source: RFC 7578."""

from __future__ import annotations

import io
from typing import Final

from msgspec import Struct
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from ..core.errors import BadRequest

FORM: Final = "multipart/form-data"

MAX_PARTS: Final = 128


class Part(Struct, frozen=True):
    """One part of a form: its field's name, its bytes, and for a file its name and type as its sender has them."""

    name: str
    body: bytes
    filename: str | None = None
    media_type: str = ""


def parts_of(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts of a form, in their order.

    Args:
        content_type: the request's header, which names the boundary.
        body: the whole body.

    Raises:
        BadRequest: ``bad_form``.
    """
    try:
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        parts: list[tuple[MultipartSegment, bytearray]] = []
        parser = PushMultipartParser(boundary, len(body), max_segment_count=MAX_PARTS, strict=True)
        for piece in parser.parse_blocking(io.BytesIO(body).read):
            if isinstance(piece, MultipartSegment):
                parts.append((piece, bytearray()))
            elif piece:
                parts[-1][1].extend(piece)
    except MultipartError as exc:
        raise BadRequest("bad_form", f"The body is no {FORM}: {exc}") from exc
    return tuple(Part(one.name or "", bytes(held), one.filename, one.content_type or "") for one, held in parts)
