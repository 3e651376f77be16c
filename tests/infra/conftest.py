"""A gateway in this process, on two free ports, in front of the small app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import websocket

from infra.local.gateway import Behaviour, Gateway, Plane, address, bind
from infra.local.limits import Limits
from tests.infra.small_app import SmallApp

TIMEOUT_S = 10.0


@dataclass
class RunningGateway:
    """A gateway and its app.

    Args:
        small: The app behind it.
        behaviour: How the gateway behaves.
    """

    small: SmallApp
    behaviour: Behaviour
    url: str = ""
    ws_url: str = ""
    still_running: int = -1
    _clients: list[websocket.WebSocket] = field(default_factory=list)

    def start(self) -> None:
        """Serve in a thread with a loop of its own; return when both ports answer."""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gateway")
        self._thread.start()
        assert self._ready.wait(TIMEOUT_S)

    def request_stop(self) -> None:
        """Tell it to stop; do not wait."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        """Stop it and wait for its end; a second time nothing happens."""
        for client in self._clients:
            client.shutdown()  # type: ignore[no-untyped-call]  # A client that reads no more would not answer the closing handshake.
        self.small.open_all()
        self.request_stop()
        self.join()

    def connect(self, query: str = "", **options: Any) -> websocket.WebSocket:
        """Open a WebSocket with websocket-client."""
        client = websocket.create_connection(f"{self.ws_url}/{query}", timeout=TIMEOUT_S, **options)
        self._clients.append(client)
        return client

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        http_listener, ws_listener = bind(0), bind(0)
        self.url, self.ws_url = address(http_listener, "http"), address(ws_listener, "ws")
        self.small.url = self.url
        gateway = Gateway(Plane(self.small.app, self.small.stream, self.small.owns), self.behaviour)
        await gateway.start(http_listener, ws_listener)
        self._ready.set()
        await self._stopping.wait()
        self.still_running = await gateway.stop()
        http_listener.close()


StartGateway = Callable[..., RunningGateway]


@pytest.fixture
def start_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartGateway]:
    """Start gateways; keyword arguments are those of Behaviour and of Limits."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    running: list[RunningGateway] = []

    def start(**wishes: object) -> RunningGateway:
        limits = Limits(**{name: wishes.pop(name) for name in list(wishes) if hasattr(Limits, name)})  # type: ignore[arg-type]  # The test names them.
        behaviour = replace(Behaviour(limits=limits, sweep_every_s=0), **wishes)  # type: ignore[arg-type]  # Likewise.
        gateway = RunningGateway(SmallApp(), behaviour)
        gateway.start()
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        gateway.stop()


@pytest.fixture
def gateway(start_gateway: StartGateway) -> RunningGateway:
    """A gateway with API Gateway's own limits."""
    return start_gateway()
