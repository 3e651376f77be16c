"""`python -m infra.local demo`: plane, daemon and an agent on this machine, one turn, its events as they arrive.

`AGENT` chooses the agent (default `echo`), `PROMPT` what it is told. Nothing is kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.local.stage import (
    API,
    DaemonProcess,
    PlaneProcess,
    StageError,
    bind_agent,
    enrol,
    start_daemon,
    start_plane,
    wait_online,
)

PROMPTS = {"echo": 'Hello from Mooring!\n/tool read {"path": "README.md"}\n/slow 1.5 8'}
"""What an agent is told; the echo agent understands a few words that make it do what others do by themselves."""

PROMPT = "What is this folder, and what could you do in it? One sentence."
DIM, BOLD, GREEN, RED, PLAIN = "\033[2m", "\033[1m", "\033[32m", "\033[31m", "\033[0m"


def main(argv: list[str]) -> int:
    """Runs the demo. Returns 0 when the turn was completed, 1 otherwise."""
    if argv:
        sys.stderr.write("usage: python -m infra.local demo\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="mooring-demo-") as folder:
        try:
            return _demo(Path(folder))
        except StageError as exc:
            sys.stderr.write(f"{exc}\n")
            _show_logs(Path(folder))
            return 1


def _demo(folder: Path) -> int:
    screen = Screen()
    plane: PlaneProcess | None = None
    daemon: DaemonProcess | None = None
    try:
        screen.step("starting the plane")
        plane = start_plane(folder / "plane.log", "--port", "0", "--ws-port", "0")
        home = folder / "laptop"
        home.mkdir()
        api = API(plane.url, plane.api_key)
        daemon, runtime = connect_laptop(api, home, screen)
        return one_turn(api, runtime, screen)
    finally:
        if daemon is not None:
            daemon.stop()
        if plane is not None:
            plane.stop()


def connect_laptop(api: API, home: Path, screen: Screen) -> tuple[DaemonProcess, dict[str, Any]]:
    """Enrols this machine, starts its daemon and waits until it is online."""
    screen.step("connecting this machine as a laptop")
    runtime_id = enrol(api, home)
    daemon = start_daemon(home)
    try:
        return daemon, wait_online(api, runtime_id, daemon)
    except StageError:
        daemon.stop()
        raise


def one_turn(api: API, runtime: dict[str, Any], screen: Screen) -> int:
    """Makes an agent and a session, sends a message, prints the events as they arrive. Returns the exit status."""
    chosen = os.environ.get("AGENT", "echo")
    found = [one["id"] for one in runtime["agents"]]
    if chosen not in found:
        raise StageError(f"There is no agent {chosen} on this machine; found: {', '.join(found)}.")
    others = [one for one in found if one != chosen]
    screen.step(f"agent {chosen}" + (f"; also here: {', '.join(others)} (choose with AGENT=…)" if others else ""))
    agent = agent_for(api, runtime["id"], chosen)
    session = api.ok("POST", "/v1/sessions", {"agent": agent["id"], "environment_id": "env-local-runtime"})
    prompt = os.environ.get("PROMPT", PROMPTS.get(chosen, PROMPT))
    stream = api.stream(session["id"], "?event_deltas[]=agent.message&include=mooring")
    next(stream)
    message = {"type": "user.message", "content": [{"type": "text", "text": prompt}]}
    api.ok("POST", f"/v1/sessions/{session['id']}/events", {"events": [message]})
    outcome = "unknown"
    for event in stream:
        screen.event(event)
        if event["type"] == "mooring.receipt" and event["status"] in ("completed", "failed", "cancelled", "unknown"):
            outcome = event["status"]
        if event["type"] == "session.status_idle" and event["stop_reason"]["type"] != "requires_action":
            break
    stream.close()
    screen.step(f"the turn is {outcome}")
    return 0 if outcome == "completed" else 1


def agent_for(api: API, runtime_id: str, acp_agent_id: str) -> dict[str, Any]:
    """The tenant's agent of this name on this runtime, made if there is none."""
    for one in api.ok("GET", "/v1/agents?limit=100")["data"]:
        binding = one.get("runtime_binding") or {}
        if (binding.get("runtime_id"), binding.get("acp_agent_id")) == (runtime_id, acp_agent_id):
            found: dict[str, Any] = one
            return found
    return bind_agent(api, runtime_id, acp_agent_id, permission_policy="always_allow")


class Screen:
    """Prints steps and events, in colour on a terminal."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._in_text = False

    def step(self, text: str) -> None:
        """One line of what is being done."""
        self._line(f"{self._paint(BOLD)}» {text}{self._paint(PLAIN)}")

    def say(self, text: str) -> None:
        """One plain line."""
        self._line(text)

    def event(self, event: dict[str, Any]) -> None:
        """One event, or a piece of one still being written."""
        kind = event["type"]
        if kind == "event_delta":
            sys.stdout.write(f"{self._paint(GREEN)}{event['delta']['content']['text']}{self._paint(PLAIN)}")
            sys.stdout.flush()
            self._in_text = True
            return
        if kind == "event_start":
            sys.stdout.write("  ")
            return
        colour = RED if kind == "session.error" else DIM
        self._line(f"  {self._paint(colour)}{kind:<26}{self._paint(PLAIN)} {_told(event)}")

    def _line(self, text: str) -> None:
        sys.stdout.write(("\n" if self._in_text else "") + text + "\n")
        sys.stdout.flush()
        self._in_text = False

    def _paint(self, code: str) -> str:
        return code if self._colour else ""


def _told(event: dict[str, Any]) -> str:
    """What matters of an event, on one line."""
    if "content" in event:
        return " ".join(block.get("text", "") for block in event["content"]).strip().replace("\n", " ")[:100]
    match event["type"]:
        case "mooring.receipt":
            return str(event["status"])
        case "session.status_idle":
            return str(event["stop_reason"]["type"])
        case "agent.tool_use":
            return str(event["name"])
        case "session.error":
            return str(event["error"]["message"])
        case "mooring.turn_ended":
            return str(event["outcome"])
        case _:
            return str(event.get("text", ""))[:100]


def _show_logs(folder: Path) -> None:
    for log in sorted(folder.rglob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-15:]
        sys.stderr.write(f"--- {log.name}\n" + "\n".join(lines) + "\n")
