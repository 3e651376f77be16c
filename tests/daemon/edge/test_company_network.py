"""A company's network: TLS that only the company's own CA vouches for, behind a proxy that asks who goes through.

All of it is real: a TLS server for HTTP, one for WebSockets, and a proxy that tunnels. ``plane.test`` is a name that
only the proxy can resolve, so whoever reaches it went through.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme
import truststore
from websockets.sync.server import ServerConnection, serve

from mooring.edge.creds import Credentials, Login, Paths, write_credentials
from mooring.edge.dialer import Closed, Dialer, Opened, Received, Report
from mooring.edge.https import Unreachable
from mooring.edge.network import tls_context, use, use_where_silent
from mooring.edge.person import Person
from mooring.errors import MoorError
from mooring.providers.registry import child_env
from tests.daemon.fake_plane import WAIT_S

LOGIN = ("moor", "p@ss:word")
"""What a name and a password may hold, which an address can only say in another way."""

VARIABLES = (
    ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    + ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
)  # fmt: skip


class _Tunnel(socketserver.BaseRequestHandler):
    """One client of the proxy: every name is this machine to it."""

    server: Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.request.recv(1)
            if not piece:
                return
            head += piece
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.server.asked.append(lines[0].split()[1])
        if headers.get("proxy-authorization", "").lower() != self.server.wanted.lower():
            self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        port = int(lines[0].split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as far:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pour, args=(far, self.request))
            back.start()
            _pour(self.request, far)
            back.join()


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that tunnels for whoever says who it is, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.asked: list[str] = []
        self.wanted = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()

    def url(self, password: str = "p%40ss%3Aword") -> str:
        return f"http://moor:{password}@127.0.0.1:{self.server_address[1]}"


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # The other way was cut.
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"runtimes": [], "runtime": {"status": "online"}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _HTTPS(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the server leaves in the middle of the handshake."""


@dataclass
class Company:
    """What there is: the CA's file, the proxy, and the ports of the two servers."""

    ca_file: Path
    proxy: Proxy
    https: int
    wss: int


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    ca = trustme.CA()
    ca_file = tmp_path_factory.mktemp("company") / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("plane.test", "localhost").configure_cert(context)
    https = _HTTPS(("127.0.0.1", 0), _Answers)
    https.socket = context.wrap_socket(https.socket, server_side=True)
    wss = serve(_greet, "127.0.0.1", 0, ssl=context)
    proxy = Proxy()
    threads = [threading.Thread(target=one.serve_forever, daemon=True) for one in (https, wss, proxy)]
    for thread in threads:
        thread.start()
    yield Company(ca_file, proxy, https.server_address[1], wss.socket.getsockname()[1])
    for one in (https, wss, proxy):
        one.shutdown()
    for thread in threads:
        thread.join()
    https.server_close()
    proxy.server_close()


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch, company: Company) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    company.proxy.asked.clear()


def _greet(connection: ServerConnection) -> None:
    connection.send("hello")


def asked(url: str) -> str:
    """What comes of one request: "ok", or why not."""
    person = Person(Login(server_url=url, api_key="moor_key"))
    try:
        return "ok" if person.runtimes() == [] else "strange"
    except Unreachable as exc:
        return exc.message
    finally:
        person.close()


def dialed(url: str) -> list[Report]:
    """All that comes of one WebSocket, which is closed once it has said something."""

    async def story() -> list[Report]:
        reports: asyncio.Queue[Report] = asyncio.Queue()
        dialer = Dialer(
            url, lambda: "sk_machine_x", asyncio.get_running_loop(), lambda _, report: reports.put_nowait(report)
        )
        told: list[Report] = []
        while not told or not isinstance(told[-1], Closed):
            told.append(await asyncio.wait_for(reports.get(), WAIT_S))
            if isinstance(told[-1], Received):
                dialer.close()
        await asyncio.to_thread(dialer.join)
        return told

    return asyncio.run(story())


def test_a_certificate_of_a_ca_that_nobody_knows_opens_nothing(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches TLS that is not checked, on either of the two ways to the plane."""
    monkeypatch.setattr("mooring.edge.https._BACKOFF_S", 0.0)
    assert isinstance(tls_context(), truststore.SSLContext)
    assert "certificate" in asked(f"https://localhost:{company.https}").lower()
    [closed] = dialed(f"wss://localhost:{company.wss}")
    assert isinstance(closed, Closed)
    assert "certificate" in closed.reason.lower()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_companys_ca_is_trusted_where_it_is_named(
    company: Company, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(company.ca_file))
    assert asked(f"https://localhost:{company.https}") == "ok"
    assert dialed(f"wss://localhost:{company.wss}")[:2] == [Opened(), Received("hello")]


def test_a_proxy_that_asks_who_goes_through_is_told(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a password that is sent as its address writes it, with ``%40`` for an at sign."""
    monkeypatch.setenv("SSL_CERT_FILE", str(company.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", company.proxy.url())
    assert asked(f"https://plane.test:{company.https}") == "ok"
    assert dialed(f"wss://plane.test:{company.wss}")[:2] == [Opened(), Received("hello")]
    assert company.proxy.asked == [f"plane.test:{company.https}", f"plane.test:{company.wss}"]


def test_a_proxy_that_lets_nobody_through_is_named_without_its_password(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.edge.https._BACKOFF_S", 0.0)
    monkeypatch.setenv("SSL_CERT_FILE", str(company.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", company.proxy.url("wr0ng"))
    told = asked(f"https://plane.test:{company.https}")
    [closed] = dialed(f"wss://plane.test:{company.wss}")
    assert isinstance(closed, Closed)
    assert "407" in told
    assert "407" in closed.reason
    assert "wr0ng" not in told + closed.reason


def test_what_needs_no_proxy_goes_straight(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(company.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", company.proxy.url("wr0ng"))
    monkeypatch.setenv("NO_PROXY", "intranet.test,localhost")
    assert asked(f"https://localhost:{company.https}") == "ok"
    assert dialed(f"wss://localhost:{company.wss}")[:2] == [Opened(), Received("hello")]
    assert company.proxy.asked == []


def test_what_is_said_on_purpose_counts_and_reaches_agents() -> None:
    """Catches a flag that the daemon keeps to itself, and a configuration that counts above the environment."""
    env = {"HTTPS_PROXY": "http://env.test:1", "SSL_CERT_FILE": "/env.pem"}
    use_where_silent(env, ca_file="/config.pem", proxy="config.test:2")
    assert env == {"HTTPS_PROXY": "http://env.test:1", "SSL_CERT_FILE": "/env.pem"}
    use(env, ca_file="/flag.pem", proxy="flag.test:3")
    files, proxies = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), VARIABLES[4:8]
    wanted = dict.fromkeys(files, "/flag.pem") | dict.fromkeys(proxies, "http://flag.test:3")
    assert env == wanted | dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
    assert child_env("echo", env, {}) == env
    silent = {"NO_PROXY": "corp.test"}
    use_where_silent(silent, ca_file=None, proxy="http://config.test:2")
    assert silent == dict.fromkeys(proxies, "http://config.test:2") | {"NO_PROXY": "corp.test"}


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", ""])
def test_what_is_no_proxys_address_is_refused(proxy: str) -> None:
    with pytest.raises(MoorError, match="bad_proxy"):
        use({}, ca_file=None, proxy=proxy)


def test_flags_and_the_configuration_lead_out_of_the_company(company: Company, tmp_path: Path) -> None:
    """Catches a flag that is parsed and not used, and a service's daemon that no environment tells the way."""
    server = f"https://plane.test:{company.https}"
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    env |= {"MOOR_HOME": str(tmp_path), "PYTHONPATH": "daemon/src", "MOOR_API_KEY": "moor_key", "MOOR_SERVER": server}

    def moor(*arguments: str) -> dict[str, object]:
        command = [sys.executable, "-m", "mooring", *arguments, "--json"]
        root = Path(__file__).parents[3]
        answer = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, check=False)
        assert answer.stderr == ""
        told: dict[str, object] = json.loads(answer.stdout)
        return told

    flags = ("--proxy", company.proxy.url(), f"--ca-file={company.ca_file}")
    assert moor("login", *flags) == {"server_url": server, "runtimes": 0}
    where = Paths(tmp_path)
    made = {"server_url": server, "ws_url": "wss://plane.test", "runtime_id": "rt_1", "token": "sk_machine_x"}
    write_credentials(where, Credentials(**made, machine_id="m", created_at=1.0))  # type: ignore[arg-type]  # All are text.
    where.config.write_text(f'proxy = "{company.proxy.url()}"\nca_file = "{company.ca_file}"\n')
    assert moor("status")["plane"] == {"reachable": True, "runtime": {"status": "online"}}
    assert len(company.proxy.asked) == 2
