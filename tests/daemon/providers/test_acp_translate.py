"""From updates to happenings: for every odd sequence one start and one end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core.happenings import (
    Happening,
    Noted,
    Planned,
    Said,
    ToolEnded,
    ToolStarted,
    ToolUpdated,
    Used,
)
from mooring.providers.acp_translate import DENIED, ENDED_BY_TURN, MAX_SHOWN, Translator, question_input


def text(said: str) -> list[dict[str, Any]]:
    return [{"type": "content", "content": {"type": "text", "text": said}}]


def start(call_id: str = "c", **more: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call", "toolCallId": call_id, **more}


def change(call_id: str = "c", **more: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call_update", "toolCallId": call_id, **more}


def diff(new: str) -> dict[str, Any]:
    return {"type": "diff", "path": "a", "oldText": "1", "newText": new}


def told(*updates: object, agent_id: str = "") -> list[Happening]:
    translator = Translator(agent_id)
    translator.begin_turn()
    return [happening for update in updates for happening in translator.update(update)]


@pytest.mark.parametrize(
    ("update", "happenings"),
    [
        ({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "hi"}}, [Said("message", "hi")]),
        ({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}}, [Said("thinking", "hm")]),
        ({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": ""}}, []),
        ({"sessionUpdate": "agent_message_chunk"}, []),
        ({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": "mine"}}, []),
        ({"sessionUpdate": "available_commands_update", "availableCommands": []}, []),
        (
            {"sessionUpdate": "plan", "entries": [{"content": "a", "priority": "low", "status": "pending"}, 3]},
            [Planned(({"content": "a", "priority": "low", "status": "pending"},))],
        ),
        ({"sessionUpdate": "plan"}, []),
        (
            {"sessionUpdate": "usage_update", "used": 7, "size": 100, "cost": {"amount": 0.1, "currency": "USD"}},
            [Used({"context_used": 7, "context_size": 100, "cost": {"amount": 0.1, "currency": "USD"}})],
        ),
        ({"sessionUpdate": "usage_update"}, []),
        ({"sessionUpdate": "current_mode_update", "currentModeId": "plan"}, [Noted("mode", "plan")]),
        ({"sessionUpdate": "session_info_update", "title": "A title"}, [Noted("session_title", "A title")]),
        ({"sessionUpdate": "session_info_update", "updatedAt": "now"}, []),
        ({"sessionUpdate": "dance"}, [Noted("unrecognised_update", "dance")]),
        ({"sessionUpdate": ["odd"]}, [Noted("unrecognised_update", "['odd']")]),
        ("nonsense", []),
    ],
)
def test_an_update_is_told_as(update: object, happenings: list[Happening]) -> None:
    assert told(update) == happenings


def test_an_update_within_its_notification_is_the_same() -> None:
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "hi"}}
    assert told({"sessionId": "s", "update": chunk}) == told(chunk) == [Said("message", "hi")]


def test_an_unrecognised_kind_is_noted_once() -> None:
    assert told({"sessionUpdate": "dance"}, {"sessionUpdate": "dance"}) == [Noted("unrecognised_update", "dance")]


def test_claudes_sequence_for_a_call() -> None:
    meta = {"claudeCode": {"toolName": "Bash"}}
    assert told(
        start(title="Terminal", kind="execute", status="pending", rawInput={}, _meta=meta),
        change(title="echo hi", rawInput={"command": "echo hi"}),
        change(status="completed", rawOutput="hi", content=text("hi!")),
    ) == [
        ToolStarted(call_id="c", name="Bash", kind="execute", input={}, title="Terminal", has_begun=False),
        ToolUpdated(call_id="c", input={"command": "echo hi"}, title="echo hi"),
        ToolEnded(call_id="c", text="hi!"),
    ]


def test_an_end_without_a_start_has_both() -> None:
    assert told(change(title="echo hi", kind="execute", status="completed", rawOutput={"output": "hi"})) == [
        ToolStarted(call_id="c", name="execute", kind="execute", title="echo hi"),
        ToolEnded(call_id="c", text="hi"),
    ]


def test_a_start_that_is_the_end_has_both() -> None:
    assert told(start(title="read", status="failed", content=text("no such file"))) == [
        ToolStarted(call_id="c", name="read", title="read"),
        ToolEnded(call_id="c", text="no such file", is_error=True),
    ]


def test_a_second_start_is_a_change() -> None:
    assert told(start(title="bash"), start(title="ls", kind="execute"), start(title="ls", kind="execute")) == [
        ToolStarted(call_id="c", name="bash", title="bash"),
        ToolUpdated(call_id="c", kind="execute", title="ls"),
    ]


def test_repeats_and_empty_arguments_are_not_told() -> None:
    repeated = change(status="in_progress", rawInput={}, content=text("half"))
    assert told(start(title="t", rawInput={"a": 1}), repeated, repeated) == [
        ToolStarted(call_id="c", name="t", input={"a": 1}, title="t"),
        ToolUpdated(call_id="c", text="half"),
    ]


def test_what_comes_after_the_end_is_not_told() -> None:
    ended = told(start(title="t"), change(status="completed"), change(status="failed"), start(title="t"))
    assert ended == [ToolStarted(call_id="c", name="t", title="t"), ToolEnded(call_id="c", text="")]


def test_an_end_without_text_has_what_was_shown_last() -> None:
    assert told(start(title="t", content=text("shown")), change(status="completed"))[-1] == ToolEnded(
        call_id="c", text="shown"
    )


def test_a_terminal_of_the_agents_own_is_heard() -> None:
    piece = {"terminal_output_delta": {"data": "a\n"}}
    terminal = [{"type": "terminal", "terminalId": "t1"}]
    assert told(
        start(title="t", content=terminal), change(_meta=piece), change(_meta=piece), change(status="completed")
    ) == [
        ToolStarted(call_id="c", name="t", title="t"),
        ToolUpdated(call_id="c", text="a\n"),
        ToolUpdated(call_id="c", text="a\na\n"),
        ToolEnded(call_id="c", text="a\na\n"),
    ]
    whole = {"terminal_output": {"data": "all"}}
    assert told(start(title="t", _meta=piece), change(status="completed", _meta=whole))[-1].text == "all"  # type: ignore[union-attr]
    assert told(start(title="t", status="completed", content=terminal))[-1] == ToolEnded(
        call_id="c", text="[terminal t1]"
    )


def test_a_long_output_is_told_at_the_end_only() -> None:
    piece = {"terminal_output_delta": {"data": "x" * (MAX_SHOWN - 1)}}
    happenings = told(start(title="t"), change(_meta=piece), change(_meta=piece), change(status="completed"))
    assert [type(happening) for happening in happenings] == [ToolStarted, ToolUpdated, ToolEnded]
    assert happenings[-1] == ToolEnded(call_id="c", text="x" * 2 * (MAX_SHOWN - 1))
    content = told(start(title="t"), change(content=text("y" * (MAX_SHOWN + 1))), change(status="completed"))
    assert content[1:] == [ToolEnded(call_id="c", text="y" * (MAX_SHOWN + 1))]


def test_a_call_that_is_only_announced_has_not_begun_until_it_is_in_progress() -> None:
    """Catches a use that is told with empty arguments while the model still writes them."""
    assert told(
        start(title="bash", status="pending", rawInput={}),
        change(status="in_progress", rawInput={"command": "ls"}),
        change(status="in_progress"),
    ) == [
        ToolStarted(call_id="c", name="bash", title="bash", has_begun=False),
        ToolUpdated(call_id="c", input={"command": "ls"}, has_begun=True),
    ]


def test_the_tools_name_is_the_one_that_the_agent_tells_on_purpose() -> None:
    call_id = "run_shell_command__call_1"
    (begun,) = told(start(call_id, title="echo hi", kind="execute"), agent_id="gemini")
    assert isinstance(begun, ToolStarted)
    assert begun.name == "run_shell_command"


SHOWN = "--- a\n+++ a\n@@ -1 +1 @@\n-1\n+2"


@pytest.mark.parametrize(
    ("end", "result"),
    [
        ({"status": "completed"}, SHOWN),
        ({"status": "completed", "rawOutput": "Updated."}, f"Updated.\n{SHOWN}"),
        ({"status": "completed", "content": text("Updated.")}, f"Updated.\n{SHOWN}"),
        ({"status": "completed", "content": [*text("Updated."), diff("3")]}, f"Updated.\n{SHOWN[:-1]}3"),
        ({"status": "completed", "content": []}, ""),
        ({"status": "failed", "rawOutput": "No."}, "No."),
        ({"status": "failed"}, ""),
    ],
)
def test_a_change_of_a_file_is_in_the_result_of_a_call_that_made_it_and_is_nothing_that_it_puts_out(
    end: dict[str, Any], result: str
) -> None:
    """Catches an edit whose result does not say what changed, or that did not happen and is shown as if it had."""
    begun, ended = told(start(title="Edit", content=[diff("2")]), change(**end))
    assert isinstance(begun, ToolStarted)
    assert ended == ToolEnded(call_id="c", text=result, is_error=end["status"] == "failed")


def test_a_change_that_only_the_question_shows_is_in_the_result_too() -> None:
    """OpenCode shows the whole file's change when it asks, and says afterwards only that it is written."""
    translator = Translator()
    translator.begin_turn()
    translator.update(start(title="write"))
    translator.asked({"toolCallId": "c", "title": "a", "content": [diff("2")]})
    assert translator.update(change(status="completed", content=text("Wrote."))) == [
        ToolEnded(call_id="c", text=f"Wrote.\n{SHOWN}")
    ]


@pytest.mark.parametrize("end", [None, {"status": "failed"}, {"status": "failed", "rawOutput": "User refused."}])
def test_a_call_that_was_denied_says_so_unless_the_agent_does(end: dict[str, Any] | None) -> None:
    """Gemini CLI says nothing more of it, and Codex only that it failed."""
    translator = Translator()
    translator.begin_turn()
    _, call = translator.asked({"toolCallId": "c", "title": "rm"})
    call.is_denied = True
    (ended,) = translator.update(change(**end)) if end else translator.end_turn()
    assert ended == ToolEnded(call_id="c", text=(end or {}).get("rawOutput", DENIED), is_error=True)


def test_a_call_without_an_id_is_nothing() -> None:
    assert told({"sessionUpdate": "tool_call", "title": "t"}, start("")) == []


def test_a_question_may_be_the_first_that_is_heard_of_a_call() -> None:
    translator = Translator()
    translator.begin_turn()
    asked = {"toolCallId": "c", "title": "echo hi", "kind": "execute", "status": "completed", "rawInput": {"cmd": "x"}}
    happenings, call = translator.asked(asked)
    assert happenings == [ToolStarted(call_id="c", name="execute", kind="execute", input={"cmd": "x"}, title="echo hi")]
    assert (call.call_id, call.is_ended, translator.open_calls) == ("c", False, 1)
    assert translator.update(change(status="completed")) == [ToolEnded(call_id="c", text="")]
    assert translator.open_calls == 0


def test_a_question_is_about_the_arguments_known_or_else_about_all_that_is_shown() -> None:
    translator = Translator()
    translator.begin_turn()
    translator.update(start(title="Write", rawInput={"path": "a"}))
    _, known = translator.asked({"toolCallId": "c", "title": "Write a"})
    assert question_input(known, {"title": "Write a"}) == {"path": "a"}
    shown = {"toolCallId": "d", "title": "Write b", "content": text("b"), "locations": []}
    _, unknown = translator.asked(shown)
    assert question_input(unknown, shown) == {"title": "Write b", "content": text("b")}


def test_a_question_is_also_about_what_was_shown_before_it() -> None:
    """Catches a yes to "Editing files" that is good for whatever change: Codex shows it when the call begins only."""
    translator = Translator()
    translator.begin_turn()
    translator.update(start(title="Editing files", kind="edit", content=[diff("2")]))
    asked = {"toolCallId": "c", "title": "Editing files", "locations": [{"path": "a"}]}
    _, call = translator.asked(asked)
    assert question_input(call, asked) == {
        "title": "Editing files",
        "content": [diff("2")],
        "locations": [{"path": "a"}],
    }


def test_what_a_question_shows_is_nothing_that_its_call_put_out() -> None:
    """Gemini CLI's questions show the folder; a use that is told for it would be told again with the question."""
    translator = Translator()
    translator.begin_turn()
    happenings, _ = translator.asked({"toolCallId": "c", "title": "ls", "kind": "execute", "content": text("in /x")})
    assert happenings == [ToolStarted(call_id="c", name="ls", kind="execute", title="ls")]
    assert translator.end_turn() == [ToolEnded(call_id="c", text=ENDED_BY_TURN, is_error=True)]


def test_an_end_with_an_empty_list_takes_back_what_was_shown() -> None:
    shown = start(title="ls", kind="execute", content=text("in /x"))
    assert told(shown, change(status="completed", content=[]))[-1] == ToolEnded(call_id="c", text="")
    assert told(shown, change(status="completed"))[-1] == ToolEnded(call_id="c", text="in /x")


def test_the_end_of_the_turn_ends_what_is_open() -> None:
    translator = Translator()
    translator.begin_turn()
    for update in (start("a", title="t"), start("b", title="t", content=text("half")), start("c", status="completed")):
        translator.update(update)
    assert translator.end_turn() == [
        ToolEnded(call_id="a", text=ENDED_BY_TURN, is_error=True),
        ToolEnded(call_id="b", text="half", is_error=True),
    ]
    assert translator.open_calls == 0


def test_a_late_update_is_silent_and_a_new_start_is_new() -> None:
    translator = Translator()
    translator.begin_turn()
    translator.update(start(title="t"))
    translator.end_turn()
    translator.begin_turn()
    assert translator.update(change(status="completed")) == []
    assert translator.update(start(title="t")) == [ToolStarted(call_id="c", name="t", title="t")]
    assert translator.update(change(status="completed")) == [ToolEnded(call_id="c", text="")]


_UPDATES = st.fixed_dictionaries(
    {"sessionUpdate": st.sampled_from(["tool_call", "tool_call_update"]), "toolCallId": st.sampled_from("ab")},
    optional={
        "status": st.sampled_from(["pending", "in_progress", "completed", "failed", "odd", None]),
        "title": st.sampled_from(["t", "u", None, 3]),
        "rawInput": st.sampled_from([{}, {"a": 1}, "x", None]),
        "content": st.sampled_from([[], text("x"), None, "odd", [None]]),
    },
)


@given(st.lists(_UPDATES, max_size=12))
def test_any_sequence_gives_one_start_then_changes_then_one_end(updates: list[dict[str, Any]]) -> None:
    translator = Translator()
    translator.begin_turn()
    happenings = [happening for update in updates for happening in translator.update(update)] + translator.end_turn()
    for call_id in {update["toolCallId"] for update in updates}:
        kinds = [type(told) for told in happenings if getattr(told, "call_id", None) == call_id]
        assert kinds[0] is ToolStarted
        assert kinds[-1] is ToolEnded
        assert set(kinds[1:-1]) <= {ToolUpdated}
