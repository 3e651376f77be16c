"""The loopback listener: how the browser brings this process a person's answer, once.

It listens on 127.0.0.1 alone, on a port that was free. Any process of this machine and any page in its browser can
knock there; only a GET of ``/callback`` under the very address, with the state that nobody else knows, is heard (the
address, because a page whose name is made to lead here, DNS rebinding, still sends its own). Whatever else comes is
refused and changes nothing, and so is a second answer.

Source: RFC 8252 §7.3 and §8.
"""

from __future__ import annotations

import hmac
import queue
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

ANSWER_S: Final = 300.0
"""How long a person may take (seconds): as long as a connect code is good."""

REQUEST_S: Final = 10.0
"""How long one request may take to arrive (seconds)."""

_PATH: Final = "/callback"
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mooring</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1.1rem system-ui, sans-serif; margin: 20vh auto; max-width: 30rem; padding: 0 1rem; }}</style>
</head><body><h1>{title}</h1><p>You may close this window and go back to your terminal.</p></body></html>
"""
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "content-type": "text/html; charset=utf-8",
    "referrer-policy": "no-referrer",  # The address holds the code.
    "x-content-type-options": "nosniff",
}


class Answer(Struct, frozen=True):
    """What the browser brought: a connect code, or why there is none, such as ``access_denied``."""

    code: str = ""
    error: str = ""

    def __repr__(self) -> str:
        return f"Answer(error={self.error!r})"


class Loopback:
    """Listens from entry to exit.

    Args:
        state: what the right answer carries.
    """

    def __init__(self, state: str) -> None:
        self._state = state
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._is_taken = threading.Lock()  # By the first answer, and never given back.
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="moor-loopback")

    @property
    def redirect_uri(self) -> str:
        """Where the browser is to bring the answer."""
        return f"http://{self.authority}{_PATH}"

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, timeout_s: float = ANSWER_S) -> Answer | None:
        """The answer; None = nobody came in time."""
        try:
            return self._answers.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def accept(self, host: str, target: str) -> Answer | None:
        """Takes a request as the answer, if it is the one and the first. Returns that.

        Args:
            host: the address that whoever asks believes to ask.
            target: path and query.
        """
        parts = urlsplit(target)
        said = parse_qs(parts.query, max_num_fields=10)
        if host != self.authority or parts.path != _PATH or any(len(values) > 1 for values in said.values()):
            return None
        state, code, error = ("".join(said.get(name, ())) for name in ("state", "code", "error"))
        if not hmac.compare_digest(state.encode(), self._state.encode()) or bool(code) == bool(error):
            return None
        return Answer(code, error) if self._is_taken.acquire(blocking=False) else None

    def deliver(self, answer: Answer) -> None:
        """Gives an accepted answer to whoever waits, once the browser has its page: the process may end after that."""
        self._answers.put(answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # A browser's idle connection keeps nobody waiting.
    allow_reuse_address = False  # On Windows it would let another process take the port over.


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_S
        server_version, sys_version = "moor", ""

        def do_GET(self) -> None:
            try:
                answer = loopback.accept(self.headers.get("host", ""), self.path)
            except ValueError:  # No address at all, or too much in it.
                answer = None
            if answer is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                self._show("This machine is being connected." if answer.code else "This machine was not connected.")
            finally:
                loopback.deliver(answer)

        def _show(self, title: str) -> None:
            page = _PAGE.format(title=title).encode()
            self.send_response(HTTPStatus.OK)
            for name, value in {**_HEADERS, "content-length": str(len(page))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the address holds the code."""

    return Handler
