"""Drives a plane by the official SDK, unmodified: ``driver.py URL KEY RUNTIME_ID``, in an environment that has one.

It knows nothing of this repository. Each step is a function; for each, one JSON line on standard output says how it
went: ``{"step": name, "ok": true}``, or ``false`` with the traceback. The steps share one agent and go in order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import anthropic

STEPS: list[Callable[[Any], None]] = []

IS_OLD = int(anthropic.__version__.split(".")[0]) < 2

TOOLSET = "agent_toolset_20260401"


def step(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Registers a step."""
    STEPS.append(function)
    return function


class Drive:
    """What the steps share."""

    def __init__(self, url: str, key: str, runtime_id: str) -> None:
        # The strict client raises for every field that its types require and the answer lacks.
        self.client = anthropic.Anthropic(base_url=url, api_key=key, _strict_response_validation=not IS_OLD)
        self.beta = self.client.beta
        self.url, self.key, self.runtime_id = url, key, runtime_id
        self.binding = {"runtime_id": runtime_id, "acp_agent_id": "echo"}
        self.agent: Any = None
        self.environment: Any = None

    def session(self, **more: Any) -> Any:
        """A new session of the agent."""
        return self.beta.sessions.create(agent=self.agent.id, environment_id=self.environment.id, **more)

    def say(self, session: Any, text: str) -> Any:
        """Sends a message."""
        return self.beta.sessions.events.send(session_id=session.id, events=[message(text)])

    def turn(self, session: Any, text: str) -> list[Any]:
        """Sends a message as the SDK's documentation does, stream first; the events until the session is idle."""
        with self.beta.sessions.events.stream(session_id=session.id) as stream:
            self.say(session, text)
            return list(until_idle(stream))

    def refused(self, kind: type[anthropic.APIStatusError], call: Callable[[], Any]) -> Any:
        """The error that a call must end with."""
        try:
            call()
        except kind as exc:
            return exc
        raise AssertionError(f"no {kind.__name__}")


def message(text: str) -> Any:
    """A text message."""
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def until_idle(stream: Any) -> Iterator[Any]:
    """The events of a stream up to the one that says that the session is idle."""
    for event in stream:
        yield event
        if event.type == "session.status_idle":
            return


def said(events: list[Any]) -> list[str]:
    """What the agent said."""
    return ["".join(block.text for block in one.content) for one in events if one.type == "agent.message"]


def png() -> bytes:
    """A picture of one pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


# ---- agents


@step
def an_agent_is_made_and_read(drive: Drive) -> None:
    drive.agent = drive.beta.agents.create(
        name="reviewer",
        model="claude-opus-5-5",
        system="You review code.",
        metadata={"team": "core"},
        tools=[{"type": TOOLSET, "default_config": {"permission_policy": {"type": "always_ask"}}}],
        extra_body={"_oma": {"harness": "acp-proxy", "runtime_binding": drive.binding}},
    )
    read = drive.beta.agents.retrieve(drive.agent.id)
    assert (read.version, read.name, read.system, read.metadata) == (
        1,
        "reviewer",
        "You review code.",
        {"team": "core"},
    )
    assert read.model.id == "claude-opus-5-5"
    assert read.model_extra["_oma"]["runtime_binding"]["runtime_id"] == drive.runtime_id
    assert read.tools[0].default_config.permission_policy.type == "always_ask"


@step
def an_agent_is_changed_and_its_versions_stay(drive: Drive) -> None:
    changed = drive.beta.agents.update(
        drive.agent.id, version=1, system="You review code well.", metadata={"team": None}
    )
    assert (changed.version, changed.system, changed.name, changed.metadata) == (
        2,
        "You review code well.",
        "reviewer",
        {},
    )
    conflict = drive.refused(
        anthropic.ConflictError, lambda: drive.beta.agents.update(drive.agent.id, version=1, name="late")
    )
    assert "2" in conflict.message
    assert [one.version for one in drive.beta.agents.versions.list(drive.agent.id)] == [2, 1]
    assert drive.beta.agents.retrieve(drive.agent.id, version=1).system == "You review code."
    drive.agent = changed


@step
def agents_are_listed_page_by_page(drive: Drive) -> None:
    made = [drive.beta.agents.create(name=f"a{k}", model="m").id for k in range(5)]
    listed = [one.id for one in drive.beta.agents.list(limit=2)]
    assert [one for one in listed if one in made] == made[::-1]
    for one in made:
        assert drive.beta.agents.archive(one).archived_at is not None
    assert not set(made) & {one.id for one in drive.beta.agents.list(limit=100)}
    assert set(made) <= {one.id for one in drive.beta.agents.list(limit=100, include_archived=True)}


@step
def an_absent_agent_is_not_found(drive: Drive) -> None:
    error = drive.refused(anthropic.NotFoundError, lambda: drive.beta.agents.retrieve("agent_absent"))
    assert error.body["error"]["type"] == "not_found_error"
    assert error.request_id.startswith("req_")


# ---- environments and models


@step
def an_environment_is_made_changed_and_deleted(drive: Drive) -> None:
    made = drive.beta.environments.create(name="desk", config={"type": "self_hosted"}, metadata={"floor": "2"})
    assert drive.beta.environments.retrieve(made.id).config.type == "self_hosted"
    assert drive.beta.environments.update(made.id, name="desk 2").name == "desk 2"
    assert made.id in {one.id for one in drive.beta.environments.list()}
    assert drive.beta.environments.archive(made.id).archived_at is not None
    assert drive.beta.environments.delete(made.id).type == "environment_deleted"
    drive.environment = drive.beta.environments.create(name="laptops", config={"type": "self_hosted"})


@step
def models_are_listed(drive: Drive) -> None:
    models = list(drive.client.models.list())
    assert models
    assert drive.client.models.retrieve(models[0].id).id == models[0].id


# ---- sessions and events


@step
def a_turn_is_streamed_and_listed(drive: Drive) -> None:
    session = drive.session(title="first", metadata={"k": "v"})
    assert (session.status, session.title, session.agent.version) == ("idle", "first", 2)
    events = drive.turn(session, "Hello")
    assert said(events) == ["You said: Hello"]
    assert events[-1].stop_reason.type == "end_turn"
    listed = list(drive.beta.sessions.events.list(session.id, limit=2))
    assert [one.type for one in listed if one.type.startswith(("user.", "agent."))] == ["user.message", "agent.message"]
    assert said(listed) == ["You said: Hello"]
    assert all(one.processed_at is not None for one in listed)
    back = list(drive.beta.sessions.events.list(session.id, limit=2, order="desc"))
    assert [one.id for one in back] == [one.id for one in listed][::-1]


@step
def a_message_comes_in_pieces(drive: Drive) -> None:
    session = drive.session()
    if IS_OLD:
        return  # Its types know no deltas.
    with drive.beta.sessions.events.stream(session_id=session.id, event_deltas=["agent.message"]) as stream:
        drive.say(session, "/slow 1 8")
        events = list(until_idle(stream))
    (whole,) = [one for one in events if one.type == "agent.message"]
    pieces = [one for one in events if one.type == "event_delta" and one.event_id == whole.id]
    assert len(pieces) > 1
    # The whole may overtake the last pieces, which then are not said.
    assert whole.content[0].text.startswith("".join(one.delta.content.text for one in pieces))


@step
def a_question_is_answered(drive: Drive) -> None:
    session = drive.session()
    for verdict in ("allow", "deny"):
        with drive.beta.sessions.events.stream(session_id=session.id) as stream:
            drive.say(session, '/ask write {"path": "a"}')
            events = list(until_idle(stream))
            asked = events[-1]
            assert asked.stop_reason.type == "requires_action", asked
            (call_id,) = asked.stop_reason.event_ids
            (call,) = [one for one in events if one.id == call_id]
            assert (call.type, call.name, call.input) == ("agent.tool_use", "write", {"path": "a"})
            assert call.evaluated_permission == "ask"
            answer = {"type": "user.tool_confirmation", "tool_use_id": call_id, "result": verdict}
            drive.beta.sessions.events.send(session_id=session.id, events=[answer])
            after = list(until_idle(stream))
        assert after[-1].stop_reason.type == "end_turn"
        (result,) = [one for one in after if one.type == "agent.tool_result"]
        assert (result.tool_use_id, bool(result.is_error)) == (call_id, verdict == "deny")
    late = drive.refused(
        anthropic.ConflictError, lambda: drive.beta.sessions.events.send(session_id=session.id, events=[answer])
    )
    assert late.body["error"]["code"] == "already_answered"


@step
def a_turn_is_interrupted(drive: Drive) -> None:
    session = drive.session()
    with drive.beta.sessions.events.stream(session_id=session.id) as stream:
        drive.say(session, "/hold")
        for event in stream:
            if event.type == "session.status_running":
                break
        drive.beta.sessions.events.send(session_id=session.id, events=[{"type": "user.interrupt"}])
        assert list(until_idle(stream))[-1].stop_reason.type == "end_turn"
    assert said(drive.turn(session, "Still there?")) == ["You said: Still there?"]


@step
def a_failed_turn_is_an_error_and_never_an_answer(drive: Drive) -> None:
    session = drive.session()
    for command in ("/fail No luck.", "/crash 3"):
        events = drive.turn(session, command)
        (error,) = [one for one in events if one.type == "session.error"]
        assert error.error.message
        assert said(events) == []
    assert said(drive.turn(session, "Hello"))[-1] == "You said: Hello"


@step
def sessions_are_changed_listed_archived_and_deleted(drive: Drive) -> None:
    before = datetime.now(UTC)
    made = [drive.session(title=f"s{k}", metadata={"k": str(k)}) for k in range(3)]
    changed = drive.beta.sessions.update(made[0].id, title="renamed", metadata={"k": None, "new": "x"})
    assert (changed.title, changed.metadata) == ("renamed", {"new": "x"})
    assert drive.beta.sessions.retrieve(made[0].id).title == "renamed"
    listed = [one.id for one in drive.beta.sessions.list(agent_id=drive.agent.id, created_at_gte=before, limit=2)]
    assert listed == [one.id for one in reversed(made)]
    assert drive.beta.sessions.archive(made[1].id).archived_at is not None
    assert made[1].id not in {one.id for one in drive.beta.sessions.list(limit=100)}
    assert made[1].id in {one.id for one in drive.beta.sessions.list(limit=100, include_archived=True)}
    assert drive.beta.sessions.delete(made[2].id).type == "session_deleted"
    drive.refused(anthropic.NotFoundError, lambda: drive.beta.sessions.retrieve(made[2].id))


@step
def a_session_keeps_the_version_it_was_made_with(drive: Drive) -> None:
    pinned = drive.beta.sessions.create(
        agent={"type": "agent", "id": drive.agent.id, "version": 1}, environment_id=drive.environment.id
    )
    assert (pinned.agent.version, pinned.agent.system) == (1, "You review code.")


@step
def a_first_message_can_come_with_the_session(drive: Drive) -> None:
    first = {"initial_events": [message("Hello at once")]}
    session = drive.session(**({"extra_body": first} if IS_OLD else first))
    seen: list[Any] = []
    while not said(seen):
        seen = list(drive.beta.sessions.events.list(session.id))
    assert said(seen) == ["You said: Hello at once"]


@step
def a_prompt_sent_again_by_the_sdk_runs_once(drive: Drive) -> None:
    session = drive.session()
    for count in ("0", "1", "2"):
        drive.beta.sessions.events.send(
            session_id=session.id,
            events=[message("Only once")],
            extra_headers={"x-stainless-retry-count": count},
        )
    assert said(drive.turn(session, "/count"))[-1:] == ["This session has seen 2 prompts."]


# ---- files


@step
def a_file_is_uploaded_read_and_deleted(drive: Drive) -> None:
    made = drive.beta.files.upload(file=("notes.txt", b"Some notes.", "text/plain"))
    assert (made.filename, made.mime_type, made.size_bytes) == ("notes.txt", "text/plain", 11)
    assert drive.beta.files.retrieve_metadata(made.id).id == made.id
    assert drive.beta.files.download(made.id).read() == b"Some notes."
    assert made.id in {one.id for one in drive.beta.files.list()}
    drive.beta.files.delete(made.id)
    drive.refused(anthropic.NotFoundError, lambda: drive.beta.files.retrieve_metadata(made.id))


@step
def an_image_and_a_document_reach_the_agent(drive: Drive) -> None:
    session = drive.session()
    picture = png()
    notes = drive.beta.files.upload(file=("notes.txt", b"Some notes.", "text/plain"))
    content = [
        {"type": "text", "text": "/blocks"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(picture).decode()},
        },
        {"type": "document", "source": {"type": "file", "file_id": notes.id}, "title": "notes"},
    ]
    with drive.beta.sessions.events.stream(session_id=session.id) as stream:
        sent = [{"type": "user.message", "content": content}]
        drive.beta.sessions.events.send(session_id=session.id, events=sent)
        (told,) = said(list(until_idle(stream)))
    assert hashlib.sha256(picture).hexdigest() in told
    assert hashlib.sha256(b"Some notes.").hexdigest() in told


# ---- who may


@step
def a_key_that_is_none_is_refused(drive: Drive) -> None:
    stranger = anthropic.Anthropic(base_url=drive.url, api_key="moor_" + "0" * 48)
    drive.refused(anthropic.AuthenticationError, lambda: stranger.beta.agents.list())


@step
def an_archived_agent_begins_no_session(drive: Drive) -> None:
    drive.beta.agents.archive(drive.agent.id)
    drive.refused(anthropic.APIStatusError, drive.session)


def run(drive: Drive, steps: list[Callable[[Any], None]]) -> None:
    """Runs every step, and tells how each went."""
    for one in steps:
        try:
            one(drive)
        except Exception:  # noqa: BLE001 - A step that broke is what the caller wants to hear of.
            told = {"step": one.__name__, "ok": False, "why": traceback.format_exc()}
        else:
            told = {"step": one.__name__, "ok": True}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    run(Drive(*sys.argv[1:4]), STEPS)
