"""Real WebSockets in front of the app's three WebSocket functions, as API Gateway puts them there.

A connection's life: the handshake waits for `$connect`; its answer opens the connection or refuses it by status. Each
text message becomes one `$default` call, in a task and a thread of its own, so two messages of one connection may be
handled in either order, as on AWS. Whatever ends the connection, `$disconnect` is called once, after the end.
"""

from __future__ import annotations

import asyncio
import http
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from infra.local.connections import ConnectionTable, OpenConnection
from infra.local.functions import FunctionPool, FunctionTimeout, PlaneFunctions
from infra.local.lambda_events import (
    Event,
    Handshake,
    connect_event,
    disconnect_event,
    message_event,
    new_connection_id,
)
from infra.local.limits import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, MAX_UNREAD_BYTES, Limits

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.0
"""How long a closing handshake may take. A dead client would otherwise hold `$disconnect` back for 10 s."""


class SocketGateway:
    """The WebSocket half of API Gateway.

    Args:
        functions: The app's functions.
        pool: Where they run.
        table: The connections that the @connections API may use; this class keeps it.
        limits: What a connection may do.
        is_ordered: True handles a connection's messages one after the other. For debugging: AWS does not.
    """

    def __init__(
        self, functions: PlaneFunctions, pool: FunctionPool, table: ConnectionTable, limits: Limits, *, is_ordered: bool
    ) -> None:
        self._functions = functions
        self._pool = pool
        self._table = table
        self._limits = limits
        self._is_ordered = is_ordered
        self._domain_name = ""
        self._accepted: dict[ServerConnection, tuple[Handshake, str | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket until `stop`."""
        host, port = listener.getsockname()[:2]
        self._domain_name = f"{host}:{port}"
        self._server = await serve(
            self._talk,
            sock=listener,
            process_request=self._connect,
            process_response=self._name_subprotocol,
            server_header=None,
            open_timeout=self._limits.integration_s + 5,  # $connect has the whole integration time.
            ping_interval=None,  # API Gateway sends no pings.
            close_timeout=CLOSE_TIMEOUT_S,
            compression=None,  # API Gateway does not negotiate permessage-deflate.
            max_size=(MAX_MESSAGE_BYTES, MAX_FRAME_BYTES),
            write_limit=2 * MAX_UNREAD_BYTES,  # A post is refused before it would have to wait for the client.
            create_connection=_Connection,
        )

    async def stop(self, timeout_s: float) -> None:
        """Close every connection with 1001, and let `$disconnect` and running messages finish.

        Args:
            timeout_s: Seconds to wait for them.
        """
        if self._server is None:
            return
        self._server.close(code=1001, reason="Going away")
        _, late = await asyncio.wait({asyncio.ensure_future(self._server.wait_closed())}, timeout=timeout_s)
        if self._tasks:
            _, late_tasks = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            late |= late_tasks
        if late:
            log.warning("count=%d WebSocket tasks did not end within %s s", len(late), timeout_s)

    async def _connect(self, connection: ServerConnection, request: Request) -> Response | None:
        """Ask `$connect`, and refuse the handshake when it says so."""
        handshake = self._handshake_of(connection, request)
        event = connect_event(handshake)
        refuse = partial(_refusal, handshake.connection_id, event["requestContext"]["requestId"])
        try:
            answer = await self._pool.call(partial(self._functions.websocket, "$connect", event))
            status = int(answer["statusCode"])
        except FunctionTimeout:
            log.error("connection=%s $connect timed out", handshake.connection_id)
            return refuse(504, "Endpoint request timed out")
        except Exception:  # A Lambda entry: whatever the handler raises is API Gateway's 502.
            log.exception("connection=%s $connect failed", handshake.connection_id)
            return refuse(502, "Internal server error")
        if not 200 <= status < 300:
            return refuse(status, http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Refused")
        headers = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
        self._accepted[connection] = (handshake, headers.get("sec-websocket-protocol"))
        # From here on the plane believes in the connection, so it hears of its end even if the handshake now breaks.
        self._spawn(self._disconnect(connection, handshake))
        return None

    def _name_subprotocol(self, connection: ServerConnection, _request: Request, response: Response) -> None:
        _, subprotocol = self._accepted.get(connection, (None, None))
        if subprotocol is not None and response.status_code == 101:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol

    async def _talk(self, connection: ServerConnection) -> None:
        """Take a connection's messages until it closes."""
        handshake, _ = self._accepted[connection]
        entry = self._table.add(handshake, connection)
        clock = asyncio.create_task(self._enforce_times(entry))
        turn = asyncio.Lock()
        try:
            while True:
                message = await connection.recv()
                entry.touch()
                if isinstance(message, bytes):
                    await connection.close(1003, "Binary frames are not supported")
                    return
                self._spawn(self._in_turn(turn, partial(self._deliver, entry, message)))
        except ConnectionClosed:
            return  # $disconnect carries the code and the reason.
        finally:
            clock.cancel()
            self._table.remove(handshake.connection_id)

    async def _in_turn(self, turn: asyncio.Lock, deliver: Callable[[], Awaitable[None]]) -> None:
        if not self._is_ordered:
            await deliver()
            return
        async with turn:  # asyncio locks are first come, first served.
            await deliver()

    async def _deliver(self, entry: OpenConnection, body: str) -> None:
        """Hand one message to `$default`; its answer goes nowhere, its failure becomes an error frame."""
        event = message_event(entry.handshake, body)
        connection_id = entry.handshake.connection_id
        try:
            await self._pool.call(partial(self._functions.websocket, "$default", event))
        except FunctionTimeout:
            log.error("connection=%s $default timed out", connection_id)
        except Exception:  # A Lambda entry: the client gets an error frame, the log the traceback.
            log.exception("connection=%s $default failed", connection_id)
        else:
            return
        await self._send_error_frame(entry, event)

    async def _send_error_frame(self, entry: OpenConnection, event: Event) -> None:
        frame = _error_body(
            "Internal server error", entry.handshake.connection_id, event["requestContext"]["requestId"]
        )
        try:
            await entry.socket.send(frame)
        except ConnectionClosed:
            log.info("connection=%s closed before its error frame", entry.handshake.connection_id)

    async def _disconnect(self, connection: ServerConnection, handshake: Handshake) -> None:
        """Wait for the end of a connection and tell `$disconnect`, once: nothing else calls it."""
        await connection.wait_closed()
        del self._accepted[connection]
        event = disconnect_event(handshake, *_why_closed(connection))
        try:
            await self._pool.call(partial(self._functions.websocket, "$disconnect", event))
        except FunctionTimeout:
            log.error("connection=%s $disconnect timed out", handshake.connection_id)
        except Exception:  # A Lambda entry; there is nobody left to tell but the log.
            log.exception("connection=%s $disconnect failed", handshake.connection_id)

    async def _enforce_times(self, entry: OpenConnection) -> None:
        """Close a connection that was idle too long or lived too long."""
        while True:
            idle_until = entry.last_active_at + self._limits.idle_s
            dead_at = entry.handshake.connected_at + self._limits.connection_s
            wait_s = min(idle_until, dead_at) - time.time()
            if wait_s <= 0:
                await entry.socket.close(1001, "Going away")
                return
            await asyncio.sleep(wait_s)

    def _handshake_of(self, connection: ServerConnection, request: Request) -> Handshake:
        peer = connection.remote_address
        return Handshake(
            connection_id=new_connection_id(),
            headers=tuple(request.headers.raw_items()),
            query=tuple(parse_qsl(urlsplit(request.path).query, keep_blank_values=True)),
            source_ip=str(peer[0]) if peer else "",
            domain_name=self._domain_name,
        )

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Connection(ServerConnection):
    """A connection that ends soon after its closing began, even if its client never closes its side.

    The library sets a deadline for that, but watches it only while someone sends or closes.
    """

    _cut: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client; they may hold a close frame, or break a limit."""
        super().data_received(data)
        if self._cut is None and self.state in (State.CLOSING, State.CLOSED):
            self._cut = self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        if self._cut is not None:
            self._cut.cancel()
        super().connection_lost(exc)


def _why_closed(connection: ServerConnection) -> tuple[int, str]:
    """Tell the code and reason of whoever began to close; 1006 when nobody said anything."""
    protocol = connection.protocol
    frame = protocol.close_rcvd if protocol.close_rcvd_then_sent else protocol.close_sent
    return (frame.code, frame.reason) if frame is not None else (1006, "")


def _refusal(connection_id: str, request_id: str, status: int, message: str) -> Response:
    body = _error_body(message, connection_id, request_id).encode()
    headers = Headers()
    headers["Content-Type"] = "application/json"
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    headers["x-amzn-RequestId"] = request_id
    return Response(status, message, headers, body)


def _error_body(message: str, connection_id: str, request_id: str) -> str:
    return json.dumps({"message": message, "connectionId": connection_id, "requestId": request_id})
