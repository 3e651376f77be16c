"""The events that API Gateway and EventBridge hand to a Lambda function, in the shapes AWS documents.

Source: AWS docs, "WebSocket API mapping template reference" and "Amazon EventBridge scheduled events".
"""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalice.local import LambdaContext

Event = dict[str, Any]

API_ID = "localplane"
STAGE = "local"
ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Handshake:
    """What a client sent when it opened its WebSocket.

    Args:
        connection_id: The id that handlers and the @connections API know the connection by.
        headers: Name and value pairs in the order sent; a name may come twice.
        query: Query string pairs, decoded, in the order sent.
        source_ip: The peer's address.
        domain_name: Host and port of the WebSocket listener.
        connected_at: Epoch seconds.
    """

    connection_id: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    source_ip: str
    domain_name: str
    connected_at: float = field(default_factory=time.time)

    @property
    def user_agent(self) -> str:
        """The client's User-Agent; empty when it sent none."""
        return next((value for name, value in self.headers if name.lower() == "user-agent"), "")


def new_connection_id() -> str:
    """Make a connection id of API Gateway's form: base64 that ends in '=', so that callers must quote it in a URL."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def connect_event(handshake: Handshake) -> Event:
    """Build the `$connect` event, the only one with the client's headers and query string."""
    event: Event = {
        **_headers(handshake.headers),
        "requestContext": _request_context(handshake, "$connect", "CONNECT"),
        "isBase64Encoded": False,
    }
    if handshake.query:
        event["queryStringParameters"] = dict(handshake.query)
        event["multiValueQueryStringParameters"] = _multi(handshake.query)
    return event


def message_event(handshake: Handshake, body: str) -> Event:
    """Build the `$default` event of one text message."""
    context = _request_context(handshake, "$default", "MESSAGE")
    context["messageId"] = new_connection_id()
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(handshake: Handshake, status_code: int, reason: str) -> Event:
    """Build the `$disconnect` event.

    Args:
        handshake: The connection that ended.
        status_code: The WebSocket close code, 1005 when the close frame had none, 1006 when there was no close frame.
        reason: The close frame's reason; may be empty.
    """
    context = _request_context(handshake, "$disconnect", "DISCONNECT")
    context["disconnectStatusCode"] = status_code
    context["disconnectReason"] = reason
    host = ("Host", handshake.domain_name)
    return {
        **_headers((host, ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", ""))),
        "requestContext": context,
        "isBase64Encoded": False,
    }


def schedule_event(rule_name: str, region: str) -> Event:
    """Build the event of a scheduled EventBridge rule that is due now."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT_ID}:rule/{rule_name}"],
        "detail": {},
    }


def lambda_context(function_name: str, timeout_s: float) -> Any:
    """Make the context object of one invocation.

    Args:
        function_name: The function that is invoked.
        timeout_s: What `get_remaining_time_in_millis` counts down from, in seconds.
    """
    return LambdaContext(function_name=function_name, memory_size=256, max_runtime_ms=int(timeout_s * 1000))


def _request_context(handshake: Handshake, route_key: str, event_type: str) -> dict[str, Any]:
    now = time.time()
    request_id = new_connection_id()
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "messageDirection": "IN",
        "stage": STAGE,
        "connectedAt": int(handshake.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": {"sourceIp": handshake.source_ip, "userAgent": handshake.user_agent},
        "requestId": request_id,
        "domainName": handshake.domain_name,
        "connectionId": handshake.connection_id,
        "apiId": API_ID,
    }


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    pairs = tuple(pairs)
    return {"headers": dict(pairs), "multiValueHeaders": _multi(pairs)}


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
