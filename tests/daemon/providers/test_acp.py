"""The ACP provider: opening, turns, cancel and end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mooring.core.happenings import ContextLost, Noted, Said, ToolEnded, ToolStarted
from mooring.providers.ports import (
    MCPRemote,
    MCPStdio,
    Provider,
    ProviderError,
    Question,
    TextBlock,
    Verdict,
)

from .scripted import (
    CANCELLED,
    DONE,
    ECHO,
    Stage,
    echo,
    environment,
    failed,
    marked,
    nobody_left,
    play,
    scripted,
    under,
)

__all__ = ["nobody_left"]


def test_turns_run_one_after_the_other_in_one_conversation(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        provider: Provider = stage.provider
        assert await stage.query("hello  there") == DONE
        assert stage.told == [Said("message", piece) for piece in ("You ", "said: ", "hello  ", "there")]
        stage.told.clear()
        assert await stage.query('/think so\n/tool add {"a": 1}') == DONE
        assert stage.told[0] == Said("thinking", "so")
        assert isinstance(stage.told[1], ToolStarted)
        assert (stage.told[1].name, stage.told[1].input) == ("add", {"a": 1})
        assert stage.told[2] == ToolEnded(call_id=stage.told[1].call_id, text="add ran with {'a': 1}")
        stage.told.clear()
        assert await stage.query("/count") == DONE
        assert stage.said == "This session has seen 3 prompts."
        assert await provider.push([TextBlock("more")]) is False
        await provider.cancel()
        assert await stage.query("still here") == DONE

    play(echo(tmp_path), scene)


def test_an_agents_error_fails_the_turn_and_the_next_one_works(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("/fail no credit left") == failed("agent_failed", "no credit left")
        assert stage.provider.alive
        assert await stage.query("again") == DONE

    play(echo(tmp_path), scene)


def test_a_cancel_settles_the_turn_and_the_next_one_works(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query("/hold"))
        await stage.until_said("holding")
        await asyncio.gather(stage.provider.cancel(), stage.provider.cancel())
        assert await turn == CANCELLED
        assert await stage.query("next") == DONE
        # A turn that has only just begun is cancelled, too.
        turn = asyncio.create_task(stage.query("/hold"))
        await asyncio.sleep(0)
        await stage.provider.cancel()
        assert await turn == CANCELLED

    play(echo(tmp_path), scene)


def test_a_conversation_goes_on_in_another_child_without_a_replay(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("first") == DONE
        kept = stage.provider.continuation
        await stage.provider.end()
        assert not stage.provider.alive
        stage.told.clear()
        stage.provider = stage.fresh()
        assert stage.provider.continuation is None
        await stage.provider.open(kept)
        assert stage.provider.continuation == kept
        assert await stage.query("/count\n/history") == DONE
        assert stage.said == "This session has seen 2 prompts.first"
        assert not any(isinstance(told, ContextLost) for told in stage.told)

    play(echo(tmp_path), scene)


def test_activity_tells_of_output_and_open_calls(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        before = stage.provider.activity()
        turn = asyncio.create_task(stage.query("/ask deploy {}"))
        await asked.wait()
        during = stage.provider.activity()
        assert (before.open_calls, during.open_calls) == (0, 1)
        assert during.last_output_monotonic > before.last_output_monotonic
        answer.set()
        assert await turn == DONE
        assert stage.provider.activity().open_calls == 0

    async def ask(question: Question) -> Verdict:
        asked.set()
        await answer.wait()
        return Verdict("allow")

    asked, answer = asyncio.Event(), asyncio.Event()
    stage = echo(tmp_path, ask=ask)
    assert stage.provider.activity().open_calls == 0
    play(stage, scene)


def test_one_turn_at_a_time_and_one_open(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(RuntimeError):
            await stage.query("not open yet")
        await stage.provider.open(None)
        with pytest.raises(RuntimeError):
            await stage.provider.open(None)
        turn = asyncio.create_task(stage.query("/hold"))
        await stage.until_said("holding")
        with pytest.raises(RuntimeError):
            await stage.query("second")
        (tmp_path / "release").touch()
        assert await turn == DONE

    play(echo(tmp_path), scene, opened=False)


def test_the_end_in_a_turn_ends_it_as_cancelled(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query("/hold"))
        await stage.until_said("holding")
        await stage.provider.end()
        assert (await turn).outcome == "cancelled"
        assert marked() == []

    play(echo(tmp_path), scene)


def test_a_query_that_is_abandoned_takes_the_child_with_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query("/hold"))
        await stage.until_said("holding")
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert not stage.provider.alive
        assert await stage.query("more") == failed("agent_crashed", "The turn was abandoned.")

    play(echo(tmp_path), scene)


def test_a_sink_that_fails_fails_the_query_and_the_child(tmp_path: Path) -> None:
    def sink(happening: object) -> None:
        raise OSError("disk full")

    async def scene(stage: Stage) -> None:
        stage.hear = sink  # type: ignore[method-assign]
        stage.provider = stage.fresh()
        try:
            await stage.provider.open(None)
            with pytest.raises(OSError, match="disk full"):
                await stage.query("hello")
            assert not stage.provider.alive
        finally:
            await stage.provider.end()

    play(echo(tmp_path), scene, opened=False)


def test_a_program_or_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(ProviderError) as caught:
            await stage.provider.open(None)
        assert caught.value.code == stage.settings.pop("expected")

    for code, folder, command in (
        ("agent_not_found", tmp_path, ("no-such-agent",)),
        ("agent_failed", tmp_path / "gone", ECHO),
    ):
        stage = Stage(folder, command)
        stage.settings["expected"] = code
        play(stage, scene, opened=False)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            "sys.stderr.write('no node'); sys.exit(3)",
            "agent_crashed",
            "ended by itself with status 3. It last said: no node",
        ),
        ("os.kill(os.getpid(), 9)", "agent_crashed", "ended by signal 9"),
        ("sys.stdin.read()", "handshake_timeout", "not get ready within 0.5 s"),
        ("serve(None, initialize=lambda m: reply(m, protocolVersion=9))", "agent_failed", "ACP version 9"),
        ("serve(None, initialize=lambda m: reply(m, protocolVersion='x'))", "agent_failed", "not as ACP has it"),
        (
            "serve(None, session_new=lambda m: fail(m, -32000, 'Authentication required'))",
            "authentication_required",
            "Authentication required",
        ),
        (
            "serve(None, session_new=lambda m: fail(m, -32603, 'Internal error', {'details': 'key sk-12345678'}))",
            "agent_failed",
            "Internal error: key ***",
        ),
    ],
)
def test_an_agent_that_can_not_be_opened_leaves_nothing(tmp_path: Path, body: str, code: str, message: str) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(ProviderError) as caught:
            await stage.provider.open(None)
        assert marked() == []
        assert caught.value.code == code
        assert message in caught.value.message
        assert not stage.provider.alive

    # Time enough for all but the one that never answers.
    settings = {"handshake_timeout_s": 0.5 if code == "handshake_timeout" else 20}
    stage = scripted(tmp_path, body, settings=settings, env=environment(MY_API_KEY="sk-12345678"))
    play(stage, scene, opened=False)


def test_an_opening_that_is_cancelled_or_ended_leaves_nothing(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        opening = asyncio.create_task(stage.provider.open(None))
        await started()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert marked() == []
        for wait in (started, lambda: asyncio.sleep(0)):
            (tmp_path / "started").unlink(missing_ok=True)
            stage.provider = stage.fresh()
            opening = asyncio.create_task(stage.provider.open(None))
            await wait()
            await stage.provider.end()
            with pytest.raises(ProviderError):
                await opening
            assert marked() == []

    async def started() -> None:
        while not (tmp_path / "started").exists():
            await asyncio.sleep(0.01)

    play(scripted(tmp_path, "open('started', 'w').close(); sys.stdin.read()"), scene, opened=False)


BACK = """
seen = []
def answer(message):
    seen.append(message["method"])
    if message["method"] in BROKEN:
        fail(message, -32002, "No such session")
        return
    if message["method"] == "session/load":
        update(sessionUpdate="user_message_chunk", content={"type": "text", "text": "old question"})
        say("old answer")
        update(sessionUpdate="tool_call", toolCallId="old", title="t", status="completed")
    reply(message, sessionId="s1")
def on_prompt(message):
    say(" ".join(seen))
    end(message)
serve(on_prompt, CAPABILITIES, session_new=answer, session_load=answer, session_resume=answer)
"""
BOTH = '{"loadSession": True, "sessionCapabilities": {"resume": {}}}'
KEPT = json.dumps({"agent_id": "echo", "session_id": "s1", "version": None})


@pytest.mark.parametrize(
    ("capabilities", "broken", "kept", "calls", "lost"),
    [
        (BOTH, "[]", KEPT, "session/resume", None),
        ('{"loadSession": True}', "[]", KEPT, "session/load", None),
        (BOTH, "['session/resume']", KEPT, "session/resume session/load", None),
        (
            BOTH,
            "['session/resume', 'session/load']",
            KEPT,
            "session/resume session/load session/new",
            "The agent can't load the earlier conversation: No such session",
        ),
        ("{}", "[]", KEPT, "session/new", "This agent can't take up an earlier conversation."),
        (BOTH, "[]", "{}", "session/new", "What was kept of the earlier conversation is not this agent's."),
        (
            BOTH,
            "[]",
            KEPT.replace("echo", "gemini"),
            "session/new",
            "What was kept of the earlier conversation is not this agent's.",
        ),
        (BOTH, "[]", None, "session/new", None),
    ],
)
def test_resume_is_preferred_to_load_and_a_loss_is_told(
    tmp_path: Path, capabilities: str, broken: str, kept: str | None, calls: str, lost: str | None
) -> None:
    async def scene(stage: Stage) -> None:
        await stage.provider.open(kept)
        assert json.loads(stage.provider.continuation or "")["session_id"] == "s1"
        assert await stage.query() == DONE
        assert stage.told == ([ContextLost(lost)] if lost else []) + [Said("message", calls)]

    body = BACK.replace("BROKEN", broken).replace("CAPABILITIES", capabilities)
    play(scripted(tmp_path, body), scene, opened=False)


def test_a_replay_that_is_late_is_not_told_either(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.provider.open(KEPT)
        before = stage.provider.activity().last_output_monotonic
        (tmp_path / "go").touch()
        async with asyncio.timeout(20):
            while stage.provider.activity().last_output_monotonic == before or stage.provider.alive:
                await asyncio.sleep(0.01)
        assert stage.told == []

    body = """
    def on_load(message):
        reply(message)
        while not os.path.exists("go"):
            time.sleep(0.01)
        say("old answer")
        sys.exit()
    serve(None, {"loadSession": True}, session_load=on_load)
    """
    play(scripted(tmp_path, body), scene, opened=False)


def test_servers_and_system_prompt_are_offered_as_far_as_the_agent_takes_them(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        params = json.loads(stage.said)
        assert params["cwd"] == str(tmp_path)
        assert params["_meta"] == {"systemPrompt": {"append": "Be brief."}}, "always_allow adds no rules"
        assert params["mcpServers"] == [
            {"name": "files", "command": "/bin/files", "args": ["-r"], "env": [{"name": "A", "value": "1"}]},
            {"type": "http", "name": "notes", "url": "http://n", "headers": [{"name": "Authorization", "value": "x"}]},
        ]
        assert stage.told[0] == Noted("mcp_server_unsupported", "events")

    body = """
    seen = []
    def on_new(message):
        seen.append(message["params"])
        reply(message, sessionId="s1")
    def on_prompt(message):
        say(json.dumps(seen[0]))
        end(message)
    serve(on_prompt, {"mcpCapabilities": {"http": True}}, session_new=on_new)
    """
    servers = (
        MCPStdio("files", "/bin/files", ("-r",), {"A": "1"}),
        MCPRemote("notes", "http://n", {"Authorization": "x"}),
        MCPRemote("events", "http://e", transport="sse"),
    )
    settings = {
        "mcp_servers": servers,
        "agent_id": "claude-acp",
        "system_prompt": "Be brief.",
        **under("always_allow"),
    }
    play(scripted(tmp_path, body, settings=settings), scene)
