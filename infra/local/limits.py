"""The quotas of API Gateway and Lambda, enforced here so that nothing works locally that fails on AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass

MAX_FRAME_BYTES = 32 * 1024
"""One WebSocket frame. Source: AWS docs, "API Gateway quotas for WebSocket APIs"; beyond it the close code is 1009."""

MAX_MESSAGE_BYTES = 128 * 1024
"""One WebSocket message in either direction. Source: as above; 1009 inbound, 413 from the @connections API."""

IDLE_S = 10 * 60.0
"""A connection without a message in either direction is closed after this. Source: as above."""

CONNECTION_S = 2 * 60 * 60.0
"""A connection's whole life. Source: as above."""

INTEGRATION_S = 29.0
"""How long API Gateway waits for a function. Source: AWS docs, "Amazon API Gateway quotas", integration timeout."""

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""A buffered invocation's payload, each way. Source: AWS docs, "Lambda quotas", invocation payload (synchronous)."""

MAX_UNREAD_BYTES = 1024 * 1024
"""What may wait for a client that does not read, before @connections answers LimitExceededException. Our choice:
AWS names the error ("client side buffer is full") but no number."""


@dataclass(frozen=True)
class Limits:
    """The limits of one gateway; tests and debugging shorten them.

    Args:
        idle_s: Seconds without a message until a WebSocket is closed.
        connection_s: Seconds a WebSocket may live.
        integration_s: Seconds a handler may take before its answer is ignored.
        max_payload_bytes: Size of a buffered HTTP request or answer, base64 counted.
    """

    idle_s: float = IDLE_S
    connection_s: float = CONNECTION_S
    integration_s: float = INTEGRATION_S
    max_payload_bytes: int = MAX_PAYLOAD_BYTES


def payload_bytes(body: bytes, *, is_binary: bool) -> int:
    """Tell how many bytes a body takes inside a Lambda payload, which is JSON.

    Args:
        body: The body as it travels over HTTP.
        is_binary: True when it is carried as base64, which adds a third.

    Returns:
        Its size in bytes, without quotes. A text body's size counts its JSON escapes.
    """
    if is_binary:
        return (len(body) + 2) // 3 * 4
    return len(json.dumps(body.decode("utf-8", errors="replace"), ensure_ascii=False).encode()) - 2
