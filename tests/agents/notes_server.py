"""An MCP server with one tool, ``add``, which keeps a note: as little of streamable HTTP as the agents need.

Source: Model Context Protocol, "Transports".
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Final

NAME: Final = "notes"
"""What agents are told that it is called."""

_TOOL: Final = {
    "name": "add",
    "description": "Keeps a note.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}


class NotesServer:
    """The server. ``kept`` holds the notes."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        handler = type("Handler", (_Handler,), {"notes": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="notes")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/mcp"

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a request."""
        match method:
            case "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": NAME, "version": "1"}}
                return {"protocolVersion": params.get("protocolVersion", "2025-06-18"), **about}
            case "tools/list":
                return {"tools": [_TOOL]}
            case "tools/call":
                self.kept.append(params["arguments"]["text"])
                return {"content": [{"type": "text", "text": "Kept."}], "isError": False}
            case _:
                return {}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    notes: NotesServer

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        if "id" not in said:
            self._answer(202, b"")
            return
        result = self.notes.result(said["method"], said.get("params") or {})
        self._answer(200, json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": result}).encode())

    def do_GET(self) -> None:
        self._answer(405, b"")

    do_DELETE = do_GET

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
