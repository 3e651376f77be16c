"""The dialer: what crosses the thread border, and how a connection's end is told, once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable

import pytest

from mooring.edge.dialer import Closed, Dialer, Opened, Received, Report, fragments
from mooring.wire.frames import Pong
from mooring.wire.limits import FRAGMENT_BYTES, MAX_FRAME_BYTES
from tests.daemon.fake_plane import WAIT_S, FakePlane

TOKEN = "sk_machine_secret"


class Line:
    """A dialer, and what it reports."""

    def __init__(self, url: str, token: Callable[[], str] = lambda: TOKEN) -> None:
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self.dialer = Dialer(url, token, loop, lambda _, report: self._reports.put_nowait(report))

    async def next(self) -> Report:
        return await asyncio.wait_for(self._reports.get(), WAIT_S)

    async def end(self) -> list[Report]:
        """Everything until the end, which is told once."""
        found = [await self.next()]
        while not isinstance(found[-1], Closed):
            found.append(await self.next())
        await asyncio.to_thread(self.dialer.join)
        assert self._reports.empty()
        return found


def run(story: Callable[[], object]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]  # Each story is a coroutine function.


def test_no_fragment_is_larger_than_a_frame_may_be() -> None:
    text = "é" * 60_000
    pieces = list(fragments(text))
    assert b"".join(piece for _, piece, _ in pieces).decode() == text
    assert max(len(piece) for _, piece, _ in pieces) <= FRAGMENT_BYTES
    assert [opcode for opcode, _, _ in pieces] == [1, 0, 0, 0]
    assert [last for _, _, last in pieces] == [False, False, False, True]
    assert list(fragments("")) == [(1, b"", True)]


def test_a_large_message_arrives_whole_in_small_frames(plane: FakePlane) -> None:
    async def story() -> None:
        line = Line(plane.ws_url)
        assert await line.next() == Opened()
        line.dialer.send('{"type":"x","text":"' + "ä" * 50_000 + '"}')
        met = await asyncio.to_thread(plane.socket)
        frame = await asyncio.to_thread(met.expect, "x")
        assert frame["text"] == "ä" * 50_000
        assert len(met.fragments) == 4
        assert max(met.fragments) < MAX_FRAME_BYTES
        assert met.authorization == f"Bearer {TOKEN}"
        line.dialer.close()
        await line.end()

    run(story)


def test_messages_arrive_in_order_and_the_peers_close_ends_it(plane: FakePlane) -> None:
    async def story() -> None:
        line = Line(plane.ws_url)
        met = await asyncio.to_thread(plane.socket)
        for number in range(3):
            met.send(Pong(now=float(number)))
        met.close(4000)
        told = await line.end()
        assert told[0] == Opened()
        assert told[1:-1] == [Received(f'{{"type":"pong","now":{number}.0}}') for number in range(3)]
        assert isinstance(told[-1], Closed)
        assert told[-1].code == 4000

    run(story)


def test_what_was_sent_before_a_close_is_written(plane: FakePlane) -> None:
    async def story() -> None:
        line = Line(plane.ws_url)
        for number in range(20):
            line.dialer.send(f'{{"type":"n{number}"}}')
        met = await asyncio.to_thread(plane.socket)
        assert await line.next() == Opened()
        line.dialer.close()
        line.dialer.close()
        assert (await asyncio.to_thread(met.expect, "n19"))["type"] == "n19"
        assert await asyncio.to_thread(met.closed.wait, WAIT_S)
        await line.end()

    run(story)


def test_a_cut_connection_is_told_once(plane: FakePlane) -> None:
    async def story() -> None:
        line = Line(plane.ws_url)
        met = await asyncio.to_thread(plane.socket)
        met.cut()
        told = await line.end()
        assert told[0] == Opened()
        assert isinstance(told[-1], Closed)
        assert told[-1].code is None

    run(story)


def test_an_abort_ends_it_at_once(plane: FakePlane) -> None:
    async def story() -> None:
        line = Line(plane.ws_url)
        met = await asyncio.to_thread(plane.socket)
        assert await line.next() == Opened()
        line.dialer.abort()
        await line.end()
        assert await asyncio.to_thread(met.closed.wait, WAIT_S)

    run(story)


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_refused_handshake_is_told_with_its_status(plane: FakePlane, status: int) -> None:
    async def story() -> None:
        plane.refuse = status
        told = await Line(plane.ws_url).end()
        assert len(told) == 1
        assert isinstance(told[0], Closed)
        assert told[0].status == status
        assert TOKEN not in told[0].reason

    run(story)


def test_a_refusal_of_a_token_that_was_replaced_meanwhile_is_not_final(plane: FakePlane) -> None:
    """Catches a laptop that is set up anew while it dials, and then takes the old token's refusal for its own."""

    async def story() -> None:
        plane.refuse = 401
        tokens = iter([TOKEN, "sk_machine_new"])
        [told] = await Line(plane.ws_url, lambda: next(tokens)).end()
        assert isinstance(told, Closed)
        assert told.status is None

    run(story)


def test_a_redirect_is_not_followed(plane: FakePlane) -> None:
    async def story() -> None:
        plane.refuse = 302
        [told] = await Line(plane.ws_url).end()
        assert isinstance(told, Closed)
        assert "Redirect" in told.reason

    run(story)


def test_nobody_there_is_an_end_without_a_status() -> None:
    async def story() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            [told] = await Line(f"ws://127.0.0.1:{closed.getsockname()[1]}").end()
        assert isinstance(told, Closed)
        assert (told.status, told.code) == (None, None)
        assert "refused" in told.reason

    run(story)


def test_a_proxy_that_is_none_for_websockets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "")
        [told] = await Line("ws://plane.example").end()
        assert isinstance(told, Closed)
        assert "bad_proxy" in told.reason

    run(story)


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that tunnels everything to one address, and keeps what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.heads: list[str] = []
        super().__init__(("127.0.0.1", 0), Tunnel)


class Tunnel(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.connection.recv(1)
        self.server.heads.append(head.decode())
        with socket.create_connection(self.server.target) as far:
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, self.connection))
            back.start()
            pump(self.connection, far)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


def test_a_proxy_of_the_environment_is_gone_through(plane: FakePlane, monkeypatch: pytest.MonkeyPatch) -> None:
    host, port = plane.ws_url.removeprefix("ws://").removesuffix("/ws").split(":")
    with Proxy((host, int(port))) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://user:pass@127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("no_proxy", "")

        async def story() -> None:
            line = Line("ws://plane.example:81/ws")
            met = await asyncio.to_thread(plane.socket)
            line.dialer.send('{"type":"x"}')
            await asyncio.to_thread(met.expect, "x")
            line.dialer.close()
            await line.end()

        run(story)
        proxy.shutdown()
    [head] = proxy.heads
    assert head.startswith("CONNECT plane.example:81 HTTP/1.")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in head
    # What the proxy sees in the clear holds no token.
    assert TOKEN not in head
