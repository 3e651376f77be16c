"""A turn's transcript: whole events in the order in which the agent lived them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core import happenings as hp
from mooring.core.shorten import MARK, json_bytes
from mooring.core.transcript import SPILL_BYTES, Transcript, spill
from mooring.wire import codec
from mooring.wire import events as ev
from mooring.wire.ids import EventId, TurnId
from mooring.wire.limits import MAX_EVENT_BYTES

TURN = TurnId("turn_1")


def counting_dice() -> Callable[[], str]:
    count = itertools.count(1)
    return lambda: f"{next(count):032d}"[::-1]


@pytest.fixture
def transcript() -> Transcript:
    return Transcript(TURN, counting_dice())


def hear(transcript: Transcript, *happenings: hp.Happening) -> list[Any]:
    return [event for happening in happenings for event in transcript.hear(happening)]


def shown(events: list[Any]) -> list[tuple[str, str]]:
    def gist(event: Any) -> str:
        match event:
            case ev.AgentMessage() | ev.AgentToolResult():
                return "".join(block.text for block in event.content)
            case ev.AgentThinking() | ev.Noted():
                return event.text
            case ev.AgentToolUse():
                return f"{event.name} {event.evaluated_permission}"
            case ev.PermissionSettled() | ev.TurnEnded():
                return event.outcome
            case _:
                return ""

    return [(event.__struct_config__.tag, gist(event)) for event in events]


STARTED = hp.ToolStarted(call_id="c1", name="Bash", input={"command": "ls"})
ASKED = hp.Asked(call_id="c1", name="Bash", input={"command": "ls"}, call_hash="h1")


# ---- text


def test_pieces_of_one_kind_are_one_event_which_another_kind_ends(transcript: Transcript) -> None:
    told = hear(transcript, hp.Said("thinking", "hm"), hp.Said("thinking", "m"), hp.Said("message", "He"))
    assert shown(told) == [("agent.thinking", "hmm")]
    assert hear(transcript, hp.Said("message", "llo"), hp.Said("message", "")) == []
    assert shown(list(transcript.end("completed"))) == [("agent.message", "Hello"), ("mooring.turn_ended", "completed")]


def test_whole_event_has_the_id_under_which_it_was_open(transcript: Transcript) -> None:
    hear(transcript, hp.Said("message", "so far"))
    text = transcript.open
    assert text is not None
    assert (text.text(), text.turn_id, text.event_type) == ("so far", TURN, "agent.message")
    (message, _) = transcript.end("completed")
    assert (message.id, transcript.open) == (text.event_id, None)


@pytest.mark.parametrize(
    "happening",
    [hp.Used({"tokens": 1}), hp.Noted("warning", "x"), hp.ContextLost("gone"), hp.ToolUpdated(call_id="c9", text="x")],
)
def test_what_is_said_beside_does_not_break_a_message(transcript: Transcript, happening: hp.Happening) -> None:
    told = hear(transcript, hp.Said("message", "a"), happening, hp.Said("message", "b"))
    assert "agent.message" not in [tag for tag, _ in shown(told)]
    assert ("agent.message", "ab") in shown(list(transcript.end("completed")))


@pytest.mark.parametrize(
    "happening", [STARTED, ASKED, hp.ToolEnded(call_id="c1"), hp.Planned(({"content": "x"},)), hp.Said("thinking", "x")]
)
def test_what_takes_its_place_ends_a_message_first(transcript: Transcript, happening: hp.Happening) -> None:
    told = hear(transcript, hp.Said("message", "a"), happening)
    assert shown(told)[0] == ("agent.message", "a")


@pytest.mark.parametrize("piece", ["x" * 100_000, "\n💡" * 30_000])
def test_message_without_end_is_cut_says_so_and_fits(transcript: Transcript, piece: str) -> None:
    """Catches a bound that counts characters, and a cut that nobody is told of."""
    for _ in range(60):
        hear(transcript, hp.Said("message", piece))
    assert transcript.open is not None
    length = transcript.open.length
    hear(transcript, hp.Said("message", "and more"))
    assert transcript.open.length == length
    (message, _) = transcript.end("completed")
    assert isinstance(message, ev.AgentMessage)
    assert MAX_EVENT_BYTES - 80_000 < len(codec.encode(message)) <= MAX_EVENT_BYTES
    assert message.content[0].text.endswith(MARK)


def test_half_a_character_does_not_stop_the_event(transcript: Transcript) -> None:
    hear(transcript, hp.Said("message", "a\ud83d"))
    codec.encode(transcript.end("completed")[0])


# ---- tool calls


def test_call_is_held_back_until_its_end_and_told_with_what_was_learnt(transcript: Transcript) -> None:
    begun = hp.ToolStarted(call_id="c1", name="Terminal")
    learnt = hp.ToolUpdated(call_id="c1", name="Bash", input={"command": "ls"}, title="ls")
    assert hear(transcript, begun, learnt) == []
    use, result = hear(transcript, hp.ToolEnded(call_id="c1", text="a.txt"))
    assert (use.name, use.input, use.title, use.evaluated_permission) == ("Bash", {"command": "ls"}, "ls", "allow")
    assert (result.tool_use_id, result.is_error) == (use.id, False)


def test_long_call_is_told_while_it_runs_and_once(transcript: Transcript) -> None:
    hear(transcript, STARTED)
    (use,) = transcript.release()
    assert transcript.release() == ()
    (result,) = hear(transcript, hp.ToolEnded(call_id="c1", text="x", is_error=True))
    assert (result.tool_use_id, result.is_error) == (use.id, True)


def test_call_that_puts_something_out_is_told_and_its_last_output_is_its_result(transcript: Transcript) -> None:
    (use,) = hear(transcript, STARTED, hp.ToolUpdated(call_id="c1", text="half"))
    assert hear(transcript, hp.ToolUpdated(call_id="c1", text="all")) == []
    (result,) = hear(transcript, hp.ToolEnded(call_id="c1"))
    assert (result.tool_use_id, result.content[0].text) == (use.id, "all")


def test_agent_that_speaks_on_has_its_calls_told_before(transcript: Transcript) -> None:
    assert shown(hear(transcript, STARTED, hp.Said("message", "a"))) == [("agent.tool_use", "Bash allow")]


def test_call_that_is_only_announced_is_not_told_until_its_arguments_are_known(transcript: Transcript) -> None:
    """Catches a use that says nothing: a model takes its time to write a long file, and its agent is silent then."""
    assert hear(transcript, hp.ToolStarted(call_id="c1", name="Write", has_begun=False)) == []
    assert transcript.release() == ()
    hear(transcript, hp.ToolUpdated(call_id="c1", input={"path": "a"}))
    (use,) = transcript.release()
    assert isinstance(use, ev.AgentToolUse)
    assert use.input == {"path": "a"}


def test_call_without_arguments_is_told_once_it_has_begun(transcript: Transcript) -> None:
    hear(transcript, hp.ToolStarted(call_id="c1", name="ls", has_begun=False))
    assert hear(transcript, hp.ToolUpdated(call_id="c1", text="what it will do")) == []
    hear(transcript, hp.ToolUpdated(call_id="c1", has_begun=True))
    assert shown(list(transcript.release())) == [("agent.tool_use", "ls allow")]


def test_call_of_an_agent_that_may_still_ask_is_not_told_because_the_agent_speaks_on(transcript: Transcript) -> None:
    """Catches two uses for one call: the question about it may come after what is said beside it."""
    transcript.may_ask = True
    assert hear(transcript, STARTED, hp.Said("message", "a")) == []
    told = hear(transcript, ASKED, hp.Settled(call_id="c1", outcome="allow"), hp.ToolEnded(call_id="c1", text="x"))
    tags = [tag for tag, _ in shown(told)]
    assert tags == ["agent.message", "agent.tool_use", "mooring.permission_settled", "agent.tool_result"]


def test_call_that_was_only_announced_is_told_at_the_turns_end(transcript: Transcript) -> None:
    hear(transcript, hp.ToolStarted(call_id="c1", name="Write", has_begun=False))
    assert shown(list(transcript.end("cancelled"))) == [
        ("agent.tool_use", "Write allow"),
        ("mooring.turn_ended", "cancelled"),
    ]


def test_call_first_heard_of_by_its_update_or_its_end_is_told(transcript: Transcript) -> None:
    assert hear(transcript, hp.ToolUpdated(call_id="c1", kind="execute")) == []
    told = hear(transcript, hp.ToolEnded(call_id="c1", text="x"), hp.ToolEnded(call_id="c2"))
    assert shown(told) == [
        ("agent.tool_use", "execute allow"),
        ("agent.tool_result", "x"),
        ("agent.tool_use", "tool allow"),
        ("agent.tool_result", ""),
    ]


def test_late_news_of_a_call_that_is_over_tells_no_second_one(transcript: Transcript) -> None:
    hear(transcript, STARTED, hp.ToolEnded(call_id="c1"))
    assert hear(transcript, hp.ToolUpdated(call_id="c1", text="late"), hp.ToolEnded(call_id="c1")) == []
    assert shown(list(transcript.end("completed"))) == [("mooring.turn_ended", "completed")]


def test_large_arguments_and_results_are_cut_and_say_so(transcript: Transcript) -> None:
    huge = "x" * (MAX_EVENT_BYTES + 1)
    use, result = hear(
        transcript,
        hp.ToolStarted(call_id="c1", name="Write", input={"content": huge}),
        hp.ToolEnded(call_id="c1", text=huge),
    )
    assert use.input["content"].endswith(MARK)
    assert result.content[0].text.endswith(MARK)
    assert max(len(codec.encode(use)), len(codec.encode(result))) <= MAX_EVENT_BYTES


# ---- questions


def test_question_is_told_once_and_settled_once(transcript: Transcript) -> None:
    (use,) = hear(transcript, STARTED, ASKED)
    assert (use.evaluated_permission, use.call_hash, transcript.question_id("c1")) == ("ask", "h1", use.id)
    assert hear(transcript, ASKED) == []
    (settled,) = hear(transcript, hp.Settled(call_id="c1", outcome="allow"))
    assert (settled.tool_use_id, settled.outcome, transcript.question_id("c1")) == (use.id, "allow", None)
    assert hear(transcript, hp.Settled(call_id="c1", outcome="deny"), ASKED) == []
    (result,) = hear(transcript, hp.ToolEnded(call_id="c1", text="x"))
    assert result.tool_use_id == use.id


def test_question_about_a_call_already_told_is_an_event_of_its_own(transcript: Transcript) -> None:
    hear(transcript, STARTED)
    (first,) = transcript.release()
    (asked,) = hear(transcript, ASKED)
    assert (asked.evaluated_permission, asked.id == first.id) == ("ask", False)
    told = hear(transcript, hp.ToolEnded(call_id="c1"))
    assert [event.tool_use_id for event in told] == [asked.id, asked.id]


def test_other_call_asked_under_the_same_name_replaces_the_question(transcript: Transcript) -> None:
    """A verdict on the first must not be taken for one on the second."""
    (first,) = hear(transcript, ASKED)
    other = hp.Asked(call_id="c1", name="Bash", input={"command": "rm"}, call_hash="h2")
    settled, second = hear(transcript, other)
    assert (settled.tool_use_id, settled.outcome) == (first.id, "cancelled")
    assert (second.call_hash, transcript.question_id("c1")) == ("h2", second.id)


def test_question_that_nobody_answered_falls_away_with_the_turn(transcript: Transcript) -> None:
    hear(transcript, ASKED)
    assert shown(list(transcript.end("cancelled"))) == [
        ("mooring.permission_settled", "cancelled"),
        ("mooring.turn_ended", "cancelled"),
    ]


def test_news_of_an_unknown_question_changes_nothing(transcript: Transcript) -> None:
    assert hear(transcript, hp.Settled(call_id="c7", outcome="allow")) == []
    assert transcript.question_id("c7") is None


def test_question_is_never_so_large_that_it_would_be_spilled(transcript: Transcript) -> None:
    """Catches a question that reaches the plane as a stand-in, which nobody could ever answer."""
    large = {"content": "\n💡" * 50_000, **{str(k): "x" * 4000 for k in range(50)}}
    asked = hp.Asked(call_id="c1", name="W" * 9000, title="t" * 9000, input=large, call_hash="h")
    (use,) = hear(transcript, asked)
    assert spill(use) is None


# ---- the rest


def test_plan_is_told_when_it_changes(transcript: Transcript) -> None:
    plan = hp.Planned(({"content": "a", "status": "pending"},))
    (told,) = hear(transcript, plan, plan)
    assert told.entries == plan.entries
    (huge,) = hear(transcript, hp.Planned(tuple({"content": "x" * 4000} for _ in range(2000))))
    assert json_bytes(huge.entries) <= MAX_EVENT_BYTES


def test_usage_is_told_once_at_the_end_with_the_newest_numbers(transcript: Transcript) -> None:
    assert hear(transcript, hp.Used({"a": 1, "b": 1}), hp.Used({"b": 2})) == []
    used, _ = transcript.end("completed")
    assert isinstance(used, ev.Used)
    assert used.usage == {"a": 1, "b": 2}


def test_lost_context_and_notes_are_told_at_once(transcript: Transcript) -> None:
    told = hear(transcript, hp.ContextLost("no such session"), hp.Noted("mcp_skipped", "x" * 9000))
    assert [event.kind for event in told] == ["context_lost", "mcp_skipped"]
    assert (told[0].text, told[1].text.endswith(MARK)) == ("no such session", True)


def test_end_carries_reason_and_error_of_bounded_size(transcript: Transcript) -> None:
    error = ev.ErrorBody(message="e" * 100_000, code="agent_crashed")
    (end,) = transcript.end("failed", "refusal", error)
    assert isinstance(end, ev.TurnEnded)
    assert end.error is not None
    assert (end.stop_reason, end.error.code, end.error.message.endswith(MARK)) == ("refusal", "agent_crashed", True)
    assert spill(end) is None


# ---- spilling


def test_large_event_is_uploaded_and_stood_in_for() -> None:
    event = ev.AgentThinking(id=EventId("sevt_1"), turn_id=TURN, text="x" * SPILL_BYTES)
    found = spill(event)
    assert found is not None
    assert found.body == codec.encode(event)
    assert found.stand_in == ev.Spilled(
        id=event.id, of="agent.thinking", n_bytes=len(found.body), sha256=codec.digest(found.body), turn_id=TURN
    )


def test_event_of_exactly_the_bound_is_not_spilled() -> None:
    empty = ev.AgentThinking(id=EventId("sevt_1"), turn_id=TURN, text="x")
    room = SPILL_BYTES - len(codec.encode(empty)) + 1
    assert spill(ev.AgentThinking(id=empty.id, turn_id=TURN, text="x" * room)) is None
    assert spill(ev.AgentThinking(id=empty.id, turn_id=TURN, text="x" * (room + 1))) is not None


# ---- any order

names = st.sampled_from(["c1", "c2"])
heard = st.one_of(
    st.builds(hp.Said, st.sampled_from(["message", "thinking"]), st.text(max_size=5)),
    st.builds(hp.ToolStarted, call_id=names, name=st.just("Bash")),
    st.builds(hp.ToolUpdated, call_id=names, text=st.none() | st.just("out")),
    st.builds(hp.ToolEnded, call_id=names, text=st.none() | st.just("done")),
    st.builds(hp.Asked, call_id=names, name=st.just("Bash"), call_hash=st.sampled_from(["h1", "h2"])),
    st.builds(hp.Settled, call_id=names, outcome=st.sampled_from(["allow", "deny"])),
    st.builds(hp.Noted, st.just("note")),
)


@given(st.lists(heard, max_size=25))
def test_nothing_said_is_lost_and_every_question_is_settled(happenings: list[Any]) -> None:
    transcript = Transcript(TURN, counting_dice())
    told: list[Any] = hear(transcript, *happenings) + list(transcript.end("completed"))
    assert len({event.id for event in told}) == len(told)
    for kind, tag in (("message", "agent.message"), ("thinking", "agent.thinking")):
        said = "".join(one.text for one in happenings if isinstance(one, hp.Said) and one.kind == kind)
        assert "".join(text for which, text in shown(told) if which == tag) == said
    uses = {event.id for event in told if isinstance(event, ev.AgentToolUse)}
    asked = [event.id for event in told if isinstance(event, ev.AgentToolUse) and event.evaluated_permission == "ask"]
    settled = [event.tool_use_id for event in told if isinstance(event, ev.PermissionSettled)]
    assert sorted(asked) == sorted(settled)
    assert all(event.tool_use_id in uses for event in told if isinstance(event, ev.AgentToolResult))
    assert isinstance(told[-1], ev.TurnEnded)
