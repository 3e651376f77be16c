"""Agents that do not do as they should: the turn always ends, and nobody of theirs is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mooring.core.happenings import Noted, Said, ToolEnded, ToolStarted, Used
from mooring.providers.acp_translate import ENDED_BY_TURN
from mooring.providers.ports import (
    TurnOutcome,
)

from .scripted import (
    CANCELLED,
    DONE,
    Stage,
    allow,
    echo,
    environment,
    failed,
    marked,
    nobody_left,
    play,
    script,
    scripted,
)

__all__ = ["nobody_left"]


@pytest.mark.parametrize(
    ("ending", "outcome", "note"),
    [
        ("end(message, 'max_tokens')", TurnOutcome("max_tokens", "completed"), None),
        ("end(message, 'refusal')", TurnOutcome("refusal", "completed"), None),
        ("end(message, 'cancelled')", CANCELLED, None),
        ("end(message, 'bored')", TurnOutcome("bored", "completed"), Noted("unrecognised_stop_reason", "bored")),
        ("reply(message)", failed("agent_failed", "The agent's answer to the prompt is not as ACP has it."), None),
        (
            "fail(message, -32000, 'Authentication required')",
            failed("authentication_required", "Authentication required"),
            None,
        ),
        (
            "fail(message, 400, '', {'x': 1})",
            failed("agent_failed", "The agent reports an error without a message."),
            None,
        ),
        (
            "end(message, usage={'totalTokens': 3, 'inputTokens': 1, 'outputTokens': 2})",
            DONE,
            Used({"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}),
        ),
    ],
)
def test_a_turn_ends_as_the_agent_says(tmp_path: Path, ending: str, outcome: TurnOutcome, note: Any) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == outcome
        assert stage.told == ([note] if note else [])
        assert stage.provider.alive

    play(scripted(tmp_path, f"def on_prompt(message): {ending}\nserve(on_prompt)"), scene)


@pytest.mark.parametrize(
    ("dying", "message"),
    [
        (
            "sys.stderr.write('token tk-12345678 is bad\\n'); sys.exit(7)",
            "The agent ended by itself with status 7. It last said: token *** is bad",
        ),
        ("os.kill(os.getpid(), 15)", "The agent was ended by signal 15."),
        ("sys.stdout.flush(); os.close(1); time.sleep(600)", "The agent closed its output."),
        ("sys.stdout.write('x' * 3_000_000); time.sleep(600)", "The agent wrote a line of more than 2000000 bytes."),
        (
            "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); os._exit(1)",
            "The agent ended by itself with status 1.",
        ),
        (
            "subprocess.Popen(['sh', '-c', 'trap \"\" TERM; while :; do sleep 1; done']); os._exit(1)",
            "The agent ended by itself with status 1.",
        ),
    ],
)
def test_an_agent_that_dies_in_a_turn_fails_it_and_takes_its_group_along(
    tmp_path: Path, dying: str, message: str
) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == failed("agent_crashed", message)
        assert stage.told == [
            Said("message", "working"),
            ToolStarted(call_id="c", name="t", title="t"),
            ToolEnded(call_id="c", text=ENDED_BY_TURN, is_error=True),
        ]
        assert not stage.provider.alive
        assert marked() == []
        assert (await stage.query()).error is not None

    body = f"""
    def on_prompt(message):
        say("working")
        update(sessionUpdate="tool_call", toolCallId="c", title="t")
        {dying}
    serve(on_prompt)
    """
    settings = {"max_line_bytes": 2_000_000}
    play(scripted(tmp_path, body, settings=settings, env=environment(MY_TOKEN="tk-12345678")), scene)


def test_an_agent_that_dies_between_turns_is_seen_to_be_dead(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        while stage.provider.alive:
            await asyncio.sleep(0.01)
        outcome = await stage.query()
        assert outcome == failed("agent_crashed", "The agent ended by itself with status 5.")
        assert marked() == []

    play(scripted(tmp_path, "def on_prompt(message):\n    end(message)\n    sys.exit(5)\nserve(on_prompt)"), scene)


def test_an_agent_that_ignores_a_cancel_is_killed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query())
        await stage.until_said("deaf")
        await stage.provider.cancel()
        assert await turn == TurnOutcome(None, "cancelled")
        assert not stage.provider.alive
        assert marked() == []

    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    def on_prompt(message):
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", code])
        say("deaf")
    serve(on_prompt)
    """
    play(scripted(tmp_path, body, settings={"cancel_timeout_s": 0.3}), scene)


@pytest.mark.parametrize("ending", ["end(prompt)", "fail(prompt, -32603, 'aborted')", "sys.exit(1)"])
def test_whatever_ends_a_cancelled_turn_it_is_cancelled(tmp_path: Path, ending: str) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query())
        await stage.until_said("started")
        await stage.provider.cancel()
        assert (await turn).outcome == "cancelled"

    body = f"""
    def on_prompt(message):
        global prompt
        prompt = message
        say("started")
    def on_cancel(message):
        {ending}
    serve(on_prompt, session_cancel=on_cancel)
    """
    play(scripted(tmp_path, body), scene)


def test_an_agent_that_does_not_read_is_given_up(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        outcome = await stage.query("x" * 10_000_000)
        assert outcome == failed("agent_crashed", "The agent has not read its input for 0.3 s.")

    body = """
    def on_new(message):
        reply(message, sessionId="s1")
        time.sleep(600)
    serve(None, session_new=on_new)
    """
    play(scripted(tmp_path, body, settings={"write_timeout_s": 0.3}), scene)


def test_lines_that_are_no_messages_are_passed_over(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        assert stage.told == [Said("message", "before"), Said("message", "half \ufffd"), Said("message", "after")]

    body = r"""
    def on_prompt(message):
        say("before")
        for line in ("", "not JSON", '{"a":', "[1,2]", '"text"', "7", "true", "null", "[" * 100000):
            print(line)
        for line in ("{}", '{"method": 3}'):
            print(line)
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\xff\xfe\n")
        print('{"jsonrpc":"2.0","method":"session/update","params":[]}')
        send({"method": "$/cancel_request", "params": {"requestId": 1}})
        send({"method": "_auth/status_update", "params": {}})
        send({"method": "session/update", "params": {"sessionId": "another", "update": {
            "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "not ours"}}}})
        say("half \ud83d")
        send({"id": 99, "method": "fs/read_text_file", "params": {"sessionId": "s1", "path": "/etc/passwd"}})
        assert "error" in next(messages())
        say("after")
        end(message)
    serve(on_prompt)
    """
    play(scripted(tmp_path, body), scene)


def test_a_line_of_twenty_megabytes_and_a_megabyte_of_standard_error_are_no_trouble(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("/stderr 1000000\n/big 20000000\n/stderr 1000000") == DONE
        assert len(stage.said) == 20_000_000
        kept = sum((tmp_path / name).stat().st_size for name in ("stderr.log", "stderr.log.1"))
        assert kept <= 1024 * 1024

    play(echo(tmp_path), scene)


def test_fifty_thousand_pieces_come_in_order_and_do_not_pile_up(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        told = [(told.kind, int(told.text)) for told in stage.told if isinstance(told, Said)]
        assert told == [("thinking" if number % 3 == 0 else "message", number) for number in range(50_000)]
        assert max(tasks) < 10

    class Counting(Stage):
        def hear(self, happening: Any) -> None:
            self.told.append(happening)
            if len(self.told) % 1000 == 0:
                tasks.append(len(asyncio.all_tasks()))

    tasks: list[int] = []
    body = """
    def on_prompt(message):
        for number in range(50_000):
            (say if number % 3 else think)(str(number))
        end(message)
    serve(on_prompt)
    """
    play(Counting(tmp_path, script(tmp_path, body), allow), scene)
