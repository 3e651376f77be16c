"""Requests of browsers."""

from __future__ import annotations

from msgspec import Struct, field

from .fields import Word


class SignIn(Struct, frozen=True, kw_only=True):
    """``POST /v1/login``: the key to sign in with."""

    key: Word

    def __repr__(self) -> str:
        return "SignIn()"


class BrowserHeaders(Struct, frozen=True, kw_only=True):
    """What a browser says by itself."""

    cookie: str | None = None
    fetch_site: str | None = field(name="sec-fetch-site", default=None)
    protocol: str | None = field(name="x-forwarded-proto", default=None)
