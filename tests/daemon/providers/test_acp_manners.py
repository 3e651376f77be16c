"""What the ACP provider does for one known agent and no other: modes, failures that look like answers, late replays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mooring.core.happenings import Noted, Said, Used
from mooring.core.permissions import Policy
from mooring.providers.ports import ProviderError, TextBlock

from .scripted import DONE, Stage, failed, nobody_left, play, scripted, under

__all__ = ["nobody_left"]

CODEX: dict[str, Any] = {"agent_id": "codex-acp"}
CLAUDE: dict[str, Any] = {"agent_id": "claude-acp"}
KEPT = json.dumps({"agent_id": "codex-acp", "session_id": "s1", "version": None})

MODES = """
seen = []
def on_mode(message):
    seen.append(message["params"]["modeId"])
    reply(message)
"""


@pytest.mark.parametrize(
    ("agent_id", "policy", "modes"),
    [
        ("codex-acp", "always_ask", ["read-only"]),
        ("codex-acp", "always_allow", ["workspace-write"]),
        ("gemini", "always_ask", ["default"]),
        ("gemini", "always_allow", []),
    ],
)
def test_an_agent_is_put_in_the_mode_in_which_it_keeps_the_policy(
    tmp_path: Path, agent_id: str, policy: Policy, modes: list[str]
) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        assert stage.said == json.dumps(modes)

    body = f"""{MODES}
def on_prompt(message):
    say(json.dumps(seen))
    end(message)
serve(on_prompt, session_set_mode=on_mode)
"""
    play(scripted(tmp_path, body, settings={"agent_id": agent_id, **under(policy)}), scene)


def test_the_mode_is_set_again_when_a_conversation_is_taken_up(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.provider.open(KEPT)
        assert await stage.query() == DONE
        assert stage.said == '["read-only"]'

    body = f"""{MODES}
def on_prompt(message):
    say(json.dumps(seen))
    end(message)
serve(on_prompt, {{"sessionCapabilities": {{"resume": {{}}}}}}, session_set_mode=on_mode)
"""
    play(scripted(tmp_path, body, settings=CODEX), scene, opened=False)


def test_an_agent_that_can_not_be_brought_to_ask_is_not_opened(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(ProviderError, match="can't keep the policy always_ask.*'read-only'.*No such mode") as told:
            await stage.provider.open(None)
        assert told.value.code == "agent_failed"

    body = "serve(None, session_set_mode=lambda message: fail(message, -32602, 'No such mode'))"
    play(scripted(tmp_path, body, settings=CODEX), scene, opened=False)


def test_a_policy_that_an_agent_does_not_keep_is_told(tmp_path: Path) -> None:
    """Catches a team that believes that it is asked before files are read. Codex reads in its sandbox unasked."""

    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        assert [told for told in stage.told if isinstance(told, Noted)] == [Noted("policy_not_kept", "read")]

    settings = {**CODEX, **under("always_allow", read="always_ask", bash="always_ask")}
    play(scripted(tmp_path, "serve(end, session_set_mode=reply)", settings=settings), scene)


FAILURE = """
def meta(severity, category="request"):
    failure = {"id": "1", "severity": severity, "category": category, "title": "The model said no: 400"}
    return {"jetbrains": {"air": {"version": 1, "sessionFailure": failure}}}
def on_initialize(message):
    air = message["params"]["clientCapabilities"]["_meta"]["jetbrains"]["air"]
    assert air == {"version": 1, "capabilities": ["sessionFailure"]}
    reply(message, protocolVersion=1, agentCapabilities={})
def on_prompt(message):
    update(sessionUpdate="session_info_update", _meta=meta("warning"))
    end(message, _meta=META)
serve(on_prompt, initialize=on_initialize, session_set_mode=reply)
"""


@pytest.mark.parametrize(
    ("meta", "outcome"),
    [
        ("meta('error')", failed("agent_failed", "The model said no: 400")),
        ("meta('error', 'auth_required')", failed("authentication_required", "The model said no: 400")),
        ("meta('warning')", DONE),
        ("{'quota': {}}", DONE),
    ],
)
def test_a_typed_failure_in_an_ordinary_response_fails_the_turn(tmp_path: Path, meta: str, outcome: object) -> None:
    """Codex's adapter ends a turn that the model's error has cut short with end_turn."""

    async def scene(stage: Stage) -> None:
        assert await stage.query() == outcome
        assert stage.told == [Noted("agent_warning", "The model said no: 400")]

    play(scripted(tmp_path, FAILURE.replace("META", meta), settings=CODEX), scene)


ECHOED = """
def mine(text):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text}, messageId="c4371a17-59c6")
def models(text):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text}, messageId="msg_01")
def used():
    update(sessionUpdate="usage_update", used=1, size=2)
def on_prompt(message):
    match message["params"]["prompt"][0]["text"]:
        case "fails":
            models("Half an")
            mine("API Error: 400 no")
            used()
            fail(message, -32603, "Internal error: API Error: 400 no")
        case "fails otherwise":
            mine("Compacted.")
            fail(message, -32603, "Internal error: broken pipe")
        case "goes on":
            mine("Compacted.")
            models("Fine.")
            end(message)
        case "ends":
            mine("Compacted.")
            end(message)
serve(on_prompt, session_set_mode=reply)
"""


def test_claudes_error_is_told_as_the_turns_end_and_not_as_an_answer_too(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        used = Used({"context_used": 1, "context_size": 2})
        for prompt, outcome, told in (
            ("fails", failed("agent_failed", "Internal error: API Error: 400 no"), ["Half an", used]),
            ("fails otherwise", failed("agent_failed", "Internal error: broken pipe"), ["Compacted."]),
            ("goes on", DONE, ["Compacted.", "Fine."]),
            ("ends", DONE, ["Compacted."]),
        ):
            stage.told.clear()
            assert await stage.provider.query([TextBlock(prompt)]) == outcome
            assert stage.told == [Said("message", one) if isinstance(one, str) else one for one in told], prompt

    play(scripted(tmp_path, ECHOED, settings=CLAUDE), scene)


def test_a_replay_that_goes_on_after_the_load_was_answered_is_not_told(tmp_path: Path) -> None:
    """Gemini CLI does that; here the child says so itself, since the prompt would overtake a real one."""

    async def scene(stage: Stage) -> None:
        await stage.provider.open(KEPT.replace("codex-acp", "echo"))
        assert await stage.query() == DONE
        assert stage.said == "new answer"

    body = """
    def on_load(message):
        reply(message)
        for n in range(8):
            time.sleep(0.05)
            say(f"old answer {n}")
    def on_prompt(message):
        say("new answer")
        end(message)
    serve(on_prompt, {"loadSession": True}, session_load=on_load)
    """
    play(scripted(tmp_path, body), scene, opened=False)
