"""Permission questions: who answers them, with which of the agent's options, and when they are withdrawn."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from mooring.core.happenings import Noted, Said, ToolEnded, ToolStarted
from mooring.core.permissions import Policy
from mooring.providers import acp_client
from mooring.providers.acp_translate import DENIED, ENDED_BY_TURN
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
    under,
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
        assert isinstance(stage.told[-1], ToolEnded)
        assert str(stage.told[-1].text).endswith("(allow-once)")

    questions: list[Question] = []
    play(echo(tmp_path, ask=answering("deny", questions), settings=under("always_allow")), scene)


def test_only_calls_whose_tool_is_not_allowed_are_put_to_a_person(tmp_path: Path) -> None:
    """Catches a tool's policy that is not looked at, or that counts for another tool."""

    async def scene(stage: Stage) -> None:
        assert await stage.query('/ask bash {}\n/ask read {"path": "a"}\n/ask deploy {}') == DONE
        assert [question.tool_name for question in questions] == ["bash", "deploy"]

    questions: list[Question] = []
    settings = under("always_ask", read="always_allow")
    play(echo(tmp_path, ask=answering("allow", questions), settings=settings), scene)


OPENCODE: dict[str, Any] = {"agent_id": "opencode"}

LATE = """
def on_prompt(message):
    update(sessionUpdate="tool_call", toolCallId="c", title="notes_add", kind="other", status="pending", rawInput={})
    send({"id": "ask", "method": "session/request_permission", "params": {"sessionId": "s1",
          "toolCall": {"toolCallId": "c", "title": "notes_add", "rawInput": {}}, "options": [option("allow_once")]}})
    say("asked ")
    if message["params"]["prompt"][0]["text"] == "tell":
        update(sessionUpdate="tool_call_update", toolCallId="c", status="in_progress", rawInput={"text": "milk"})
    answer = next(messages())
    if answer.get("method") == "session/cancel":
        answer = next(messages())
        say(answer["result"]["outcome"]["outcome"])
        end(message, "cancelled")
        return
    end(message)
serve(on_prompt)
"""


def test_a_question_waits_for_the_arguments_of_its_call_where_the_agent_tells_them_late(tmp_path: Path) -> None:
    """Catches a person who is asked about a call of which nothing is shown, and a verdict that is bound to nothing."""

    async def scene(stage: Stage) -> None:
        assert await stage.query("tell") == DONE
        assert [question.input for question in questions] == [{"text": "milk"}]

    questions: list[Question] = []
    play(scripted(tmp_path, LATE, ask=answering("allow", questions), settings=OPENCODE), scene)


def test_a_call_that_has_no_arguments_is_asked_about_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.query("tell nothing") == DONE
        assert [question.input for question in questions] == [{"title": "notes_add"}]

    monkeypatch.setattr(acp_client, "ARGUMENTS_S", 0.01)
    questions: list[Question] = []
    play(scripted(tmp_path, LATE, ask=answering("allow", questions), settings=OPENCODE), scene)


def test_a_turn_that_is_cancelled_while_a_question_waits_for_arguments_asks_nobody(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        turn = asyncio.create_task(stage.query("tell nothing"))
        await stage.until_said("asked ")
        await stage.provider.cancel()
        assert await turn == CANCELLED
        assert (questions, stage.said) == ([], "asked cancelled")

    questions: list[Question] = []
    play(scripted(tmp_path, LATE, ask=answering("allow", questions), settings=OPENCODE), scene)


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
        ("always_ask", "allow", "reject_once allow_always", "cancelled none"),
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
    tmp_path: Path, policy: Policy, verdict: str, offered: str, answer: str
) -> None:
    """Catches an answer that is taken for its opposite, and a yes to one call that lets later ones pass unasked."""

    async def scene(stage: Stage) -> None:
        assert await stage.query(offered) == DONE
        assert stage.said == answer
        assert stage.told[0] == ToolStarted(call_id="c", name="execute", kind="execute", title="rm -r /")
        why = DENIED if verdict == "deny" and policy == "always_ask" else ENDED_BY_TURN
        assert stage.told[-1] == ToolEnded(call_id="c", text=why, is_error=True)
        assert [question.input for question in questions] == [{"title": "rm -r /"}] * (policy == "always_ask")
        notes = [told for told in stage.told if isinstance(told, Noted)]
        assert bool(notes) == ("none" in answer and (verdict == "allow" or policy == "always_allow"))

    questions: list[Question] = []
    play(scripted(tmp_path, ASKER, ask=answering(verdict, questions), settings=under(policy)), scene)


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
