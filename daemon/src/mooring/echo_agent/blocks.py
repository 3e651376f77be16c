"""What the echo agent tells of the blocks of a prompt: text as it is, of anything else what it is and what it holds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from acp.schema import (
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)


def described(block: Any) -> str:
    """Returns a text block's text; of another block one line ``[type media-type N bytes sha256 HEX]``."""
    match block:
        case TextContentBlock():
            return block.text
        case ImageContentBlock():
            return _told("image", block.mime_type, base64.b64decode(block.data))
        case EmbeddedResourceContentBlock():
            held = block.resource
            is_text = isinstance(held, TextResourceContents)
            body = held.text.encode() if is_text else base64.b64decode(held.blob)
            return _told("resource", held.mime_type, body)
        case ResourceContentBlock():
            return _told("resource_link", block.mime_type, Path(unquote(urlsplit(block.uri).path)).read_bytes())
        case _:
            return f"[{block.type}]"


def _told(kind: str, media_type: str | None, body: bytes) -> str:
    return f"[{kind} {media_type} {len(body)} bytes sha256 {hashlib.sha256(body).hexdigest()}]"
