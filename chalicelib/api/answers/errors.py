"""Errors as they are answered, by every route; ``core/faults.py`` makes them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """What went wrong: ``code`` is for programs, ``message`` for people, ``param`` the field that is meant, or null."""

    type: str
    code: str
    message: str
    param: str | None


class ErrorAnswer(Struct, frozen=True, kw_only=True):
    """An error."""

    type: Literal["error"] = "error"
    error: ErrorDetail
    request_id: str
