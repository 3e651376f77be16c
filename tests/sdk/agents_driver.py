"""Drives a real agent by the official SDK: ``agents_driver.py URL KEY RUNTIME_ID ACP_AGENT_ID``, as ``driver.py`` does.

The agent's model is scripted: ``tests/agents/fake_llm.py`` says what it answers.
"""

from __future__ import annotations

import sys
from typing import Any

import anthropic
from driver import IS_OLD, TOOLSET, Drive, run, said, until_idle  # type: ignore[import-not-found]  # It stands beside.

STEPS: list[Any] = []

TOOLS: dict[str, Any] = {
    "type": TOOLSET,
    "default_config": {"permission_policy": {"type": "always_ask"}},
    # Codex and Gemini never ask before they read, and the plane takes no policy that they would not keep.
    "configs": [
        {"name": name, "permission_policy": {"type": "always_allow"}} for name in ("glob", "grep", "read", "web_search")
    ],
}


class AgentDrive(Drive):  # type: ignore[misc]  # See above.
    """What the steps share: one agent that asks before it acts."""

    def __init__(self, url: str, key: str, runtime_id: str, acp_agent_id: str) -> None:
        super().__init__(url, key, runtime_id)
        self.binding["acp_agent_id"] = acp_agent_id
        self.environment = self.beta.environments.create(name=acp_agent_id, config={"type": "self_hosted"})
        self.agent = self.beta.agents.create(
            name=acp_agent_id,
            model="m",
            system="Say MARK_of_the_system.",
            tools=[TOOLS],
            extra_body={"_oma": {"harness": "acp-proxy", "runtime_binding": self.binding}},
        )


def step(function: Any) -> Any:
    """Registers a step."""
    STEPS.append(function)
    return function


@step
def an_answer_comes_in_pieces_and_the_next_turn_remembers(drive: AgentDrive) -> None:
    session = drive.session()
    deltas = {} if IS_OLD else {"event_deltas": ["agent.message"]}  # The old one's types know none.
    with drive.beta.sessions.events.stream(session_id=session.id, **deltas) as stream:
        drive.say(session, "What is 2+2?")
        events = list(until_idle(stream))
    assert said(events) == ["Four."]
    assert events[-1].stop_reason.type == "end_turn"
    if not IS_OLD:
        (whole,) = [one for one in events if one.type == "agent.message"]
        pieces = [one for one in events if one.type == "event_delta" and one.event_id == whole.id]
        shown = "".join(one.delta.content.text for one in pieces)
        assert "Four.".startswith(shown), shown
    assert said(drive.turn(session, "how many prompts")) == ["2"]


@step
def the_system_prompt_reaches_the_model(drive: AgentDrive) -> None:
    assert said(drive.turn(drive.session(), "do you see MARK_of_the_system")) == ["yes"]


@step
def a_command_runs_after_a_yes_and_not_after_a_no(drive: AgentDrive) -> None:
    session = drive.session()
    for verdict in ("allow", "deny"):
        with drive.beta.sessions.events.stream(session_id=session.id) as stream:
            drive.say(session, f"run: echo {verdict} > {verdict}.txt")
            events = list(until_idle(stream))
            asked = events[-1]
            assert asked.stop_reason.type == "requires_action", asked
            (call_id,) = asked.stop_reason.event_ids
            (call,) = [one for one in events if one.id == call_id]
            assert (call.type, call.evaluated_permission) == ("agent.tool_use", "ask")
            answer = {"type": "user.tool_confirmation", "tool_use_id": call_id, "result": verdict}
            drive.beta.sessions.events.send(session_id=session.id, events=[answer])
            after = list(until_idle(stream))
        (result,) = [one for one in after if one.type == "agent.tool_result"]
        assert (result.tool_use_id, bool(result.is_error)) == (call_id, verdict == "deny")
    with drive.beta.sessions.events.stream(session_id=session.id) as stream:
        drive.say(session, "What is 2+2?")
        assert said(list(until_idle(stream))) == ["Four."]


@step
def a_turn_is_interrupted_and_the_next_one_is_fine(drive: AgentDrive) -> None:
    session = drive.session()
    with drive.beta.sessions.events.stream(session_id=session.id) as stream:
        drive.say(session, "slow")
        for event in stream:
            if event.type == "session.status_running":
                break
        drive.beta.sessions.events.send(session_id=session.id, events=[{"type": "user.interrupt"}])
        assert list(until_idle(stream))[-1].stop_reason.type == "end_turn"
    assert said(drive.turn(session, "What is 2+2?"))[-1:] == ["Four."]


@step
def an_error_of_the_model_is_never_an_answer(drive: AgentDrive) -> None:
    session = drive.session()
    events = drive.turn(session, "fail 400")
    (error,) = [one for one in events if one.type == "session.error"]
    assert "scripted failure 400" in error.error.message
    assert said(events) == []


@step
def a_message_may_bring_a_file(drive: AgentDrive) -> None:
    # That it reaches the model is seen there.
    session = drive.session()
    notes = drive.beta.files.upload(file=("notes.txt", b"MARK_of_the_file", "text/plain"))
    content = [
        {"type": "document", "source": {"type": "file", "file_id": notes.id}, "title": "notes"},
        {"type": "text", "text": "What is 2+2?"},
    ]
    with drive.beta.sessions.events.stream(session_id=session.id) as stream:
        drive.beta.sessions.events.send(session_id=session.id, events=[{"type": "user.message", "content": content}])
        assert list(until_idle(stream))[-1].stop_reason.type == "end_turn"


@step
def a_session_is_read_listed_and_deleted(drive: AgentDrive) -> None:
    session = drive.session(title="to be deleted")
    assert said(drive.turn(session, "What is 2+2?")) == ["Four."]
    listed = list(drive.beta.sessions.events.list(session.id))
    assert [one.type for one in listed if one.type.startswith(("user.", "agent."))] == ["user.message", "agent.message"]
    assert session.id in {one.id for one in drive.beta.sessions.list(agent_id=drive.agent.id)}
    drive.beta.sessions.delete(session.id)
    drive.refused(anthropic.NotFoundError, lambda: drive.beta.sessions.retrieve(session.id))


if __name__ == "__main__":
    run(AgentDrive(*sys.argv[1:5]), STEPS)
