"""Sockets against a server that answers as API Gateway's @connections does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError

from chalicelib.outbound.sockets import MAX_ATTEMPTS, Sockets
from chalicelib.wire.ids import ConnectionId

ID = ConnectionId("Zk3+/=")
REFUSALS = {
    410: "GoneException",
    429: "LimitExceededException",
    413: "PayloadTooLargeException",
    403: "ForbiddenException",
}


class Connections(ThreadingHTTPServer):
    """@connections, answering `status` to everything."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Connections

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, unquote(self.path), body))
        self.send_response(self.server.status)
        if self.server.status in REFUSALS:
            self.send_header("x-amzn-ErrorType", REFUSALS[self.server.status])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connections]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(time, "sleep", lambda _: None)  # botocore's wait between two tries.
    with Connections() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def sockets(server: Connections) -> Sockets:
    return Sockets(f"http://127.0.0.1:{server.server_port}/api", "eu-central-1")


def test_a_message_goes_to_its_connection_as_it_is(sockets: Sockets, server: Connections) -> None:
    assert sockets.post(ID, b'{"type":"pong"}') is True
    assert server.requests == [("POST", f"/api/@connections/{ID}", b'{"type":"pong"}')]


def test_a_post_to_a_gone_connection_says_so(sockets: Sockets, server: Connections) -> None:
    server.status = 410
    assert sockets.post(ID, b"{}") is False
    assert len(server.requests) == 1


def test_a_limit_loses_the_message_and_says_whose(
    sockets: Sockets, server: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 429
    with caplog.at_level(logging.WARNING, "chalicelib.outbound"):
        assert sockets.post(ID, b"a secret prompt") is True
    assert len(server.requests) == MAX_ATTEMPTS
    assert [f"connection={ID} " in one.getMessage() for one in caplog.records] == [True]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("status", [413, 403, 500])
def test_anything_else_flies_through(sockets: Sockets, server: Connections, status: int) -> None:
    server.status = status
    with pytest.raises(ClientError):
        sockets.post(ID, b"{}")


def test_a_connection_is_closed(sockets: Sockets, server: Connections) -> None:
    sockets.close(ID)
    assert server.requests == [("DELETE", f"/api/@connections/{ID}", b"")]


def test_closing_a_gone_connection_is_no_error(sockets: Sockets, server: Connections) -> None:
    server.status = 410
    sockets.close(ID)


def test_a_connection_that_could_not_be_closed_is_an_error(sockets: Sockets, server: Connections) -> None:
    server.status = 403
    with pytest.raises(ClientError):
        sockets.close(ID)


def test_no_client_is_made_before_the_first_message() -> None:
    assert Sockets("http://127.0.0.1:9")._made is None
