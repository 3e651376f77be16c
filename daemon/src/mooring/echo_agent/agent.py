"""The echo agent's side of ACP: sessions with a memory, and turns that do what the prompt's commands say."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from acp import (
    PROTOCOL_VERSION,
    RequestError,
    start_tool_call,
    text_block,
    tool_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_tool_call,
    update_user_message_text,
)
from acp.interfaces import Client
from acp.schema import (
    AgentCapabilities,
    AllowedOutcome,
    Implementation,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PermissionOption,
    PermissionOptionKind,
    PromptCapabilities,
    PromptResponse,
    ResumeSessionResponse,
    SessionCapabilities,
    SessionResumeCapabilities,
    ToolCallUpdate,
)

from .. import __version__
from .blocks import described
from .commands import Command, parse
from .history import Exchange, History

POLL_S: Final = 0.05
"""How often ``/hold`` looks for the file that releases it."""

HEAD_CHARACTERS: Final = 2_000
"""How much of AGENTS.md ``/system`` says."""

_OPTIONS: Final[tuple[tuple[str, str, PermissionOptionKind], ...]] = (
    ("allow-once", "Allow", "allow_once"),
    ("allow-always", "Allow always", "allow_always"),
    ("reject-once", "Reject", "reject_once"),
)


class EchoAgent:
    """One process's sessions. Called by the ACP library; a session runs one turn at a time."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self._turns: dict[str, _Turn] = {}
        self._client: Client | None = None

    def on_connect(self, conn: Client) -> None:
        """Takes the connection to speak on."""
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        """Answers ``initialize``."""
        return InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_capabilities=AgentCapabilities(
                load_session=True,
                prompt_capabilities=PromptCapabilities(image=True, embedded_context=True),
                session_capabilities=SessionCapabilities(resume=SessionResumeCapabilities()),
            ),
            agent_info=Implementation(name="moor-echo-agent", version=__version__),
        )

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        """Answers ``session/new``."""
        history = History.begin(Path(cwd))
        self._histories[history.session_id] = history
        return NewSessionResponse(session_id=history.session_id)

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:
        """Answers ``session/load``, after saying again all that was said."""
        history = self._recall(cwd, session_id)
        client = self._connected()
        for exchange in history.exchanges:
            await client.session_update(session_id, update_user_message_text(exchange.prompt))
            await client.session_update(session_id, update_agent_message_text(exchange.answer))
        return LoadSessionResponse()

    async def resume_session(self, session_id: str, cwd: str, **_: Any) -> ResumeSessionResponse:
        """Answers ``session/resume``."""
        self._recall(cwd, session_id)
        return ResumeSessionResponse()

    async def prompt(self, session_id: str, prompt: Sequence[Any], **_: Any) -> PromptResponse:
        """Runs a turn."""
        history = self._histories.get(session_id)
        if history is None:
            raise RequestError.resource_not_found(session_id)
        text = "\n".join(map(described, prompt))
        history.exchanges.append(Exchange(text))
        history.save()
        turn = _Turn(self._connected(), history)
        self._turns[session_id] = turn
        try:
            return PromptResponse(stop_reason=await turn.run(parse(text)))
        finally:
            del self._turns[session_id]
            history.save()

    async def cancel(self, session_id: str, **_: Any) -> None:
        """Cancels the running turn, if any."""
        if turn := self._turns.get(session_id):
            turn.cancelled.set()

    def _recall(self, cwd: str, session_id: str) -> History:
        history = History.load(Path(cwd), session_id)
        if history is None:
            raise RequestError.resource_not_found(session_id)
        self._histories[session_id] = history
        return history

    def _connected(self) -> Client:
        if self._client is None:
            raise RuntimeError("spoken to before the connection was there")
        return self._client


class _Cancelled(Exception):
    """The turn was cancelled."""


class _Turn:
    """One turn of one session."""

    def __init__(self, client: Client, history: History) -> None:
        self.cancelled = asyncio.Event()
        self._client, self._history = client, history

    async def run(self, commands: Sequence[Command]) -> Literal["end_turn", "cancelled"]:
        """Does one command after the other, until one is cancelled."""
        try:
            for command in commands:
                await self._do(command)
                if self.cancelled.is_set():
                    return "cancelled"
        except _Cancelled:
            return "cancelled"
        return "end_turn"

    async def _do(self, command: Command) -> None:
        match command.name:
            case "say":
                for piece in re.findall(r"\S+\s*", f"You said: {command.text}"):
                    await self._say(piece)
            case "think":
                await self._client.session_update(self._history.session_id, update_agent_thought_text(command.text))
            case "tool":
                call_id = _call_id()
                await self._start(call_id, command)
                await self._finish(call_id, command)
            case "ask":
                await self._ask(command)
            case "slow":
                for number in range(1, command.number + 1):
                    await self._say(f"piece {number} ")
                    await self._wait(command.seconds / command.number)
            case "hold":
                await self._say("holding")
                while not (self._history.cwd / "release").exists():
                    await self._wait(POLL_S)
            case "chunks":
                for number in range(1, command.number + 1):
                    await self._say(f"{number} ")
            case "big":
                await self._say("x" * command.number)
            case "crash":
                os._exit(command.number)
            case "fail":
                raise RequestError(-32603, command.text)
            case _:
                await self._tell(command)

    async def _tell(self, command: Command) -> None:
        """Does the commands that answer a question about the session or the process."""
        exchanges = self._history.exchanges
        match command.name:
            case "count":
                await self._say(f"This session has seen {len(exchanges)} prompts.")
            case "history":
                await self._say("\n".join(exchange.prompt for exchange in exchanges[:-1]) or "Nothing yet.")
            case "env":
                await self._say(f"{command.text} is {'set' if command.text in os.environ else 'not set'}.")
            case "system":
                instructions = self._history.cwd / "AGENTS.md"
                there = instructions.exists()
                await self._say(
                    instructions.read_text("utf-8")[:HEAD_CHARACTERS] if there else "There is no AGENTS.md."
                )
            case "stderr":
                sys.stderr.write("e" * command.number + "\n")
                sys.stderr.flush()
            case "badline":
                os.write(1, b"[1,2]\n")
            case _:
                raise AssertionError(f"no such command: {command.name}")

    async def _ask(self, command: Command) -> None:
        call_id = _call_id()
        await self._start(call_id, command)
        answer = await self._client.request_permission(
            session_id=self._history.session_id,
            tool_call=ToolCallUpdate(tool_call_id=call_id, title=command.text, raw_input=command.arguments),
            options=[PermissionOption(option_id=i, name=n, kind=k) for i, n, k in _OPTIONS],
        )
        if not isinstance(answer.outcome, AllowedOutcome):
            raise _Cancelled
        if answer.outcome.option_id.startswith("allow"):
            await self._finish(call_id, command, f" ({answer.outcome.option_id})")
            return
        denied = update_tool_call(call_id, status="failed", content=[tool_content(text_block("Denied."))])
        await self._client.session_update(self._history.session_id, denied)
        await self._say(f"{command.text} was denied.")

    async def _start(self, call_id: str, command: Command) -> None:
        start = start_tool_call(call_id, command.text, kind="other", status="pending", raw_input=command.arguments)
        start.field_meta = {"toolName": command.text}
        await self._client.session_update(self._history.session_id, start)

    async def _finish(self, call_id: str, command: Command, remark: str = "") -> None:
        result = f"{command.text} ran with {command.arguments}{remark}"
        done = update_tool_call(call_id, status="completed", content=[tool_content(text_block(result))])
        await self._client.session_update(self._history.session_id, done)

    async def _say(self, text: str) -> None:
        self._history.exchanges[-1].answer += text
        await self._client.session_update(self._history.session_id, update_agent_message_text(text))

    async def _wait(self, seconds: float) -> None:
        """Waits, or ends the turn as soon as it is cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self.cancelled.wait()
        except TimeoutError:
            return
        raise _Cancelled


def _call_id() -> str:
    return f"call_{secrets.token_hex(4)}"
