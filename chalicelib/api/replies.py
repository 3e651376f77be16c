"""Replies: how an answer leaves, and the one place where errors become answers.

Chalice answers every exception of a view itself, before a middleware can see it, but for ``ChaliceUnhandledError``. So
a ``Surface`` wraps what its views raise in one, and the middleware here unwraps it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from chalice import ChaliceUnhandledError, Response
from chalice.app import Request, WebsocketEvent

from ..core.errors import MooringError
from ..core.faults import Fault, fault_of, internal_fault, plain_fault

log = logging.getLogger(__name__)

_CHALICES_OWN = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know that method."),
    415: ("unsupported_media_type", "Send the body as application/json."),
}


def json(body: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(body).decode(), {"Content-Type": "application/json"}, status)


def stream(page: bytes) -> Response:
    """A page of server-sent events."""
    return Response(page.decode(), {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})


def middleware(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Around every function: gives HTTP answers a ``request-id`` and errors their one shape."""
    if isinstance(event, Request):
        return _http(event, get_response)
    if isinstance(event, WebsocketEvent):
        return _websocket(event, get_response)
    return get_response(event)


def _http(request: Request, get_response: Callable[[Any], Response]) -> Response:
    request_id = _request_id(request.lambda_context)
    try:
        response = get_response(request)
    except ChaliceUnhandledError as exc:
        response = _refusal(request, exc.__cause__ or exc, request_id)
    if isinstance(response.body, dict) and "Code" in response.body:
        response = _of_chalice(response, request_id)
    response.headers["request-id"] = request_id
    return response


def _refusal(request: Request, error: BaseException, request_id: str) -> Response:
    if isinstance(error, MooringError):
        if error.__cause__ is not None and error.status >= 500:
            log.error("request=%s %s %s", request_id, request.method, request.path, exc_info=error)
        return _faulty(fault_of(error, request_id))
    log.error("request=%s %s %s failed", request_id, request.method, request.path, exc_info=error)
    return _faulty(internal_fault(request_id))


def _of_chalice(response: Response, request_id: str) -> Response:
    """An answer that Chalice made before any view ran, in our shape."""
    if response.status_code >= 500:
        return _faulty(internal_fault(request_id))
    told = ("bad_request", str(response.body.get("Message", "")))
    code, message = _CHALICES_OWN.get(response.status_code, told)
    headers = {name: str(value) for name, value in response.headers.items()}
    return _faulty(plain_fault(response.status_code, code, message, request_id, headers))


def _faulty(fault: Fault) -> Response:
    response = json(fault.body, fault.status)
    response.headers.update(fault.headers)
    return response


def _websocket(event: WebsocketEvent, get_response: Callable[[Any], Any]) -> Any:
    """A refusal is a status, which counts at ``$connect`` only. A bug flies: Lambda counts it, the gateway tells."""
    try:
        return get_response(event)
    except MooringError as exc:
        log.warning("connection=%s refused: %s", event.connection_id, exc.code)
        return Response(body="", status_code=exc.status)
    except Exception:
        log.exception("connection=%s failed", event.connection_id)
        raise


def _request_id(context: Any) -> str:
    given = str(getattr(context, "aws_request_id", "") or secrets.token_hex(16))
    return "req_" + given.replace("-", "")
