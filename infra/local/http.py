"""The HTTP port: the @connections API, the plane's streaming ASGI app, and Chalice for all the rest."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from chalice.local import LocalGatewayException

from chalicelib.core.faults import plain_fault
from infra.local.connections import ConnectionsError, ConnectionTable
from infra.local.functions import FunctionPool, FunctionTimeout, PlaneFunctions
from infra.local.limits import MAX_MESSAGE_BYTES, Limits, payload_bytes

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Owns = Callable[[str, str], bool]

CONNECTIONS_PREFIX = "/@connections/"


class ClientLeft(Exception):
    """A client closed its connection in the middle of its request; there is nobody to answer."""


class HTTPGateway:
    """One ASGI app in front of everything that speaks HTTP.

    Args:
        functions: The Chalice app's functions.
        pool: Where they run.
        table: The open WebSockets.
        limits: What a buffered request may do.
        stream: The plane's own ASGI app; None for a plane without one. It also gets the lifespan.
        owns: Says of a method and a path whether `stream` answers it.
    """

    def __init__(
        self,
        functions: PlaneFunctions,
        pool: FunctionPool,
        table: ConnectionTable,
        limits: Limits,
        *,
        stream: ASGIApp | None,
        owns: Owns,
    ) -> None:
        self._functions = functions
        self._pool = pool
        self._table = table
        self._limits = limits
        self._stream = stream
        self._owns = owns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one ASGI scope."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
        elif self._stream is not None and self._owns(scope["method"], scope["path"]):
            await self._stream(scope, receive, send)
        else:
            is_management = scope["raw_path"].startswith(CONNECTIONS_PREFIX.encode())
            try:
                await (self._connections if is_management else self._chalice)(scope, receive, send)
            except ClientLeft:
                log.info("method=%s path=%s the client left in its body", scope["method"], scope["path"])

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._stream is not None:
            await self._stream(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _connections(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the @connections API as boto3's apigatewaymanagementapi client expects it."""
        connection_id = unquote(scope["raw_path"].decode("ascii")[len(CONNECTIONS_PREFIX) :])
        headers = [(b"content-type", b"application/json")]
        try:
            status, body = await self._manage(scope["method"], connection_id, receive)
        except ConnectionsError as refusal:
            status, body = refusal.status, _message(refusal.message)
            headers.append((b"x-amzn-errortype", refusal.error_type.encode()))
        await _respond(send, status, headers, body)

    async def _manage(self, method: str, connection_id: str, receive: Receive) -> tuple[int, bytes]:
        match method:
            case "POST":
                data = await _read_body(receive, MAX_MESSAGE_BYTES)
                # An oversized body is cut, not kept, yet still longer than the limit.
                await self._table.post(connection_id, data)
                return 200, b""
            case "DELETE":
                await self._table.delete(connection_id)
                return 204, b""
            case "GET":
                connection = self._table.get(connection_id)
                identity = {"sourceIp": connection.handshake.source_ip, "userAgent": connection.handshake.user_agent}
                described = {
                    "connectedAt": _iso(connection.handshake.connected_at),
                    "identity": identity,
                    "lastActiveAt": _iso(connection.last_active_at),
                }
                return 200, json.dumps(described).encode()
            case _:
                raise ConnectionsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")

    async def _chalice(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through Chalice, inside API Gateway's and Lambda's limits."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        limit = self._limits.max_payload_bytes
        body = await _read_body(receive, limit)
        is_binary = self._functions.takes_binary(headers.get("content-type", ""))
        if len(body) > limit or payload_bytes(body, is_binary=is_binary) > limit:
            await _respond_json(send, 413, "Request Too Long")
            return
        target = scope["raw_path"].decode("ascii")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("ascii")
        try:
            answer = await self._pool.call(
                partial(self._functions.http, scope["method"], target, headers, body or None)
            )
        except FunctionTimeout:
            log.error("method=%s path=%s timed out", scope["method"], scope["path"])
            await _respond_json(send, 504, "Endpoint request timed out")
        except LocalGatewayException:
            # Chalice's own answer repeats the request's Authorization header.
            why = f"There is no {scope['method']} {scope['path']}."
            request_id = f"req_{uuid.uuid4().hex}"
            fault = plain_fault(404, "route_not_found", why, request_id)
            told = [(b"content-type", b"application/json"), (b"request-id", request_id.encode())]
            await _respond(send, fault.status, told, json.dumps(fault.body).encode())
        except Exception:  # A Lambda entry: whatever gets through Chalice is API Gateway's 502.
            log.exception("method=%s path=%s failed", scope["method"], scope["path"])
            await _respond_json(send, 502, "Internal server error")
        else:
            await self._send_answer(scope, send, answer, headers.get("accept", ""))

    async def _send_answer(self, scope: Scope, send: Send, answer: dict[str, Any], accept: str) -> None:
        raw = answer.get("body") or ""
        is_binary = bool(answer.get("isBase64Encoded"))
        body = base64.b64decode(raw) if is_binary else raw if isinstance(raw, bytes) else raw.encode()
        if is_binary and not self._functions.takes_binary(accept.partition(",")[0]):
            # API Gateway decodes for who accepts one of the binary types before all else, and for nobody else.
            body = raw.encode()
        if payload_bytes(body, is_binary=is_binary) > self._limits.max_payload_bytes:
            log.error("method=%s path=%s body_bytes=%d answer too large", scope["method"], scope["path"], len(body))
            await _respond_json(send, 502, "Internal server error")
            return
        headers = _pairs({**(answer.get("headers") or {}), **(answer.get("multiValueHeaders") or {})})
        if not any(name.lower() == b"content-type" for name, _ in headers):
            headers.append((b"content-type", b"application/json"))
        await _respond(send, answer["statusCode"], headers, body, is_head=scope["method"] == "HEAD")


async def _read_body(receive: Receive, max_bytes: int) -> bytes:
    """Read a request's body to its end.

    Returns:
        The body; of one longer than `max_bytes` only a part, which still is longer than `max_bytes`.

    Raises:
        ClientLeft: The connection closed before the body was complete.
    """
    kept = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        if len(kept) <= max_bytes:
            kept += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(kept)


async def _respond(
    send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, is_head: bool = False
) -> None:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    if status not in (204, 304):
        kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": b"" if is_head else body})


async def _respond_json(send: Send, status: int, message: str) -> None:
    await _respond(send, status, [(b"content-type", b"application/json")], _message(message))


def _message(sentence: str) -> bytes:
    return json.dumps({"message": sentence}).encode()


def _pairs(headers: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    pairs = []
    for name, value in headers.items():
        for single in value if isinstance(value, list) else [value]:
            pairs.append((name.encode("latin-1"), str(single).encode("latin-1")))
    return pairs


def _iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
