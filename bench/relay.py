"""`relay`: how long it takes from an agent to its viewers, in real processes on this machine.

The agent stamps what it says with this machine's monotonic clock; a viewer by WebSocket and a reader by SSE, one after
the other, look at the same clock when it arrives. So a delay holds everything: the agent's pipe, the daemon and its
disk, the gateway, the plane, DynamoDB (moto here, which is slower than the real one near it) and the way out. Beside it
stands what a bare double hop (client, WebSocket server, client) takes in the same run, as the machine's own measure.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.arrivals import WAIT_S, Arrivals, Silence, double_hop, follow_by_sse, follow_by_websocket, quantiles
from infra.local.stage import API, bind_agent, enrol, start_daemon, start_plane, wait_online

COUNT: Final = 200
EVENT_GAP_S: Final = 0.1
PIECE_GAP_S: Final = 0.15
"""Longer than the daemon's delta window, so that every piece is a delta of its own and the window adds nothing."""

HOP_GAP_S: Final = 0.01
PAYLOAD: Final = "x" * 500
"""About what a record of one event is as a frame."""

_AGENT: Final = "clock"


def measure(count: int = COUNT) -> dict[str, Any]:
    """Measures all of it. Raises StageError when something does not start, Silence when something does not arrive."""
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        plane = start_plane(Path(folder) / "plane.log", "--port", "0", "--ws-port", "0")
        try:
            api = API(plane.url, plane.api_key)
            home = Path(folder) / "laptop"
            home.mkdir()
            found = _with_laptop(api, home, str(plane.ready["ws_url"]), count)
        finally:
            plane.stop()
    bare = quantiles(double_hop(count, HOP_GAP_S, PAYLOAD))
    for one in found.values():
        one["ratio_p50"] = one["p50_ms"] / bare["p50_ms"]
        one["ratio_p99"] = one["p99_ms"] / bare["p99_ms"]
    return {"bare double hop": bare, **found}


def show(found: dict[str, Any]) -> str:
    """The figures as lines."""
    lines = [f"  {'':32} {'n':>4} {'p50 ms':>8} {'p99 ms':>8} {'p50 ratio':>10} {'p99 ratio':>10}"]
    for name, one in found.items():
        ratios = f" {one['ratio_p50']:10.1f} {one['ratio_p99']:10.1f}" if "ratio_p50" in one else ""
        lines.append(f"  {name:32} {one['n']:4} {one['p50_ms']:8.1f} {one['p99_ms']:8.1f}{ratios}")
    return "\n".join(lines)


def _with_laptop(api: API, home: Path, ws_url: str, count: int) -> dict[str, Any]:
    runtime_id = enrol(api, home)
    script = Path(__file__).with_name("clock_agent.py")
    command = f"command = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(script))}]\n"
    (home / "config.toml").write_text(f"[agents.{_AGENT}]\n{command}")
    daemon = start_daemon(home)
    try:
        wait_online(api, runtime_id, daemon)
        agent_id = bind_agent(api, runtime_id, _AGENT)["id"]
        return {
            **_followed(api, agent_id, count, "WebSocket", lambda s: follow_by_websocket(ws_url, api, s)),
            **_followed(api, agent_id, count, "SSE", lambda s: follow_by_sse(api, s)),
        }
    finally:
        daemon.stop()


def _followed(api: API, agent_id: str, count: int, name: str, follow: Callable[[str], Arrivals]) -> dict[str, Any]:
    session_id = api.ok("POST", "/v1/sessions", {"agent": agent_id})["id"]
    arrivals = follow(session_id)
    if not arrivals.there.wait(WAIT_S):
        raise Silence(f"{name}: the session can't be followed.")
    # The agent's start is not what is measured.
    _turn(api, session_id, "whole", 1, 0.0, arrivals)
    arrivals.events.clear()
    _turn(api, session_id, "whole", count, EVENT_GAP_S, arrivals)
    _turn(api, session_id, "pieces", count, PIECE_GAP_S, arrivals)
    api.ok("DELETE", f"/v1/sessions/{session_id}")
    if len(arrivals.events) != count:
        raise Silence(f"{name}: of {count} events {len(arrivals.events)} came.")
    if len(arrivals.pieces) < count * 0.9:
        raise Silence(f"{name}: of {count} deltas {len(arrivals.pieces)} came.")
    return {
        f"whole event, {name}": quantiles(arrivals.events.values()),
        f"delta, {name}": quantiles(arrivals.pieces.values()),
    }


def _turn(api: API, session_id: str, kind: str, count: int, gap_s: float, arrivals: Arrivals) -> None:
    arrivals.idle.clear()
    content = [{"type": "text", "text": f"{kind} {count} {gap_s}"}]
    api.ok("POST", f"/v1/sessions/{session_id}/events", {"events": [{"type": "user.message", "content": content}]})
    if not arrivals.idle.wait(count * gap_s * 3 + WAIT_S):
        raise Silence(f"The turn `{kind} {count}` did not end.")
