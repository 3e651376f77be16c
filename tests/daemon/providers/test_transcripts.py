"""What the real agents were recorded saying, and the events that the daemon makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mooring.daemon import session_run
from tests.daemon import player
from tests.daemon.rehearsal import Event
from tests.daemon.replay import RECORDS, frozen_of, record_of, replayed
from tests.daemon.scenarios import AGENTS, PLAYED, SCENARIOS

from .scripted import nobody_left

__all__ = ["nobody_left"]

MAX_RECORD_BYTES = 16 * 1024

DENIED_TURN = {"codex-acp": "cancelled"}
"""How a turn ends whose call was denied, of agents that have no other word for a denial."""

played = pytest.mark.parametrize(("agent_id", "name"), PLAYED)


def events_of(agent_id: str, name: str) -> list[Event]:
    """The frozen events of a scenario."""
    found: list[Event] = json.loads(frozen_of(agent_id, name).read_text("utf-8"))
    return found


def of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def text_of(event: Event) -> str:
    return "".join(block["text"] for block in event.get("content", ()))


def outcomes(events: list[Event], kind: str = "mooring.turn_ended") -> list[str]:
    return [event["outcome"] for event in of(events, kind)]


@played
def test_a_recorded_agent_becomes_the_frozen_events(
    agent_id: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches any change of what an agent's words become, and of what the daemon says and answers to it."""
    monkeypatch.setattr(session_run, "RELEASE_S", 60.0)  # However slow this machine is.
    assert replayed(agent_id, name, tmp_path / "moor") == events_of(agent_id, name)


@played
def test_every_call_is_one_use_and_one_result_and_every_question_is_settled_once(agent_id: str, name: str) -> None:
    """Catches a call that is told twice or never ends, which readers pair by the use's id."""
    events = events_of(agent_id, name)
    uses, results = of(events, "agent.tool_use"), of(events, "agent.tool_result")
    asked = [use["id"] for use in uses if use.get("evaluated_permission") == "ask"]
    assert sorted(result["tool_use_id"] for result in results) == sorted(use["id"] for use in uses)
    assert [settled["tool_use_id"] for settled in of(events, "mooring.permission_settled")] == asked
    place = {event["id"]: number for number, event in enumerate(events)}
    assert all(place[result["id"]] > place[result["tool_use_id"]] for result in results)
    wanted: list[str] = [result for turn in SCENARIOS[name].turns for result in turn.answers]
    wanted += ["cancelled" for turn in SCENARIOS[name].turns if turn.interrupted_at == "question"]
    assert outcomes(events, "mooring.permission_settled") == wanted


@played
def test_every_turn_ends_once_behind_everything_else_of_it(agent_id: str, name: str) -> None:
    events = events_of(agent_id, name)
    turns = [event["turn_id"] for event in events]
    assert turns == sorted(turns)
    last = {event["turn_id"]: event["type"] for event in events}
    assert last == {f"turn_{n}": "mooring.turn_ended" for n in range(1, len(SCENARIOS[name].turns) + 1)}
    assert len(outcomes(events)) == len(last)
    assert len({event["id"] for event in events}) == len(events)


@played
def test_no_word_of_an_agent_is_unknown_here(agent_id: str, name: str) -> None:
    """Catches an agent that has learnt a new word of ACP: its records are made anew when it is."""
    kinds = {event["kind"] for event in of(events_of(agent_id, name), "mooring.note")}
    assert kinds <= {"session_title"}


@pytest.mark.parametrize("agent_id", AGENTS)
def test_an_answer_is_one_message_of_its_pieces_and_what_it_took_is_told(agent_id: str) -> None:
    events = events_of(agent_id, "answer")
    assert [text_of(event) for event in of(events, "agent.message")] == ["Four.", "2"]
    for used in of(events, "mooring.usage"):
        assert (used["usage"]["input_tokens"], used["usage"]["output_tokens"]) == (10, 3)
    assert len(of(events, "mooring.usage")) == len(outcomes(events))
    (thought,) = of(events_of(agent_id, "thought"), "agent.thinking")
    assert "Let me think about spring." in thought["text"]


def test_a_plan_is_told() -> None:
    (plan,) = of(events_of("claude-acp", "plan"), "mooring.plan")
    assert [(entry["content"], entry["status"]) for entry in plan["entries"]] == [
        ("look", "completed"),
        ("act", "pending"),
    ]


@pytest.mark.parametrize("agent_id", AGENTS)
def test_a_change_of_a_file_is_shown_before_it_is_allowed_and_is_in_the_result(agent_id: str) -> None:
    """Catches a yes to a change that nobody saw, and a result that says only that something was changed."""
    for name, removed, added in (("create", "", "+new"), ("change", "-two", "+2")):
        events = events_of(agent_id, name)
        use = next(use for use in of(events, "agent.tool_use") if use.get("evaluated_permission") == "ask")
        assert added[1:] in json.dumps(use["input"])
        (result,) = (one for one in of(events, "agent.tool_result") if one["tool_use_id"] == use["id"])
        lines = text_of(result).splitlines()
        assert {added, removed} <= {*lines, ""}
        assert any(line.startswith("+++ ") for line in lines)


@pytest.mark.parametrize("agent_id", AGENTS)
def test_a_denied_call_says_so_and_the_next_turn_is_as_ever(agent_id: str) -> None:
    events = events_of(agent_id, "tool-denied")
    (result,) = of(events, "agent.tool_result")
    assert result["is_error"]
    assert text_of(result)
    assert outcomes(events) == [DENIED_TURN.get(agent_id, "completed"), "completed"]


@pytest.mark.parametrize("name", ["tool-unasked", "policy-tool", "policy-server"])
@pytest.mark.parametrize("agent_id", AGENTS)
def test_a_call_that_a_policy_allows_is_in_the_log_with_what_it_is_given_and_asks_nobody(
    agent_id: str, name: str
) -> None:
    """The agent is in the mode in which it asks; only the daemon knows that this call need not be asked about."""
    use = of(events_of(agent_id, name), "agent.tool_use")[-1]
    assert use.get("evaluated_permission", "allow") == "allow"
    assert ("milk" if name == "policy-server" else "echo yes") in json.dumps([use["input"], use["title"]])
    asks = "session/request_permission" in record_of(agent_id, name).read_text("utf-8")
    assert asks or (agent_id, name) in (("claude-acp", "tool-unasked"), ("opencode", "tool-unasked"))


@pytest.mark.parametrize("agent_id", AGENTS)
def test_an_interrupted_turn_is_cancelled_and_a_failed_one_is_no_answer(agent_id: str) -> None:
    """Catches a model's error that passes for the agent's answer, and one that nobody is told of."""
    for name in ("interrupt", "interrupt-asking"):
        assert outcomes(events_of(agent_id, name)) == ["cancelled", "completed"]
    events = events_of(agent_id, "error")
    assert outcomes(events) == ["failed", "completed"]
    (error,) = of(events, "session.error")
    assert "scripted failure 400" in error["error"]["message"]
    assert [text_of(event) for event in of(events, "agent.message")] == ["Four."]


def test_what_is_recorded_is_small_and_is_of_nobodys_laptop() -> None:
    """Catches a record that holds where it was made, or everything that an agent has to say of itself."""
    wanted = {path for one in PLAYED for path in (record_of(*one), frozen_of(*one))}
    assert {path for path in RECORDS.iterdir() if path.suffix != ".md"} == wanted
    for path in wanted:
        text = path.read_text("utf-8")
        assert len(text) < MAX_RECORD_BYTES
        assert "/tmp" not in text
        assert "/home" not in text
        assert "/root" not in text


def test_a_client_that_says_something_else_than_was_recorded_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The player must not go on with an agent's answer to what nobody has said."""
    request = {"id": 1, "method": "session/prompt"}
    for said, expected, differs in (
        ({"id": 7, "method": "session/prompt"}, request, False),
        ({"id": 7, "method": "session/new"}, request, True),
        ({"id": 3, "result": "yes"}, {"id": 3, "result": "yes"}, False),
        ({"id": 3, "result": "no"}, {"id": 3, "result": "yes"}, True),
        ({"id": 3, "error": "no"}, {"id": 3, "result": "yes"}, True),
        (None, request, True),
    ):
        line = json.dumps(said) + "\n" if said else ""
        monkeypatch.setattr("sys.stdin.readline", lambda line=line: line, raising=False)
        assert bool(player.hear(expected, {})) is differs
