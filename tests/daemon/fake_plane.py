"""A plane of the test's own: real HTTP and a real WebSocket on loopback, answering what the test tells it to.

Nothing here decides: a test puts answers in, waits for what the daemon says, and sends frames itself.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.sync.server import Server, ServerConnection, serve

WAIT_S = 15.0
"""A test that waits longer for anything has failed."""


@dataclass
class Asked:
    """One HTTP request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Iterable[bytes]
"""A status and a JSON body (or bytes), with further headers if there are any; or the pieces of a stream."""


def fault(status: int, code: str, message: str = "No.") -> Answer:
    """An error in the plane's shape."""
    error = {"type": "some_error", "code": code, "message": message, "param": None}
    return status, {"type": "error", "error": error, "request_id": "req_1"}


class Socket:
    """One WebSocket that a daemon has opened."""

    def __init__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.authorization = connection.request.headers.get("Authorization")
        self.fragments: list[int] = []
        self.closed = threading.Event()
        self._connection = connection
        self._frames: queue.Queue[dict[str, Any]] = queue.Queue()
        self._kept: list[dict[str, Any]] = []

    def read(self) -> None:
        try:
            while True:
                pieces = list(self._connection.recv_streaming(decode=False))
                self.fragments += [len(piece) for piece in pieces]
                self._frames.put(json.loads(b"".join(pieces)))
        except ConnectionClosed:
            self.closed.set()

    def expect(self, kind: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next frame of a type that fits; others are kept for later."""
        for index, frame in enumerate(self._kept):
            if frame["type"] == kind and where(frame):
                return self._kept.pop(index)
        while True:
            frame = self._frames.get(timeout=WAIT_S)
            if frame["type"] == kind and where(frame):
                return frame
            self._kept.append(frame)

    def send(self, frame: Struct) -> None:
        self._connection.send(msgspec.json.encode(frame), text=True)

    def send_text(self, text: str) -> None:
        self._connection.send(text)

    def close(self, code: int = 1000) -> None:
        self._connection.close(code)

    def cut(self) -> None:
        """Ends the connection without a word."""
        self._connection.socket.shutdown(2)


@dataclass
class FakePlane:
    """The plane. ``routes`` maps ``"METHOD /path"`` (a regular expression) to what answers it."""

    routes: dict[str, Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    refuse: int | None = None
    refused: queue.Queue[int] = field(default_factory=queue.Queue)
    url: str = ""
    ws_url: str = ""
    _sockets: queue.Queue[Socket] = field(default_factory=queue.Queue)
    _kept: list[Socket] = field(default_factory=list)

    def socket(self) -> Socket:
        """The next connection."""
        return self._sockets.get(timeout=WAIT_S)

    def attached(self) -> int:
        """How many connections there were."""
        return len(self._kept)

    def route(self, pattern: str, answer: Answer | Callable[[Asked], Answer]) -> None:
        self.routes[pattern] = answer if callable(answer) else lambda _: answer

    def requests(self, pattern: str) -> list[Asked]:
        return [one for one in self.asked if re.fullmatch(pattern, f"{one.method} {one.path}")]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        for pattern, answer in self.routes.items():
            if re.fullmatch(pattern, f"{asked.method} {asked.path}"):
                return answer(asked)
        return fault(404, "not_found")

    def serve(self) -> Iterator[FakePlane]:
        """Runs until the generator is closed."""
        http = _HTTPServer(("127.0.0.1", 0), _handler(self))
        ws: Server = serve(self._connected, "127.0.0.1", 0, process_request=self._handshake, max_size=None)
        self.url = f"http://127.0.0.1:{http.server_address[1]}"
        self.ws_url = f"ws://127.0.0.1:{ws.socket.getsockname()[1]}/ws"
        threads = [threading.Thread(target=http.serve_forever, args=(0.02,)), threading.Thread(target=ws.serve_forever)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            http.shutdown()
            http.server_close()
            ws.shutdown()
            for one in self._kept:
                one.close()
            for thread in threads:
                thread.join()

    def _handshake(self, connection: ServerConnection, request: Handshake) -> Response | None:
        if self.refuse is not None:
            self.refused.put(self.refuse)
            return connection.respond(HTTPStatus(self.refuse), "no\n")
        return None

    def _connected(self, connection: ServerConnection) -> None:
        made = Socket(connection)
        self._kept.append(made)
        self._sockets.put(made)
        made.read()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(plane: FakePlane) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = plane.answer(Asked(self.command, parts.path, parse_qs(parts.query), headers, body))
            if isinstance(answer, tuple):
                status, content, *more = answer
                encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(encoded)))
                self.send_header("content-type", "application/json")
                for name, value in more[0].items() if more else ():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(encoded)
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(ConnectionError):  # The reader has gone.
                for piece in answer:
                    self.wfile.write(piece)
                    self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def sse(*events: dict[str, Any], first: int = 1) -> bytes:
    """Events as the plane's stream has them, with cursors from ``first`` on."""
    pieces = []
    for number, event in enumerate(events, first):
        place = "" if event["type"].startswith("event_") else f"id: {number}.1\n"
        pieces.append(f"{place}event: {event['type']}\ndata: {json.dumps(event)}\n\n")
    return "".join(pieces).encode()
