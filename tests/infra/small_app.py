"""A small Chalice app that does on request what a plane may do: echo, refuse, raise, wait."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections import defaultdict
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice import Chalice, Response

from infra.local.http import Receive, Scope, Send

STREAM_PATH = "/stream"


@cache  # Making a client takes longer than most tests; clients may be shared by threads.
def management_client(url: str) -> Any:
    """Make an ordinary @connections client."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),  # Refusals are what the tests look at.
    )


class SmallApp:
    """The app, and what the tests see and steer of it.

    Attributes:
        app: The Chalice object.
        connects: `$connect` events, as they come.
        disconnects: `$disconnect` events, as they come.
        steps: ("start" | "end", name) of every message that has a name.
        gates: Events that handlers wait for; all are opened at the end of a test.
        stream_left: Set when the ASGI app was told that its client left.
    """

    def __init__(self) -> None:
        self.app = Chalice(app_name="small", configure_logs=False)
        self.app.experimental_feature_flags.update(["WEBSOCKETS"])
        self.connects: queue.Queue[dict[str, Any]] = queue.Queue()
        self.disconnects: queue.Queue[dict[str, Any]] = queue.Queue()
        self.sweeps: queue.Queue[dict[str, Any]] = queue.Queue()
        self.refusals_in_connect: queue.Queue[str] = queue.Queue()
        self.steps: queue.Queue[tuple[str, str]] = queue.Queue()
        self.gates: MutableMapping[str, threading.Event] = defaultdict(threading.Event)
        self.stream_left = threading.Event()
        self.url = ""
        self.app.on_ws_connect(name="ws_connect")(self._connect)
        self.app.on_ws_message(name="ws_message")(self._message)
        self.app.on_ws_disconnect(name="ws_disconnect")(self._disconnect)
        self.app.schedule("rate(1 minute)", name="sweep")(self._sweep)
        self._add_routes()

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one piece, wait for the gate "stream", send another; or wait until the client leaves."""
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await receive()
        if scope["query_string"] == b"until-left":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.stream_left.set()
            return
        await asyncio.to_thread(self.gates["stream"].wait)
        await send({"type": "http.response.body", "body": b"second\n"})

    @staticmethod
    def owns(method: str, path: str) -> bool:
        """Say which requests the ASGI app answers."""
        return method == "GET" and path == STREAM_PATH

    def open_all(self) -> None:
        """Open every gate, so that no handler outlives its test."""
        for gate in list(self.gates.values()):
            gate.set()

    def _connect(self, event: Any) -> object:
        sent = event.to_dict()
        self.connects.put(sent)
        query = sent.get("queryStringParameters", {})
        if "raise" in query:
            raise RuntimeError("asked to")
        if "gate" in query:
            self.gates[query["gate"]].wait()
        if "post" in query:
            try:
                management_client(self.url).post_to_connection(ConnectionId=event.connection_id, Data=b"too early")
            except ClientError as refusal:
                self.refusals_in_connect.put(refusal.response["Error"]["Code"])
        if "protocol" in query:
            return Response(body="", headers={"Sec-WebSocket-Protocol": query["protocol"]})
        return Response(body="", status_code=int(query.get("status", 200)))

    def _message(self, event: Any) -> None:
        wish = json.loads(event.body)
        name = wish.get("name", "")
        self.steps.put(("start", name))
        if wish["do"] == "raise":
            raise RuntimeError("asked to")
        if gate := wish.get("gate"):
            self.gates[gate].wait()
        self.steps.put(("end", name))
        text = wish.get("text", event.connection_id)
        management_client(self.url).post_to_connection(ConnectionId=event.connection_id, Data=text.encode())

    def _disconnect(self, event: Any) -> None:
        self.disconnects.put(event.to_dict())

    def _sweep(self, event: Any) -> None:
        self.sweeps.put(event.to_dict())

    def _add_routes(self) -> None:
        app = self.app

        @app.route("/hello/{name}", methods=["GET"])
        def hello(name: str) -> dict[str, Any]:
            request = app.current_request
            assert request is not None
            return {"hello": name, "query": request.query_params}

        @app.route("/size", methods=["POST"], content_types=["text/plain", "application/octet-stream"])
        def size() -> dict[str, int]:
            request = app.current_request
            assert request is not None
            return {"bytes": len(request.raw_body)}

        @app.route("/big/{count}", methods=["GET"])
        def big(count: str) -> Response:
            return Response(body="x" * int(count), headers={"Content-Type": "text/plain", "X-Request-Id": "req_1"})

        @app.route("/bytes/{count}", methods=["GET"])
        def some_bytes(count: str) -> Response:
            return Response(body=b"\xff" * int(count), headers={"Content-Type": "application/octet-stream"})

        @app.route("/slow", methods=["GET"])
        def slow() -> dict[str, str]:
            self.gates["slow"].wait()
            return {}
