"""The echo agent as a process, spoken to line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "daemon" / "src"


class Agent:
    """A running echo agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mooring.echo_agent"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._last_id = 0

    def send(self, method: str, *, id: object = None, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": id} if id is not None else {})
        self.write(message)

    def write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def line(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def call(self, method: str, **params: Any) -> tuple[list[Any], Any]:
        """Returns the updates before the answer, and the answer's result or error."""
        self._last_id += 1
        self.send(method, id=self._last_id, **params)
        return self.answer()

    def answer(self) -> tuple[list[Any], Any]:
        updates = []
        while "id" not in (message := self.line()) or "method" in message:
            updates.append(message["params"]["update"])
        return updates, message.get("result", message.get("error"))

    def new(self) -> str:
        self.call("initialize", protocolVersion=1)
        session_id = self.call("session/new", cwd=str(self.folder), mcpServers=[])[1]["sessionId"]
        assert isinstance(session_id, str)
        return session_id

    def prompt(self, session_id: str, text: str) -> tuple[list[Any], Any]:
        return self.call("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": text}])

    def said(self, session_id: str, text: str) -> str:
        updates, answer = self.prompt(session_id, text)
        assert answer == {"stopReason": "end_turn"}
        return "".join(update["content"]["text"] for update in updates)

    def close(self) -> tuple[int, str]:
        _, stderr = self._process.communicate(timeout=20)
        return self._process.returncode, stderr


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    started = Agent(tmp_path)
    yield started
    started.close()


def test_it_says_what_it_can_and_ends_with_its_input(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    _, hello = agent.call("initialize", protocolVersion=1)
    assert hello["protocolVersion"] == 1
    assert hello["agentInfo"]["name"] == "moor-echo-agent"
    assert hello["agentCapabilities"]["loadSession"] is True
    assert "resume" in hello["agentCapabilities"]["sessionCapabilities"]
    assert agent.close() == (0, "")


def test_plain_text_comes_back_word_by_word(agent: Agent) -> None:
    updates, answer = agent.prompt(agent.new(), "hello there")
    assert answer == {"stopReason": "end_turn"}
    assert [update["content"]["text"] for update in updates] == ["You ", "said: ", "hello ", "there"]


def test_its_questions_about_itself(agent: Agent) -> None:
    session_id = agent.new()
    assert agent.said(session_id, "/history") == "Nothing yet."
    assert agent.said(session_id, "/history") == "/history"
    assert agent.said(session_id, "/count") == "This session has seen 3 prompts."
    assert agent.said(session_id, "/env PATH\n/env NO_SUCH_THING") == "PATH is set.NO_SUCH_THING is not set."
    assert agent.said(session_id, "/system") == "There is no AGENTS.md."
    (agent.folder / "AGENTS.md").write_text("Be kind.")
    assert agent.said(session_id, "/system") == "Be kind."
    assert agent.said(session_id, "/big 100000") == "x" * 100_000
    assert agent.said(session_id, "/chunks 3") == "1 2 3 "
    assert agent.said(session_id, "/slow 0.01 2") == "piece 1 piece 2 "


def test_tools_and_permission(agent: Agent) -> None:
    session_id = agent.new()
    updates, _ = agent.prompt(session_id, '/tool add {"a": 1}')
    assert [(update["sessionUpdate"], update["status"]) for update in updates] == [
        ("tool_call", "pending"),
        ("tool_call_update", "completed"),
    ]
    answers = (
        ({"outcome": "selected", "optionId": "allow-once"}, "completed", "end_turn"),
        ({"outcome": "selected", "optionId": "reject-once"}, "failed", "end_turn"),
        ({"outcome": "cancelled"}, None, "cancelled"),
    )
    for outcome, status, reason in answers:
        agent.send("session/prompt", id="p", sessionId=session_id, prompt=[{"type": "text", "text": "/ask rm {}"}])
        assert agent.line()["params"]["update"]["status"] == "pending"
        question = agent.line()
        assert question["method"] == "session/request_permission"
        agent.write({"jsonrpc": "2.0", "id": question["id"], "result": {"outcome": outcome}})
        updates, answer = agent.answer()
        assert answer == {"stopReason": reason}
        assert [update["status"] for update in updates if "status" in update] == [status] * (status is not None)


@pytest.mark.parametrize("command", ["/hold", "/slow 600 2"])
def test_a_turn_that_waits_can_be_cancelled(agent: Agent, command: str) -> None:
    session_id = agent.new()
    agent.send("session/prompt", id="p", sessionId=session_id, prompt=[{"type": "text", "text": f"{command}\nnever"}])
    assert agent.line()["params"]["update"]["content"]["text"] in ("holding", "piece 1 ")
    agent.send("session/cancel", sessionId=session_id)
    assert agent.answer() == ([], {"stopReason": "cancelled"})


def test_a_hold_is_released_by_a_file(agent: Agent) -> None:
    session_id = agent.new()
    (agent.folder / "release").touch()
    assert agent.said(session_id, "/hold\ngo") == "holdingYou said: go"


def test_a_failure_has_its_message(agent: Agent) -> None:
    assert agent.prompt(agent.new(), "/fail no credit")[1]["message"] == "no credit"


def test_an_earlier_session_is_loaded_with_a_replay_or_resumed_without(agent: Agent) -> None:
    session_id = agent.new()
    agent.said(session_id, "first")
    agent.close()
    for method, replay in (("session/load", ["first", "You said: first"]), ("session/resume", [])):
        other = Agent(agent.folder)
        other.call("initialize", protocolVersion=1)
        updates, answer = other.call(method, sessionId=session_id, cwd=str(agent.folder), mcpServers=[])
        assert "message" not in answer
        assert [update["content"]["text"] for update in updates] == replay
        assert other.said(session_id, "/history").startswith("first")
        other.close()


def test_a_session_it_does_not_know_is_refused(agent: Agent) -> None:
    agent.new()
    for method in ("session/load", "session/resume"):
        params = {"sessionId": "echo_0123456789abcdef", "cwd": str(agent.folder), "mcpServers": []}
        assert agent.call(method, **params)[1]["code"] == -32002
    assert agent.prompt("echo_0123456789abcdef", "hi")[1]["code"] == -32002


def test_it_misbehaves_on_demand(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    session_id = agent.new()
    agent.send(
        "session/prompt",
        id="p",
        sessionId=session_id,
        prompt=[{"type": "text", "text": "/stderr 3\n/badline\n/crash 7"}],
    )
    assert agent.line() == [1, 2]
    assert agent.close() == (7, "eee\n")
