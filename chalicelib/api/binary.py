"""Binary: answers that are bytes.

API Gateway hands bytes over as base64, both ways, for the media types that it was told, and makes bytes of an answer
again only for a request whose first ``Accept`` is one of them: ``*/*`` is not, and would get the base64. Whoever can't
be answered with bytes is sent to where they are.

Source: AWS docs, "Content type conversions in API Gateway" and "Return binary media from a Lambda proxy integration".
"""

from __future__ import annotations

import base64
from typing import Any, Final

from chalice import Response

from ..actors.filing import Content
from ..core.files import disposition
from ..core.media import UNKNOWN
from .forms import FORM

BINARY_TYPES: Final = (FORM, UNKNOWN, "application/binary")
"""What API Gateway is told. The last one is what the SDK accepts when it downloads."""


class Bytes(Response):
    """An answer of bytes, whatever their media type: Chalice knows only those of ``BINARY_TYPES``."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """The answer as Lambda gives it."""
        told = super().to_dict()
        return {**told, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


def is_wanted(accept: str) -> bool:
    """Whether bytes reach a client that sent this ``Accept``."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() in BINARY_TYPES


def download(content: Content) -> Response:
    """A file's bytes, to be saved under its name; or a redirect to where they are."""
    if content.body is None:
        return Response("", {"Location": content.url or "", "Cache-Control": "no-store"}, 307)
    headers: dict[str, str | list[str]] = {
        "Content-Type": content.file.mime_type,
        "Content-Disposition": disposition(content.file.filename),
        # A page among somebody's files must not be shown in the plane's name.
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Bytes(content.body, headers)
