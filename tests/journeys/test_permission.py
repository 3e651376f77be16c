"""Permission: the agent asks before it acts, and a person's answer reaches it."""

from __future__ import annotations

import pytest

from .ground import Laptop, Session
from .watching import Event, of_type, text_of

pytestmark = pytest.mark.xdist_group("journeys")


def until_asked(session: Session, count: int) -> Event:
    """Waits for the ``count``th question of a session. Returns the tool call that is asked for."""

    def asks(event: Event) -> bool:
        return bool(event["type"] == "session.status_idle" and event["stop_reason"]["type"] == "requires_action")

    idle = session.reader.until(asks, "a question", count)
    (asked,) = idle["stop_reason"]["event_ids"]
    call = session.reader.until(lambda event: event["id"] == asked, "the call that is asked for")
    assert (call["type"], call["evaluated_permission"]) == ("agent.tool_use", "ask")
    return call


def answer(call: Event, result: str, **fields: str) -> Event:
    return {"type": "user.tool_confirmation", "tool_use_id": call["id"], "result": result, **fields}


def test_an_agent_that_must_ask_acts_after_a_yes_and_does_not_after_a_no(laptop: Laptop) -> None:
    """Catches a verdict that does not reach the child, reaches it as its opposite, or counts for the next call too."""
    with laptop.session("always_ask") as session:
        first = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 1)
        assert (call["name"], call["input"]) == ("write", {"path": "a"})
        assert session.api.ok("GET", f"/v1/sessions/{session.id}")["status"] == "idle"
        session.post(answer(call, "allow"))
        session.reader.until_settled(first)
        done = session.reader.until(of_type("agent.tool_result", tool_use_id=call["id"]), "its result")
        assert "write ran with {'path': 'a'} (allow-once)" in text_of(done)
        again = session.api.call("POST", f"/v1/sessions/{session.id}/events", {"events": [answer(call, "deny")]})
        assert (again[0], again[1]["error"]["code"]) == (404, "no_such_question")

        second = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 2)
        session.post(answer(call, "deny", deny_message="Not there."))
        session.reader.until_settled(second)
        denied = session.reader.until(of_type("agent.tool_result", tool_use_id=call["id"]), "its result")
        assert (denied["is_error"], text_of(denied)) == (True, "Denied.")
        assert session.said() == ["write was denied."]
        settled = [e["outcome"] for e in session.reader.events if e["type"] == "mooring.permission_settled"]
        assert settled == ["allow", "deny"]


def test_an_agent_that_may_act_asks_nobody(laptop: Laptop) -> None:
    """Catches a policy that is lost on its way to the laptop: the turn would wait for an answer for a day."""
    with laptop.session("always_allow") as session:
        session.reader.until_settled(session.say('/ask write {"path": "a"}'))
        done = session.reader.until(of_type("agent.tool_result"), "the call's result")
        assert "write ran with" in text_of(done)
        calls = [e.get("evaluated_permission", "allow") for e in session.reader.events if e["type"] == "agent.tool_use"]
        assert calls == ["allow"]
        reasons = [e["stop_reason"]["type"] for e in session.reader.events if e["type"] == "session.status_idle"]
        assert "requires_action" not in reasons
