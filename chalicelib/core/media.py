"""Media: what kind of bytes a file holds, told by how they begin, and what of it an agent can be shown.

Source: the magic numbers of PNG (RFC 2083), JPEG (ISO 10918-1), GIF (89a specification), WebP (RFC 9649) and PDF
(ISO 32000-1).
"""

from __future__ import annotations

from typing import Final, Literal

from .errors import BadRequest

BlockKind = Literal["image", "document"]

HEAD_BYTES: Final = 1024
"""How much of a file's beginning tells what it is."""

UNKNOWN: Final = "application/octet-stream"
"""Bytes of no known kind. Source: RFC 2046 §4.5.1."""

PLAIN_TEXT: Final = "text/plain"

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The images that models see. Source: the SDK's ``BetaManagedAgentsBase64ImageSource``."""

_PDF: Final = "application/pdf"
_SUFFIXES: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    _PDF: ".pdf",
    PLAIN_TEXT: ".txt",
}


def media_type_of(declared: str, head: bytes) -> str:
    """The media type of a file that begins with ``head``: as declared, or as its bytes tell where nothing was."""
    bare = declared.partition(";")[0].strip().lower()
    return bare if bare and bare != UNKNOWN else _told_by(head) or UNKNOWN


def suffix_of(media_type: str) -> str:
    """How the name of such a file ends, or "" when that is not known."""
    return _SUFFIXES.get(media_type, "")


def check_bytes(media_type: str, head: bytes, where: str | None = None) -> None:
    """Raises BadRequest ``bad_content`` for bytes that are not what they are declared to be, as far as they tell."""
    told = _told_by(head)
    if media_type in _SUFFIXES and told != (None if media_type == PLAIN_TEXT else media_type):
        why = f"The bytes are no {media_type}; they look like {told or UNKNOWN}."
        raise BadRequest("bad_content", why, field=where)
    if media_type.startswith("text/") and b"\0" in head:
        raise BadRequest("bad_content", f"The bytes are no {media_type}: they hold a NUL.", field=where)


def check_text(body: bytes, where: str | None = None) -> None:
    """Raises BadRequest ``bad_content`` for a text that is not in UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest("bad_content", f"The text is not in UTF-8: {exc.reason}.", field=where) from exc


def check_kind(kind: BlockKind, media_type: str, where: str | None) -> None:
    """Raises BadRequest ``bad_content`` for a file that can't stand in such a block."""
    if kind == "image" and media_type not in IMAGES:
        why = f"An image is one of {', '.join(sorted(IMAGES))}; this is {media_type[:80]}."
        raise BadRequest("bad_content", why, field=where)
    if kind == "document" and media_type != _PDF and not media_type.startswith("text/"):
        why = f"A document is {_PDF} or text; this is {media_type[:80]}."
        raise BadRequest("bad_content", why, field=where)


def _told_by(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return _PDF if head.lstrip().startswith(b"%PDF-") else None
