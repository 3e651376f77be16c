"""Who listens in `relay`: when what was stamped arrived, by WebSocket, by SSE, or over a bare double hop."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from bench.clock_agent import stamp
from infra.local.stage import API

ROOT: Final = Path(__file__).resolve().parents[1]
WAIT_S: Final = 60.0
_STAMP: Final = re.compile(r"t(\d+);")


class Silence(Exception):
    """What was waited for did not come."""


class Arrivals:
    """Delays of what was stamped, each by its first arrival (seconds)."""

    def __init__(self) -> None:
        self.events: dict[int, float] = {}
        self.pieces: dict[int, float] = {}
        self.there = threading.Event()
        self.idle = threading.Event()

    def event(self, event: dict[str, Any]) -> None:
        """A whole event came."""
        if event["type"] == "agent.tool_result":
            self._note(self.events, event["content"][0]["text"])
        elif event["type"] == "session.status_idle":
            self.idle.set()

    def piece(self, text: str) -> None:
        """A piece of an event came."""
        self._note(self.pieces, text)

    def _note(self, into: dict[int, float], text: str) -> None:
        now = time.monotonic_ns()
        for found in _STAMP.findall(text):
            into.setdefault(int(found), (now - int(found)) / 1e9)


def follow_by_websocket(ws_url: str, api: API, session_id: str) -> Arrivals:
    """Follows a session by WebSocket from now on, in a thread that ends when the plane closes the connection."""
    arrivals = Arrivals()
    connection = connect(ws_url, additional_headers={"Authorization": f"Bearer {api.key}"}, compression=None)

    def read() -> None:
        for message in connection:
            frame = json.loads(message)
            match frame["type"]:
                case "attached":
                    arrivals.there.set()
                case "record":
                    for shown in frame["events"]:
                        arrivals.event(shown["event"])
                case "delta":
                    arrivals.piece(frame["text"])

    threading.Thread(target=read, name="viewer", daemon=True).start()
    connection.send(json.dumps({"type": "attach", "session_id": session_id}))
    return arrivals


def follow_by_sse(api: API, session_id: str) -> Arrivals:
    """Follows a session by SSE from now on, in a thread that ends when the session is deleted."""
    arrivals = Arrivals()

    def read() -> None:
        for event in api.stream(session_id, "?event_deltas[]=agent.message"):
            match event["type"]:
                case "open":
                    arrivals.there.set()
                case "event_delta":
                    arrivals.piece(event["delta"]["content"]["text"])
                case "event_start":
                    pass
                case _:
                    arrivals.event(event)

    threading.Thread(target=read, name="reader", daemon=True).start()
    return arrivals


def double_hop(count: int, gap_s: float, payload: str) -> list[float]:
    """Delays from a client over a plain WebSocket server to another client, with the same payload (seconds)."""
    command = [sys.executable, "-m", "bench.hop_server"]
    pipe = subprocess.PIPE
    delays: list[float] = []
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = f"ws://127.0.0.1:{int(server.stdout.readline())}"
        try:
            with connect(url, compression=None) as sender, connect(url, compression=None) as receiver:
                reading = threading.Thread(target=_receive, args=(receiver, count, delays))
                reading.start()
                for _ in range(count):
                    time.sleep(gap_s)
                    sender.send(stamp() + payload)
                reading.join(WAIT_S)
        finally:
            server.stdin.close()
    if len(delays) != count:
        raise Silence(f"Of {count} messages {len(delays)} came over the bare double hop.")
    return delays


def _receive(connection: ClientConnection, count: int, delays: list[float]) -> None:
    for _ in range(count):
        message = str(connection.recv(timeout=WAIT_S))
        found = _STAMP.match(message)
        assert found is not None
        delays.append((time.monotonic_ns() - int(found[1])) / 1e9)


def quantiles(delays: Iterable[float]) -> dict[str, float]:
    """How many, and their median and 99th percentile (milliseconds)."""
    found = sorted(delays)
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    return {"n": len(found), "p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}
