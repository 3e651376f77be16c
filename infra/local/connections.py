"""The open WebSockets, by connection id, and what the @connections API may do with them.

A connection stands in this table from the moment its `$connect` handler said yes and its handshake ended, until the
first sign that it closes. Outside of that span it is gone (410), as on AWS, where a post made from inside `$connect`
fails the same way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from infra.local.lambda_events import Handshake
from infra.local.limits import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, MAX_UNREAD_BYTES


class ConnectionsError(Exception):
    """A refusal of the @connections API.

    Args:
        status: HTTP status.
        error_type: The AWS error's name, as boto3 raises it.
        message: The sentence in the answer.
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


@dataclass
class OpenConnection:
    """One open WebSocket.

    Args:
        handshake: How it was opened.
        socket: The connection itself.
        last_active_at: Epoch seconds of the last message in either direction.
    """

    handshake: Handshake
    socket: ServerConnection
    last_active_at: float

    def touch(self) -> None:
        """Note that a message went through now, which starts the idle time anew."""
        self.last_active_at = time.time()


class ConnectionTable:
    """All open connections of one gateway. Use it from the gateway's event loop only."""

    def __init__(self) -> None:
        self._open: dict[str, OpenConnection] = {}
        self._closings: set[asyncio.Task[None]] = set()  # The loop itself keeps only weak references to tasks.

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(tuple(self._open.values()))

    def add(self, handshake: Handshake, socket: ServerConnection) -> OpenConnection:
        """Enter a connection whose `$connect` was accepted."""
        connection = OpenConnection(handshake, socket, time.time())
        self._open[handshake.connection_id] = connection
        return connection

    def remove(self, connection_id: str) -> None:
        """Take a connection out; nothing happens when it is not in."""
        self._open.pop(connection_id, None)

    def get(self, connection_id: str) -> OpenConnection:
        """Find an open connection.

        Raises:
            ConnectionsError: 410 GoneException, when it is unknown, not yet accepted, closing or closed.
        """
        connection = self._open.get(connection_id)
        if connection is None or connection.socket.state is not State.OPEN:
            raise ConnectionsError(410, "GoneException", "The connection is gone.")
        return connection

    async def post(self, connection_id: str, data: bytes) -> None:
        """Send one text message to a connection, in frames of at most 32 KB.

        Raises:
            ConnectionsError: 410 when it is gone, 413 over 128 KB, 429 when the client does not read, 400 when the
                data is not UTF-8 text.
        """
        connection = self.get(connection_id)
        if len(data) > MAX_MESSAGE_BYTES:
            raise ConnectionsError(413, "PayloadTooLargeException", "The data has exceeded the maximum size allowed.")
        if connection.socket.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            raise ConnectionsError(429, "LimitExceededException", "The client's buffer is full.")
        try:
            text = data.decode()
        except UnicodeDecodeError as exc:
            raise ConnectionsError(400, "BadRequestException", "The data is not UTF-8 text.") from exc
        try:
            await connection.socket.send(_fragments(text) if len(data) > MAX_FRAME_BYTES else text)
        except ConnectionClosed as exc:
            raise ConnectionsError(410, "GoneException", "The connection is gone.") from exc
        connection.touch()

    async def delete(self, connection_id: str) -> None:
        """Close a connection from the plane's side.

        Raises:
            ConnectionsError: 410 when it is gone already.
        """
        connection = self.get(connection_id)
        self.remove(connection_id)
        # The closing handshake may take until close_timeout when the client is dead; the caller need not wait for it.
        closing = asyncio.create_task(connection.socket.close(1000, "Connection Closed Normally"))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)


def _fragments(text: str) -> list[str]:
    # A character takes at most 4 bytes, so a quarter of the limit in characters always fits a frame.
    step = MAX_FRAME_BYTES // 4
    return [text[start : start + step] for start in range(0, len(text), step)]
