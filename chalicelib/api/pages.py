"""Pages: what somebody sees who opens the plane in a browser, and what a monitor asks.

The pages are files in ``chalicelib/console``, with scripts and styles of their own and from nowhere else.
Nothing inline runs, nobody frames them, and no address of theirs is told to another site.
"""

from __future__ import annotations

import functools
import string
from pathlib import Path
from typing import Final, Literal

from chalice import Blueprint, Response
from msgspec import Struct

from ..core.errors import NotFound
from .surface import Surface

surface = Surface(Blueprint(__name__))

_CONSOLE: Final = Path(__file__).parents[1] / "console"

_HTML: Final = "text/html; charset=utf-8"
_PARTS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
"""What pages are made of, by how it ends."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            # Forms are sent by scripts. Without them a key would end up in an address.
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Health(Struct, frozen=True):
    """The plane answers."""

    status: Literal["ok"] = "ok"


@surface.route("GET", "/", answer_type="text/html")
def front_page() -> Response:
    """What this is."""
    # API Gateway's own names have a stage in the path, and a slash after it only if somebody has typed one.
    path = str(surface.blueprint.current_request.context.get("path", "/"))
    return _page("front.html", path.rpartition("/")[2] or ".")


@surface.route("GET", "/connect", answer_type="text/html")
def connect_page() -> Response:
    """The page that `moor setup` opens: a person signs in, and approves the laptop."""
    return _page("connect.html", ".")


@surface.route("GET", "/connect/device", answer_type="text/html")
def device_page() -> Response:
    """The page on which a person types in the code of a laptop without a browser."""
    return _page("connect.html", "..")


@surface.route("GET", "/console/{file_name}", answer_type="*/*")
def console_file(file_name: str) -> Response:
    """A script, a style or a picture of the pages."""
    kept = _files().get(file_name)
    kind = _PARTS.get(Path(file_name).suffix)
    if kept is None or kind is None:
        raise NotFound("file_not_found", "The pages have no such file.")
    return Response(kept, {**_HEADERS, "Content-Type": kind})


@surface.route("GET", "/health")
def health() -> Health:
    """That the plane answers."""
    return Health()


def _page(name: str, root: str) -> Response:
    """A page; ``root`` leads from its address to the plane's, which may have a stage in its path."""
    filled = string.Template(_files()[name]).substitute(root=root)
    return Response(filled, {**_HEADERS, "Content-Type": _HTML})


@functools.cache
def _files() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in _CONSOLE.iterdir()}
