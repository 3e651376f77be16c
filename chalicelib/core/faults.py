"""Fault: the one shape in which an error leaves the plane, over HTTP and inside a stream.

``{"type": "error", "error": {"type", "code", "message", "param"}, "request_id"}``, which the Anthropic and the OpenAI
SDK both read. The status picks the SDK's exception class; ``code`` is what programs look at.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from .errors import MooringError

_FINAL = frozenset({409, 422})
"""Statuses that an SDK may try again by itself, although the same request can't succeed."""

_LATER = frozenset({429, 503})
"""Statuses that mean "later": they say when."""

LATER_S = 60
"""When to come back where the error does not know (seconds): somebody must mend something first."""


class Fault(Struct, frozen=True):
    """An error as an answer: HTTP status, JSON body, headers beside ``request-id`` and ``content-type``."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def fault_of(error: MooringError, request_id: str) -> Fault:
    """The answer that an error of ours becomes."""
    headers = {}
    if error.status in _LATER:
        headers["Retry-After"] = str(LATER_S if error.retry_after_s is None else error.retry_after_s)
    if error.status in _FINAL or (error.status in _LATER and error.retry_after_s is None):
        headers["x-should-retry"] = "false"
    return Fault(error.status, _body(error.kind, error.code, error.message, error.field, request_id), headers)


def internal_fault(request_id: str) -> Fault:
    """The answer to a bug of ours: says nothing but where to look."""
    message = f"Something broke on our side. The plane's log has the details under {request_id}."
    return Fault(500, _body("api_error", "internal_error", message, None, request_id))


def plain_fault(status: int, code: str, message: str, request_id: str, headers: dict[str, str] | None = None) -> Fault:
    """The answer to a request that never reached a view, such as a wrong method or media type."""
    kind = "not_found_error" if status == 404 else "api_error" if status >= 500 else "invalid_request_error"
    return Fault(status, _body(kind, code, message, None, request_id), headers or {})


def _body(kind: str, code: str, message: str, param: str | None, request_id: str) -> dict[str, Any]:
    told = {"type": kind, "code": code, "message": message, "param": param}
    return {"type": "error", "error": told, "request_id": request_id}
