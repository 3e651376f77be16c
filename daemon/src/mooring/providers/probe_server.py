"""An MCP server on loopback that an agent is offered while it is measured: it sees whether the agent comes to it.

It speaks as little of MCP's streamable HTTP as that takes, to whoever knows its token.
Source: Model Context Protocol 2025-06-18, "Transports".
"""

from __future__ import annotations

import hmac
import http.server
import json
import secrets
import threading
from types import TracebackType
from typing import Any, Final

from .ports import MCPRemote

NAME: Final = "notes"

_MAX_BODY_BYTES: Final = 64 * 1024
_TOOL: Final = {
    "name": "add",
    "description": "Keeps a note.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


class ProbeServer:
    """The server, within its block.

    Attributes:
        listed: set once its tools were asked for.
    """

    def __init__(self) -> None:
        self.listed = threading.Event()
        self._token = secrets.token_urlsafe(24)
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="probe server", daemon=True)

    def __enter__(self) -> ProbeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def offer(self) -> MCPRemote:
        """The server as an agent is told of it."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}/mcp"
        return MCPRemote(name=NAME, url=url, headers={"Authorization": f"Bearer {self._token}"})

    def knows(self, authorization: str) -> bool:
        """Whether somebody was told of the server."""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request."""
        match method:
            case "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": NAME, "version": "1"}}
                return {"protocolVersion": params.get("protocolVersion", "2025-06-18"), **about}
            case "tools/list":
                self.listed.set()
                return {"tools": [_TOOL]}
            case "tools/call":
                return {"content": [{"type": "text", "text": "Kept."}], "isError": False}
            case _:
                return {}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30.0
    server_of: ProbeServer

    def do_POST(self) -> None:
        """Answers a request."""
        length = self.headers.get("content-length") or "0"
        if not self.server_of.knows(self.headers.get("authorization") or ""):
            self._answer(401, b"")
        elif not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            self._answer(413, b"")
        else:
            self._reply(self.rfile.read(int(length)))

    def do_GET(self) -> None:
        """Nothing is ever said unasked."""
        self._answer(405, b"")

    do_DELETE = do_GET

    def _reply(self, body: bytes) -> None:
        try:
            said = json.loads(body)
            method, params = said["method"], said.get("params") or {}
        except (ValueError, TypeError, KeyError, AttributeError):
            self._answer(400, b"")
            return
        if "id" not in said:
            self._answer(202, b"")
            return
        result = self.server_of.result(method, params)
        self._answer(200, json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": result}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        if status in (401, 413):
            self.close_connection = True  # Its body was not read.
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
