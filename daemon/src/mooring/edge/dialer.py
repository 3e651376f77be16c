"""The dialer: one WebSocket to the plane, from dialing to its end, on the far side of the daemon's one thread border.

websocket-client blocks, so a connection has two threads of its own: one dials and reads, one writes what a queue hands
it. The event loop's side is ``Dialer``: ``send`` and ``close`` never block, and everything that happens comes back to
the loop through ``report``, in order, the last of it always exactly one ``Closed``.

API Gateway closes a connection with 1009 for a frame over 32 KB, so each message goes out in fragments.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import websocket
from msgspec import Struct
from websocket import ABNF

from .. import __version__
from ..errors import MoorError
from ..wire.limits import FRAGMENT_BYTES
from .network import proxy_for, proxy_login, tls_context

CONNECT_S: Final = 20.0
"""How long dialing may take, TLS and handshake with it (seconds, each step)."""

SEND_S: Final = 30.0
"""A connection that takes nothing for this long is dead (seconds)."""

FAREWELL_S: Final = 1.0
"""How long the peer may take to answer our close (seconds)."""

NORMAL_CLOSURE: Final = 1000
"""Source: RFC 6455 §7.4.1."""


class Opened(Struct, frozen=True):
    """The handshake is done."""


class Received(Struct, frozen=True):
    """One whole text message."""

    text: str


class Closed(Struct, frozen=True):
    """The connection is over, or never came to be.

    Attributes:
        status: HTTP status with which the handshake was refused, or None.
        code: the WebSocket's close code as the peer gave it, or None.
        reason: a few words for a log.
    """

    status: int | None = None
    code: int | None = None
    reason: str = ""


Report = Opened | Received | Closed


class _Stop:
    """Ends the writer."""


def fragments(text: str, size: int = FRAGMENT_BYTES) -> Iterator[tuple[int, bytes, bool]]:
    """A message as frames of at most ``size`` bytes: opcode, payload, whether it is the last. Source: RFC 6455 §5.4."""
    payload = text.encode()
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    for index, piece in enumerate(pieces):
        yield ABNF.OPCODE_CONT if index else ABNF.OPCODE_TEXT, piece, index == len(pieces) - 1


class Dialer:
    """One connection; it dials as soon as it is made.

    Args:
        url: ``ws://`` or ``wss://``.
        token: gives what is sent as a bearer, in the handshake only.
        loop: the loop that ``report`` is called on.
        report: hears of everything that happens.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        loop: asyncio.AbstractEventLoop,
        report: Callable[[Dialer, Report], None],
    ) -> None:
        self._url, self._token, self._loop, self._report = url, token, loop, report
        self._outgoing: queue.SimpleQueue[str | _Stop] = queue.SimpleQueue()
        self._socket: websocket.WebSocket | None = None
        self._closing = threading.Event()
        self._read_ended = threading.Event()
        self._writer: threading.Thread | None = None
        self._reader = threading.Thread(target=self._dial, name="moor-dialer", daemon=True)
        self._reader.start()

    def send(self, text: str) -> None:
        """Sends a message after those before it. Whether it arrives, nobody says."""
        self._outgoing.put(text)

    def close(self) -> None:
        """Closes the connection once everything handed to ``send`` before is written. A repeat changes nothing."""
        self._closing.set()
        self._outgoing.put(_Stop())

    def abort(self) -> None:
        """Ends the connection at once, as a cut would."""
        self._closing.set()
        self._outgoing.put(_Stop())
        self._cut()

    def join(self) -> None:
        """Waits until both threads are gone; for whoever must leave nothing behind."""
        self._reader.join()

    # ---- in the threads

    def _dial(self) -> None:
        closed = Closed(reason="the dialer broke")
        token = self._token()
        try:
            closed = self._live(token)
        except websocket.WebSocketBadStatusException as exc:
            # A token that was replaced meanwhile says nothing about the one that took its place.
            status = exc.status_code if self._token() == token else None
            closed = Closed(status=status, reason=f"the handshake was refused with status {exc.status_code}")
        except MoorError as exc:
            closed = Closed(reason=str(exc))
        except (websocket.WebSocketException, OSError, ValueError) as exc:
            closed = Closed(reason=f"{type(exc).__name__}: {exc}")
        finally:
            self._hang_up()
            self._tell(closed)

    def _live(self, token: str) -> Closed:
        ws = websocket.WebSocket(
            sslopt={"context": tls_context()} if self._url.startswith("wss:") else None, enable_multithread=True
        )
        self._socket = ws
        ws.settimeout(CONNECT_S)
        ws.connect(  # type: ignore[no-untyped-call]  # The library types only some of its methods.
            self._url,
            header=[f"Authorization: Bearer {token}", f"User-Agent: mooring-daemon/{__version__}"],
            suppress_origin=True,
            redirect_limit=0,  # A redirect could carry the token to somebody else.
            **_proxy_options(self._url),
        )
        if self._closing.is_set():
            return Closed(reason="closed while dialing")
        ws.settimeout(SEND_S)
        self._tell(Opened())
        self._writer = threading.Thread(target=self._write, args=(ws,), name="moor-dialer-writer", daemon=True)
        self._writer.start()
        return self._read(ws)

    def _read(self, ws: websocket.WebSocket) -> Closed:
        while True:
            try:
                opcode, payload = ws.recv_data(control_frame=False)
            except websocket.WebSocketTimeoutException:
                continue  # Silence is the link's to judge.
            if opcode == ABNF.OPCODE_TEXT:
                self._tell(Received(payload.decode()))
            elif opcode == ABNF.OPCODE_CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
                return Closed(code=code, reason=payload[2:].decode("utf-8", "replace") or f"close code {code}")

    def _write(self, ws: websocket.WebSocket) -> None:
        with contextlib.suppress(websocket.WebSocketException, OSError, ValueError):  # The reader reports the same end.
            while isinstance(item := self._outgoing.get(), str):
                for opcode, payload, last in fragments(item):
                    ws.send_frame(ABNF.create_frame(payload, opcode, int(last)))
            ws.send_close(NORMAL_CLOSURE)
            # The reader sees the peer's answer; a peer that gives none must not keep the thread.
            self._read_ended.wait(FAREWELL_S)
        self._cut()

    def _hang_up(self) -> None:
        """Lets the writer go and gives the socket back."""
        self._read_ended.set()
        self._outgoing.put(_Stop())
        self._cut()
        if self._writer is not None:
            self._writer.join()
        if self._socket is not None:
            self._socket.shutdown()  # type: ignore[no-untyped-call]  # As above.

    def _cut(self) -> None:
        """Wakes both threads. The TLS layer is left alone: its own shutdown would pull it from under the reader."""
        ws = self._socket
        sock = ws.sock if ws is not None else None
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):  # It is closed or was never connected.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _tell(self, report: Report) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: the daemon has stopped, nobody listens.
            self._loop.call_soon_threadsafe(self._report, self, report)


def _proxy_options(url: str) -> dict[str, Any]:
    proxy = proxy_for(url)
    if proxy is None:
        return {"http_no_proxy": ["*"]}
    parts = urlsplit(proxy)
    if parts.scheme != "http" or parts.hostname is None:
        raise MoorError("bad_proxy", f"The proxy at {parts.hostname} can't be used: a WebSocket needs an http one.")
    options: dict[str, Any] = {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or 80,
        "proxy_type": "http",
    }
    if login := proxy_login(proxy):
        options["http_proxy_auth"] = login
    return options
