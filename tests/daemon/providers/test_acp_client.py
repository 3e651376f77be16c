"""Permission questions: who answers them, with which of the agent's options, and when they are withdrawn."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from mooring.core.happenings import Noted, Said, ToolEnded, ToolStarted
from mooring.providers.acp_translate import ENDED_BY_TURN
from mooring.providers.ports import (
    Question,
    Verdict,
)

from .scripted import (
    CANCELLED,
    DONE,
    Stage,
    echo,
    nobody_left,
    play,
    scripted,
)

__all__ = ["nobody_left"]


def answering(outcome: Any, questions: list[Question]) -> Any:
    async def ask(question: Question) -> Verdict:
        questions.append(question)
        return Verdict(outcome)

    return ask


def test_a_person_is_asked_about_exactly_the_call(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query('/ask deploy {"to": "live", "at": 1}') == DONE
        (question,) = questions
        assert (question.tool_name, question.title, question.input) == ("deploy", "deploy", {"to": "live", "at": 1})
        canonical = f'["deploy",{{"at":1,"to":"live"}},"{tmp_path}"]'
        assert question.call_hash == hashlib.sha256(canonical.encode()).hexdigest()
        assert [choice.kind for choice in question.options] == ["allow_once", "allow_always", "reject_once"]
        start, end = stage.told
        assert isinstance(start, ToolStarted)
        assert start.call_id == question.call_id
        assert end == ToolEnded(call_id=start.call_id, text="deploy ran with {'to': 'live', 'at': 1} (allow-once)")

    questions: list[Question] = []
    play(echo(tmp_path, ask=answering("allow", questions)), scene)


def test_a_call_that_is_denied_is_not_run(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("/ask deploy {}") == DONE
        assert stage.said == "deploy was denied."
        assert [(told.text, told.is_error) for told in stage.told if isinstance(told, ToolEnded)] == [("Denied.", True)]

    play(echo(tmp_path, ask=answering("deny", [])), scene)


def test_under_always_allow_nobody_is_asked_and_once_is_enough(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("/ask deploy {}") == DONE
        assert questions == []
        assert isinstance(stage.told[0], ToolStarted)
        assert isinstance(stage.told[1], ToolEnded)
        assert str(stage.told[1].text).endswith("(allow-once)")

    questions: list[Question] = []
    settings = {"permission_policy": "always_allow"}
    play(echo(tmp_path, ask=answering("deny", questions), settings=settings), scene)


def test_a_cancel_withdraws_an_open_question(tmp_path: Path) -> None:
    async def ask(question: Question) -> Verdict:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()
        raise AssertionError("nobody answers")

    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query("/ask deploy {}"))
        await asked.wait()
        await stage.provider.cancel()
        assert await turn == CANCELLED
        assert withdrawn.is_set()
        end = stage.told[-1]
        assert isinstance(end, ToolEnded)
        assert (end.text, end.is_error) == (ENDED_BY_TURN, True)

    asked, withdrawn = asyncio.Event(), asyncio.Event()
    play(echo(tmp_path, ask=ask), scene)


ASKER = """
def on_prompt(message):
    kinds = message["params"]["prompt"][0]["text"].split()
    outcome = ask([option(kind) for kind in kinds], toolCallId="c", title="rm -r /", kind="execute")
    say(outcome["outcome"] + " " + outcome.get("optionId", "none"))
    end(message)
serve(on_prompt)
"""


@pytest.mark.parametrize(
    ("policy", "verdict", "offered", "answer"),
    [
        ("always_ask", "allow", "reject_once allow_always allow_once", "selected id-allow_once"),
        ("always_ask", "allow", "reject_once allow_always", "selected id-allow_always"),
        ("always_ask", "allow", "reject_once", "cancelled none"),
        ("always_ask", "deny", "allow_once reject_always reject_once", "selected id-reject_once"),
        ("always_ask", "deny", "allow_once reject_always", "selected id-reject_always"),
        ("always_ask", "deny", "allow_once", "cancelled none"),
        ("always_ask", "cancelled", "allow_once reject_once", "cancelled none"),
        ("always_allow", "deny", "allow_always allow_once", "selected id-allow_once"),
        ("always_allow", "deny", "allow_always", "cancelled none"),
    ],
)
def test_a_verdict_becomes_the_option_of_its_kind(
    tmp_path: Path, policy: str, verdict: str, offered: str, answer: str
) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query(offered) == DONE
        assert stage.said == answer
        assert stage.told[0] == ToolStarted(call_id="c", name="execute", kind="execute", title="rm -r /")
        assert stage.told[-1] == ToolEnded(call_id="c", text=ENDED_BY_TURN, is_error=True)
        assert [question.input for question in questions] == [{"title": "rm -r /"}] * (policy == "always_ask")
        notes = [told for told in stage.told if isinstance(told, Noted)]
        assert bool(notes) == (policy == "always_allow" and "none" in answer)

    questions: list[Question] = []
    settings = {"permission_policy": policy}
    play(scripted(tmp_path, ASKER, ask=answering(verdict, questions), settings=settings), scene)


def test_a_question_outside_of_a_turn_is_cancelled(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        assert stage.said == "cancelled"

    async def ask(question: Question) -> Verdict:
        raise AssertionError("asked outside of a turn")

    body = """
    answers = []
    def on_new(message):
        answers.append(ask([option("allow_once")], toolCallId="c", title="t"))
        reply(message, sessionId="s1")
    def on_prompt(message):
        say(answers[0]["outcome"])
        end(message)
    serve(on_prompt, session_new=on_new)
    """
    play(scripted(tmp_path, body, ask=ask), scene)


def test_an_asker_that_fails_fails_the_query_and_not_the_child(tmp_path: Path) -> None:
    async def ask(question: Question) -> Verdict:
        raise LookupError("nobody to ask")

    async def scene(stage: Stage) -> None:
        with pytest.raises(LookupError, match="nobody to ask"):
            await stage.query("/ask deploy {}")
        assert stage.provider.alive

    play(echo(tmp_path, ask=ask), scene)


def test_what_is_said_before_a_question_is_told_before_it_and_what_after_after(tmp_path: Path) -> None:
    async def ask(question: Question) -> Verdict:
        stage.told.append(Noted("asked", question.call_id))
        return Verdict("allow")

    async def scene(stage: Stage) -> None:
        assert await stage.query() == DONE
        kinds = [told.text if isinstance(told, Said | Noted) else type(told).__name__ for told in stage.told]
        once = ["before", "ToolStarted", "c", "after"]
        assert (
            kinds == [word if word != "c" else f"c{turn}" for turn in range(200) for word in once] + ["ToolEnded"] * 200
        )

    body = """
    def on_prompt(message):
        for turn in range(200):
            say("before")
            send({"id": "ask", "method": "session/request_permission", "params": {"sessionId": "s1",
                  "toolCall": {"toolCallId": f"c{turn}", "title": "t"}, "options": [option("allow_once")]}})
            say("after")
        for turn in range(200):
            next(messages())
        end(message)
    serve(on_prompt)
    """
    stage = scripted(tmp_path, body, ask=ask)
    play(stage, scene)
