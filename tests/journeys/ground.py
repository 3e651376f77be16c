"""The ground that journeys walk on: a plane, laptops with their daemons, and sessions, all real, all on loopback."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.local.stage import (
    API,
    DaemonProcess,
    PlaneProcess,
    bind_agent,
    enrol,
    start_daemon,
    start_plane,
    wait_online,
)

from .leftovers import MARK, PROC, working_in
from .waiting import eventually
from .watching import Event, Reader, Viewer, Wire, of_type

RECEIPTS = ["queued", "sent", "on_machine", "started", "completed"]
"""The way of a message that is worked off."""

_OF_A_PERSON = ("MOOR_API_KEY", "MOOR_SERVER", "MOOR_HOME")


@dataclass
class Ground:
    """A folder for everything, and the mark that all processes bear."""

    folder: Path
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def env(self) -> dict[str, str]:
        """The environment of the processes: this one's, marked, without what a developer may have set for himself."""
        kept = {name: value for name, value in os.environ.items() if name not in _OF_A_PERSON}
        return {**kept, MARK: self.mark}


def assert_completed(receipts: list[str]) -> None:
    """The message went its way to the end. A receipt that is overtaken by a later one is skipped, none comes late."""
    assert receipts == [one for one in RECEIPTS if one in receipts]
    assert (receipts[0], receipts[-1]) == ("queued", "completed")


class House:
    """A plane and the laptops that are connected to it.

    Args:
        ground: where it stands.
        name: of its folder.
        options: further arguments of `up`.
    """

    def __init__(self, ground: Ground, name: str, *options: str) -> None:
        self.ground, self.folder = ground, ground.folder / name
        self.folder.mkdir()
        self._options = ["--sweep-every", "1", *options]
        self._laptops: list[Laptop] = []
        self.plane = self._start(0, 0)
        self.api = API(self.plane.url, self.plane.api_key)

    @property
    def ws_url(self) -> str:
        """Where WebSockets connect."""
        return str(self.plane.ready["ws_url"])

    @property
    def tenant_id(self) -> str:
        """The first tenant."""
        return str(self.plane.ready["tenant_id"])

    @property
    def plane_env(self) -> dict[str, str]:
        """What a second process of this plane needs in its environment."""
        return {
            **self.ground.env,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": str(self.plane.ready["aws_endpoint_url"]),
            "MOORING_CONNECTIONS_URL": self.plane.url,
            "MOORING_WS_URL": self.ws_url,
            "MOORING_BUCKET": "mooring-files",
        }

    def laptop(self, name: str) -> Laptop:
        """A new laptop, enrolled; its daemon is not started."""
        made = Laptop(self, self.folder / name)
        self._laptops.append(made)
        return made

    def wire(self) -> Wire:
        """A viewer's WebSocket."""
        return Wire(self.ws_url, self.api.key)

    def kill_plane(self) -> None:
        """Kills the gateway as a crash would."""
        self.plane.kill()

    def restart_plane(self) -> None:
        """Starts the gateway again, where it was."""
        before = self.plane.ready
        ports = [int(before[name].rpartition(":")[2]) for name in ("url", "ws_url")]
        self.plane = self._start(*ports)
        same = ("url", "ws_url", "aws_endpoint_url", "api_key")
        assert [self.plane.ready[name] for name in same] == [before[name] for name in same]

    def stop(self) -> None:
        """Stops everything."""
        for laptop in self._laptops:
            laptop.stop()
        self.plane.stop()
        self.api.pool.clear()

    def _start(self, port: int, ws_port: int) -> PlaneProcess:
        ports = ("--port", str(port), "--ws-port", str(ws_port))
        return start_plane(self.folder / "plane.log", *ports, *self._options, env=self.ground.env)


class Laptop:
    """A laptop: its home folder, its daemon, and an agent for each permission policy."""

    def __init__(self, house: House, home: Path) -> None:
        self.house, self.home = house, home
        home.mkdir()
        self.runtime_id = enrol(house.api, home, house.ground.env)
        self.daemon: DaemonProcess | None = None
        self._agents: dict[str, str] = {}

    @property
    def token(self) -> str:
        """The runtime's token."""
        return str(json.loads((self.home / "credentials.json").read_text())["token"])

    @property
    def status(self) -> str:
        """Whether the plane sees it ``online`` or ``offline``."""
        listed = self.house.api.ok("GET", "/v1/runtimes")["runtimes"]
        return next(str(one["status"]) for one in listed if one["id"] == self.runtime_id)

    def start(self) -> Laptop:
        """Starts its daemon and waits until the plane has it online."""
        self.daemon = start_daemon(self.home, self.house.ground.env)
        wait_online(self.house.api, self.runtime_id, self.daemon)
        return self

    def go_away(self) -> None:
        """Stops its daemon and waits until the plane knows."""
        assert self.stop() == 0
        eventually(f"{self.runtime_id} is offline", lambda: self.status == "offline")

    def stop(self) -> int | None:
        """Stops its daemon, if it runs. Returns its exit status."""
        daemon, self.daemon = self.daemon, None
        return daemon.stop() if daemon is not None else None

    def kill(self) -> None:
        """Kills its daemon as a crash would."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon = None

    def folder(self, session_id: str) -> Path:
        """A session's folder."""
        return self.home / "sessions" / session_id

    def child(self, session_id: str) -> int:
        """The pid of a session's agent."""
        if not PROC.is_dir():
            pytest.skip("Without /proc nobody tells which process works in a folder.")
        return eventually(f"the agent of {session_id}", lambda: working_in(self.folder(session_id)))[0]

    def agent(self, policy: str = "always_allow") -> str:
        """The id of an echo agent on this laptop."""
        if policy not in self._agents:
            name = f"echo {policy} on {self.home.name}"
            made = bind_agent(self.house.api, self.runtime_id, "echo", name=name, permission_policy=policy)
            self._agents[policy] = made["id"]
        return self._agents[policy]

    def session(self, policy: str = "always_allow") -> Session:
        """A new session."""
        made = self.house.api.ok("POST", "/v1/sessions", {"agent": self.agent(policy)})
        return Session(self.house, made["id"])


class Session:
    """A session as a person uses it, with one reader that follows it from its beginning."""

    def __init__(self, house: House, session_id: str) -> None:
        self.house, self.api, self.id = house, house.api, session_id
        self._leaving: list[Reader | Wire] = []
        self.reader = self.follow()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._leaving:
            one.close()

    def follow(self, **wishes: Any) -> Reader:
        """A reader of this session's stream; from its beginning unless another place is wished for."""
        made = Reader(self.api, self.id, **wishes)
        self._leaving.append(made)
        return made

    def view(self, after: str | None = None) -> Viewer:
        """A viewer over a WebSocket of its own."""
        wire = self.house.wire()
        self._leaving.append(wire)
        return Viewer(wire, self.id, after)

    def say(self, text: str, **fields: Any) -> str:
        """Sends a message. Returns its event id."""
        message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
        return str(self.post(message, **fields)[0]["id"])

    def post(self, *events: Event, **fields: Any) -> list[Event]:
        """Posts events. Returns them as accepted."""
        body = {"events": list(events), **fields}
        found: list[Event] = self.api.ok("POST", f"/v1/sessions/{self.id}/events", body)["data"]
        return found

    def ask(self, text: str) -> list[str]:
        """Sends a message, waits for its completion, and returns what the agent said meanwhile."""
        before = len(self.said())
        self.reader.until_settled(self.say(text))
        return self.said()[before:]

    def said(self) -> list[str]:
        """Everything that the agent has said so far."""
        messages = (event for event in self.reader.events if event["type"] == "agent.message")
        return ["".join(block["text"] for block in event["content"]) for event in messages]

    def until_speaking(self, text: str) -> None:
        """Waits until the agent has begun to say something, in a piece of a message still being written."""
        board, pieces = self.reader.board, self.reader.pieces
        board.wait(f"{text!r} of the agent", lambda: any(text in said for said in pieces.values()))

    def receipts(self, message_id: str) -> list[str]:
        """A message's receipts so far."""
        wanted = of_type("mooring.receipt")
        return [e["status"] for e in self.reader.events if wanted(e) and message_id in e["event_ids"]]

    def pages(self, order: str = "asc", limit: int = 1000) -> list[Event]:
        """All of its events as the list has them, page by page."""
        found: list[Event] = []
        page = ""
        while True:
            query = f"?include=mooring&order={order}&limit={limit}{page}"
            answer = self.api.ok("GET", f"/v1/sessions/{self.id}/events{query}")
            assert len(answer["data"]) <= limit
            found += answer["data"]
            if answer["next_page"] is None:
                return found
            page = f"&page={answer['next_page']}"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
