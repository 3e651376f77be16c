"""What the provider tests share: a mark by which any process left behind is found, and agents scripted line by line."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mooring.core.happenings import Happening, Said
from mooring.core.permissions import Permissions, Policies, Policy
from mooring.providers.acp import ACPProvider
from mooring.providers.ports import ChildSpec, Question, TextBlock, TurnError, TurnOutcome, Verdict

SOURCE = Path(__file__).resolve().parents[3] / "daemon" / "src"

ECHO = (sys.executable, "-m", "mooring.echo_agent")
DONE = TurnOutcome("end_turn", "completed")
CANCELLED = TurnOutcome("cancelled", "cancelled")

KIT = '''
import json, os, signal, subprocess, sys, time

def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()

def update(**update):
    send({"method": "session/update", "params": {"sessionId": "s1", "update": update}})

def say(text):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})

def think(text):
    update(sessionUpdate="agent_thought_chunk", content={"type": "text", "text": text})

def reply(message, **result):
    send({"id": message["id"], "result": result})

def fail(message, code, text, data=None):
    send({"id": message["id"], "error": {"code": code, "message": text, "data": data}})

def messages():
    for line in sys.stdin:
        yield json.loads(line)

def ask(options, **tool_call):
    send({"id": "ask", "method": "session/request_permission",
          "params": {"sessionId": "s1", "toolCall": tool_call, "options": options}})
    for message in messages():
        if message.get("id") == "ask":
            return message["result"]["outcome"]

def option(kind):
    return {"optionId": "id-" + kind, "name": kind, "kind": kind}

def serve(on_prompt, capabilities={}, **handlers):
    """Answers requests; a handler given for a method answers instead."""
    for message in messages():
        name = message.get("method", "").replace("/", "_")
        if name in handlers:
            handlers[name](message)
        elif name == "initialize":
            reply(message, protocolVersion=1, agentCapabilities=capabilities)
        elif name == "session_new":
            reply(message, sessionId="s1")
        elif name in ("session_load", "session_resume"):
            reply(message)
        elif name == "session_prompt":
            on_prompt(message)

def end(message, reason="end_turn", **more):
    reply(message, stopReason=reason, **more)
'''


def marked() -> list[int]:
    """Returns the pids of living processes that carry this test run's mark in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            environ = Path("/proc", entry, "environ").read_bytes()
        except OSError:
            continue
        if f"MOORING_TEST_MARK={os.getpid()}".encode() in environ.split(b"\0"):
            found.append(int(entry))
    return found


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    """Fails the test that leaves a process behind."""
    yield
    assert marked() == []


def environment(**more: str) -> dict[str, str]:
    """Returns a child's environment with the mark."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "MOORING_TEST_MARK": str(os.getpid()),
        **more,
    }


def script(folder: Path, body: str, name: str = "agent") -> tuple[str, ...]:
    """Writes an agent of the kit's words into the folder and returns its command."""
    (folder / "kit.py").write_text(KIT)
    path = folder / f"{name}.py"
    path.write_text("from kit import *\n" + textwrap.dedent(body))
    return (sys.executable, str(path))


def under(default: Policy, **by_tool: Policy) -> dict[str, Any]:
    """Returns the settings of a session under these policies."""
    return {"permissions": Permissions((Policies(default, by_tool),))}


async def allow(question: Question) -> Verdict:
    """Allows everything."""
    return Verdict("allow")


@dataclass
class Stage:
    """A provider of one agent, and what it told."""

    folder: Path
    command: tuple[str, ...]
    ask: Callable[[Question], Awaitable[Verdict]] = allow
    env: Mapping[str, str] = field(default_factory=environment)
    settings: dict[str, Any] = field(default_factory=dict)
    told: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.heard = asyncio.Event()
        self.provider = self.fresh()

    def fresh(self) -> ACPProvider:
        """Returns another provider of the same agent, not yet open."""
        paths = {"stderr_path": self.folder / "stderr.log", "children_path": self.folder / "children"}
        settings = {"agent_id": "echo", "cwd": self.folder, **paths, **self.settings}
        return ACPProvider(ChildSpec(command=self.command, env=self.env, **settings), self.hear, self.ask)

    def hear(self, happening: Happening) -> None:
        """Takes a happening."""
        self.told.append(happening)
        self.heard.set()

    async def query(self, text: str = "go") -> TurnOutcome:
        """Runs a turn."""
        return await self.provider.query([TextBlock(text)])

    async def until(self, wanted: Callable[[Happening], bool]) -> Happening:
        """Waits until something was told, from now or before."""
        async with asyncio.timeout(20):
            while True:
                for happening in self.told:
                    if wanted(happening):
                        return happening
                self.heard.clear()
                await self.heard.wait()

    async def until_said(self, text: str) -> None:
        """Waits until the agent has said exactly this in one piece."""
        await self.until(lambda happening: isinstance(happening, Said) and happening.text == text)

    @property
    def said(self) -> str:
        """All the agent's messages so far."""
        return "".join(told.text for told in self.told if isinstance(told, Said) and told.kind == "message")


def play(stage: Stage, scene: Callable[[Stage], Awaitable[None]], *, opened: bool = True) -> None:
    """Opens the provider, runs the scene, and ends the provider whatever happened."""

    async def whole() -> None:
        try:
            async with asyncio.timeout(30):
                if opened:
                    await stage.provider.open(None)
                await scene(stage)
        finally:
            await stage.provider.end()

    asyncio.run(whole())


def echo(folder: Path, **more: Any) -> Stage:
    """Returns a stage with the echo agent."""
    return Stage(folder, ECHO, **more)


def scripted(folder: Path, body: str, **more: Any) -> Stage:
    """Returns a stage with an agent of the kit's words."""
    return Stage(folder, script(folder, body), **more)


def failed(code: Any, message: str) -> TurnOutcome:
    """Returns the outcome of a turn that failed."""
    return TurnOutcome(None, "failed", TurnError(code, message))
