"""What every real agent does through plane and daemon, with a scripted model behind it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.journeys.ground import Session
from tests.journeys.leftovers import running, working_in
from tests.journeys.waiting import eventually, until_ended
from tests.journeys.watching import Event, text_of

from .agents import AgentLaptop
from .fake_llm import FakeLLM

pytestmark = pytest.mark.xdist_group("agents")

MINUTE_S = 60


def until_asked(session: Session, count: int) -> Event:
    """Waits for the ``count``th question of a session. Returns the tool call that is asked for."""

    def asks(event: Event) -> bool:
        return bool(event["type"] == "session.status_idle" and event["stop_reason"]["type"] == "requires_action")

    idle = session.reader.until(asks, "a question", count)
    (asked,) = idle["stop_reason"]["event_ids"]
    call = session.reader.until(lambda event: event["id"] == asked, "the call that is asked for")
    assert (call["type"], call["evaluated_permission"]) == ("agent.tool_use", "ask")
    return call


def answer(call: Event, result: str) -> Event:
    return {"type": "user.tool_confirmation", "tool_use_id": call["id"], "result": result}


def of(session: Session, kind: str) -> list[Event]:
    return [event for event in session.reader.events if event["type"] == kind]


def test_an_answer_comes_in_pieces_and_then_whole_and_the_next_turn_remembers(laptop: AgentLaptop) -> None:
    with laptop.session() as session:
        live: list[dict[str, Any]] = []
        stream = laptop.house.api.stream(session.id, "?include=mooring&event_deltas[]=agent.message")
        assert next(stream)["type"] == "open"
        message = session.say("What is 2+2?")
        for event in stream:
            live.append(event)
            if event["type"] == "session.status_idle":
                break
        stream.close()
        session.reader.until_settled(message)
        (whole,) = of(session, "agent.message")
        assert text_of(whole) == "Four."
        deltas = [event for event in live if event["type"] == "event_delta" and event["event_id"] == whole["id"]]
        assert len(deltas) > 1
        assert "".join(event["delta"]["content"]["text"] for event in deltas) == "Four."
        order = [event["id"] if event["type"] == "agent.message" else event["type"] for event in live]
        assert order.index(whole["id"]) > max(n for n, event in enumerate(live) if event["type"] == "event_delta")
        assert live[-1]["stop_reason"]["type"] == "end_turn"
        assert session.ask("how many prompts") == ["2"]


def test_the_system_prompt_reaches_the_model(laptop: AgentLaptop) -> None:
    with laptop.session() as session:
        assert session.ask(f"do you see {laptop.mark}") == ["yes"]
        assert session.ask("do you see MARK_of_nobody") == ["no"]


def test_an_agent_that_must_ask_acts_after_a_yes_and_does_not_after_a_no(laptop: AgentLaptop) -> None:
    with laptop.session("always_ask") as session:
        folder = laptop.folder(session.id)
        first = session.say("run: echo yes > allowed.txt")
        call = until_asked(session, 1)
        assert not (folder / "allowed.txt").exists()
        session.post(answer(call, "allow"))
        session.reader.until_settled(first)
        assert (folder / "allowed.txt").read_text() == "yes\n"
        assert session.said()[-1].startswith("Done: ")

        second = session.say("run: echo no > denied.txt")
        call = until_asked(session, 2)
        session.post(answer(call, "deny"))
        session.reader.until_settled(second, laptop.real.after_denial)
        assert not (folder / "denied.txt").exists()

        uses, results = of(session, "agent.tool_use"), of(session, "agent.tool_result")
        assert [use.get("evaluated_permission") for use in uses] == ["ask", "ask"]
        assert [result["tool_use_id"] for result in results] == [use["id"] for use in uses]
        assert [result.get("is_error", False) for result in results] == [False, True]
        assert [event["outcome"] for event in of(session, "mooring.permission_settled")] == ["allow", "deny"]


def test_a_file_is_written_after_a_yes_to_what_will_stand_in_it(laptop: AgentLaptop) -> None:
    """Catches a use that is told before the question about it, and a question that does not show what it is about."""
    with laptop.session("always_ask") as session:
        message_id = session.say("create made.txt")
        call = until_asked(session, 1)
        assert "new" in str(call["input"])
        assert not (laptop.folder(session.id) / "made.txt").exists()
        session.post(answer(call, "allow"))
        session.reader.until_settled(message_id)
        assert (laptop.folder(session.id) / "made.txt").read_text() == "new\n"
        (use,) = of(session, "agent.tool_use")
        (result,) = of(session, "agent.tool_result")
        assert (use["id"], result["tool_use_id"]) == (call["id"], call["id"])
        assert "+new" in text_of(result)


def test_an_agent_that_may_act_asks_nobody(laptop: AgentLaptop) -> None:
    with laptop.session("always_allow") as session:
        session.reader.until_settled(session.say("run: echo hi | tee made.txt"))
        assert (laptop.folder(session.id) / "made.txt").read_text() == "hi\n"
        (use,) = of(session, "agent.tool_use")
        (result,) = of(session, "agent.tool_result")
        assert use.get("evaluated_permission", "allow") == "allow"
        assert (result["tool_use_id"], result.get("is_error", False)) == (use["id"], False)
        reasons = [event["stop_reason"]["type"] for event in of(session, "session.status_idle")]
        assert "requires_action" not in reasons


def test_an_interrupt_stops_the_model_and_the_next_turn_is_fine(laptop: AgentLaptop, llm: FakeLLM) -> None:
    with laptop.session() as session:
        cut = session.say("slow")
        session.until_speaking("word")
        (asked,) = [one for one in llm.seen if one.prompt == "slow" and not one.is_over]
        session.post({"type": "user.interrupt"})
        session.reader.until_settled(cut, "cancelled")
        llm.wait("the agent leaves the model", lambda _: asked.was_closed)
        assert session.ask("What is 2+2?") == ["Four."]


def test_an_error_of_the_model_fails_the_turn_with_its_reason(laptop: AgentLaptop) -> None:
    with laptop.session() as session:
        session.reader.until_settled(session.say("fail 400"), "failed")
        (told,) = of(session, "session.error")
        assert "scripted failure 400" in told["error"]["message"]
        assert session.said() == []
        assert session.ask("What is 2+2?") == ["Four."]


def test_a_turn_cut_by_the_daemons_death_ends_unknown_and_the_next_one_remembers(
    laptop: AgentLaptop, llm: FakeLLM
) -> None:
    with laptop.session() as session:
        assert session.ask("What is 2+2?") == ["Four."]
        began = time.time()
        cut = session.say("slow")
        session.until_speaking("word")
        (asked,) = [one for one in llm.seen if one.prompt == "slow" and not one.is_over]
        children = working_in(laptop.folder(session.id))
        assert children
        laptop.kill()
        llm.wait("the agent leaves the model", lambda _: asked.was_closed)
        for child in children:
            until_ended(child)
        if not laptop.real.loads_at_once:
            eventually("the next minute", lambda: time.time() // MINUTE_S > began // MINUTE_S, MINUTE_S + 5)
        laptop.start()
        session.reader.until_settled(cut, "unknown")
        before = len(session.reader.events)
        # Whether the prompt that was cut short counts as said is each agent's own affair.
        (counted,) = session.ask("how many prompts")
        assert counted in ("2", "3")
        after = [event["type"] for event in session.reader.events[before:]]
        assert after.count("agent.message") == 1
        assert [note["text"] for note in of(session, "mooring.note") if note["kind"] == "context_lost"] == []
        assert session.said().count("Four.") == 1


def test_no_process_of_the_agent_is_left_when_the_daemon_stops(laptop: AgentLaptop) -> None:
    with laptop.session() as session:
        assert session.ask("What is 2+2?") == ["Four."]
        assert laptop.child(session.id)
        assert laptop.stop() == 0
    left = running(laptop.house.ground.mark, laptop.home)
    assert {pid: command for pid, command in left.items() if "infra.local" not in command} == {}
