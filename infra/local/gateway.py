"""The local gateway itself: both ports, the function pools and the schedule, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn

from infra.local.connections import ConnectionTable
from infra.local.functions import FunctionPool, FunctionTimeout, PlaneFunctions
from infra.local.http import ASGIApp, HTTPGateway, Owns
from infra.local.lambda_events import schedule_event
from infra.local.limits import Limits
from infra.local.sockets import SocketGateway

log = logging.getLogger(__name__)

LAMBDA_TIMEOUT_S = 900.0
"""How long a scheduled function may take. Source: AWS docs, "Lambda quotas", function timeout."""

HTTP_THREADS = 32
STOP_TIMEOUT_S = 5.0
POLL_S = 0.01


@dataclass(frozen=True)
class Plane:
    """What the gateway stands in front of.

    Args:
        app: The Chalice object, with its WebSocket and scheduled functions.
        stream: The plane's own ASGI app for what is long; None for a plane without one.
        owns: Says of a method and a path whether `stream` answers it.
    """

    app: Any
    stream: ASGIApp | None = None
    owns: Owns = field(default=lambda _method, _path: False)


@dataclass(frozen=True)
class Behaviour:
    """How a gateway behaves.

    Args:
        limits: The quotas it enforces.
        is_ordered: True handles each connection's messages one after the other, for debugging.
        message_threads: How many WebSocket functions run at once.
        sweep_every_s: Seconds between two calls of each scheduled function; 0 for never.
    """

    limits: Limits = field(default_factory=Limits)
    is_ordered: bool = False
    message_threads: int = 16
    sweep_every_s: float = 60.0


def bind(port: int) -> socket.socket:
    """Take a port of the loopback interface.

    Args:
        port: The one wanted; when it is taken, or 0, a free one is used.

    Returns:
        A bound socket, to be handed to `Gateway.start`.
    """
    listener = socket.socket()
    # A gateway that is started again at once must get its old port although old connections are still in TIME_WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        log.warning("port=%d is taken; using a free one", port)
        listener.bind(("127.0.0.1", 0))
    # Listening from now on keeps the port ours; early clients wait in the backlog.
    listener.listen(512)
    return listener


def address(listener: socket.socket, scheme: str) -> str:
    """Write a bound socket's address as a URL without a path."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{host}:{port}"


class Gateway:
    """API Gateway, Lambda and EventBridge for one plane on this machine.

    Args:
        plane: What it serves.
        behaviour: How.
    """

    def __init__(self, plane: Plane, behaviour: Behaviour) -> None:
        self._plane = plane
        self._behaviour = behaviour
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, http_listener: socket.socket, ws_listener: socket.socket) -> None:
        """Serve on two bound sockets; when this returns, both answer.

        Raises:
            RuntimeError: The HTTP server ended at once; its log says why.
        """
        limits = self._behaviour.limits
        self._functions = PlaneFunctions(
            self._plane.app, connections_url=address(http_listener, "http"), timeout_s=limits.integration_s
        )
        self._messages = FunctionPool(self._behaviour.message_threads, limits.integration_s, "websocket")
        self._requests = FunctionPool(HTTP_THREADS, limits.integration_s, "http")
        self._schedule = FunctionPool(1, LAMBDA_TIMEOUT_S, "schedule")
        table = ConnectionTable()
        http = HTTPGateway(
            self._functions, self._requests, table, limits, stream=self._plane.stream, owns=self._plane.owns
        )
        self._server = _Server(
            uvicorn.Config(
                http,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,  # Seconds; streams without end are cut after that.
            )
        )
        serving = asyncio.create_task(self._server.serve(sockets=[http_listener]))
        self._tasks.append(serving)
        while not self._server.started:
            if serving.done():
                raise RuntimeError("the HTTP server did not start")
            await asyncio.sleep(POLL_S)
        # The WebSocket port comes last: its handlers call back to the HTTP port.
        self._sockets = SocketGateway(
            self._functions, self._messages, table, limits, is_ordered=self._behaviour.is_ordered
        )
        await self._sockets.start(ws_listener)
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> int:
        """Close the WebSockets with 1001, let `$disconnect` run, then stop HTTP.

        Returns:
            How many functions are still running; their threads can't be ended.
        """
        assert self._server is not None  # start() came first.
        self._sweeping.cancel()
        await self._sockets.stop(STOP_TIMEOUT_S)
        self._server.should_exit = True
        await asyncio.gather(*self._tasks)
        pools = (self._messages, self._requests, self._schedule)
        return sum(await asyncio.gather(*(pool.close(STOP_TIMEOUT_S) for pool in pools)))

    async def _sweep(self) -> None:
        """Call every scheduled function again and again; a call that fails is logged, the next one comes."""
        if self._behaviour.sweep_every_s <= 0:
            return
        region = os.environ.get("AWS_REGION", "us-east-1")
        while True:
            await asyncio.sleep(self._behaviour.sweep_every_s)
            for name in self._functions.scheduled_names():
                event = schedule_event(name, region)
                try:
                    await self._schedule.call(partial(self._functions.scheduled, name, event))
                except FunctionTimeout:
                    log.error("function=%s timed out", name)
                except Exception:  # A Lambda entry: EventBridge would go on, too.
                    log.exception("function=%s failed", name)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process that owns both ports."""
        yield
