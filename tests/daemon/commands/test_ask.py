"""``moor ask``: the stream first, then the message; what is shown, what is asked, how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mooring.cli import main
from mooring.commands import ask, follower
from mooring.edge.creds import Login, Paths, write_login
from tests.daemon.fake_plane import WAIT_S, Answer, Asked, FakePlane, fault, sse
from tests.daemon.machine import spawn

SESSION = "sesn_1"
MESSAGE = "sevt_m"
AT = "2026-11-21T08:00:00.000000Z"
POST = f"POST /v1/sessions/{SESSION}/events"
STREAM = f"GET /v1/sessions/{SESSION}/events/stream"

Event = dict[str, Any]


def event(kind: str, event_id: str, **fields: Any) -> Event:
    return {"type": kind, "id": event_id, "processed_at": AT, **fields}


def receipt(status: str, event_id: str, message: str = MESSAGE, turn: str = "turn_1") -> Event:
    return event("mooring.receipt", event_id, event_ids=[message], status=status, turn_id=turn)


def said(text: str, event_id: str = "sevt_a", turn: str = "turn_1") -> Event:
    return event("agent.message", event_id, turn_id=turn, content=[{"type": "text", "text": text}])


def delta(text: str, event_id: str = "sevt_a") -> Event:
    content = {"type": "content_delta", "content": {"type": "text", "text": text}}
    return {"type": "event_delta", "event_id": event_id, "delta": content}


def idle(event_id: str = "sevt_i", reason: str = "end_turn") -> Event:
    return event("session.status_idle", event_id, stop_reason={"type": reason})


PLACED = event("user.message", MESSAGE, content=[])
WAITING = {**PLACED, "processed_at": None}
RUNNING = [PLACED, receipt("sent", "sevt_r1"), event("session.status_running", "sevt_s")]
DONE = [receipt("completed", "sevt_r9"), idle()]


class Script:
    """A session on the fake plane: what its stream says, before and after things are posted."""

    def __init__(self, plane: FakePlane, home: Paths) -> None:
        self.plane = plane
        self.posted: list[Event] = []
        self.opened = threading.Event()
        self._said = threading.Condition()
        write_login(home, Login(server_url=plane.url, api_key="moor_secret"))
        agents = [
            {"id": "agent_1", "name": "Helper", "runtime_binding": {"runtime_id": "rt_1", "acp_agent_id": "echo"}}
        ]
        plane.route("GET /v1/agents", (200, {"data": agents, "next_page": None}))
        plane.route("POST /v1/sessions", (200, {"id": SESSION}))
        plane.route(POST, self._post)

    def streams(self, *parts: list[Event] | str) -> None:
        """Says events, and waits where a part is the type of a posted event."""
        plays = iter([parts])

        def play(_: Asked) -> Answer:
            self.opened.set()
            part = next(plays, None)
            return fault(404, "session_not_found") if part is None else self._play(part)

        self.plane.route(STREAM, play)

    def _play(self, parts: tuple[list[Event] | str, ...]) -> Iterator[bytes]:
        number = 1
        yield b": open\n\n"
        for part in parts:
            if isinstance(part, str):
                self.wait(part)
            else:
                yield sse(*part, first=number)
                number += len(part)

    def wait(self, kind: str) -> None:
        with self._said:
            assert self._said.wait_for(lambda: any(one["type"] == kind for one in self.posted), WAIT_S)

    def pretend(self, kind: str) -> None:
        """Lets the stream go on as if this had been posted."""
        with self._said:
            self.posted.append({"type": kind})
            self._said.notify_all()

    def _post(self, asked: Asked) -> Answer:
        assert self.opened.is_set(), "the stream is opened before anything is sent"
        with self._said:
            self.posted += asked.json["events"]
            self._said.notify_all()
        return 200, {"data": [{**one, "id": MESSAGE} for one in asked.json["events"]]}


@pytest.fixture
def script(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setattr(ask, "LINGER_S", 0.05)
    monkeypatch.setattr(follower, "REOPEN_S", 0.01)
    return Script(plane, home)


def test_the_answer_is_shown_as_it_comes(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    grown = [{"type": "event_start", "event": {"type": "agent.message", "id": "sevt_a"}}, delta("Hel"), delta("lo.")]
    script.streams("user.message", [*RUNNING, *grown, said("Hello."), *DONE])
    assert main(["ask", "hi", "--agent", "Helper"]) == 0
    out, err = capsys.readouterr()
    assert out == f"Hello.\nGo on with: moor ask --session {SESSION} …\n"
    assert err == ""
    opened = script.plane.requests(STREAM)[0]
    assert opened.query == {"include": ["mooring"], "event_deltas[]": ["agent.message"]}
    assert script.posted == [{"type": "user.message", "content": [{"type": "text", "text": "hi"}]}]
    assert script.plane.requests("POST /v1/sessions")[0].json["agent"] == "agent_1"
    assert script.plane.requests(POST)[0].headers["idempotency-key"]


def test_a_lost_piece_makes_the_whole_message_be_shown(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script.streams("user.message", [*RUNNING, delta("lo."), said("Hello."), *DONE])
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().out.startswith("lo.\nHello.\n")


def test_json_is_one_event_a_line_and_a_summary(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script.streams("user.message", [WAITING, *RUNNING, said("Hello."), *DONE])
    assert main(["ask", "hi", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["type"] for one in lines] == [
        "user.message",
        "user.message",
        "mooring.receipt",
        "session.status_running",
        "agent.message",
        "mooring.receipt",
        "session.status_idle",
        "summary",
    ]
    assert lines[-1] == {
        "type": "summary",
        "session_id": SESSION,
        "message_id": MESSAGE,
        "turn_id": "turn_1",
        "outcome": "completed",
        "text": "Hello.",
        "errors": [],
    }
    assert "event_deltas[]" not in script.plane.requests(STREAM)[0].query


def test_what_other_messages_bring_is_not_shown(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    before = [said("Old.", "sevt_o", "turn_0"), receipt("completed", "sevt_r0", "sevt_x", "turn_0")]
    # Another message is next: the session does not become idle.
    after = [receipt("completed", "sevt_r9"), event("user.message", "sevt_y", content=[])]
    script.streams("user.message", [WAITING, *before, *RUNNING, said("Hello."), *after])
    assert main(["ask", "hi", "--session", SESSION]) == 0
    assert capsys.readouterr().out.startswith("Hello.\n")
    assert script.plane.requests("GET /v1/agents") == []


def test_a_failed_turn_ends_with_1_and_its_reason(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    error = event("session.error", "sevt_e", turn_id="turn_1", error={"message": "It broke.", "code": "agent_failed"})
    script.streams("user.message", [*RUNNING, error, receipt("failed", "sevt_r9"), idle(reason="retries_exhausted")])
    assert main(["ask", "hi"]) == 1
    out, err = capsys.readouterr()
    assert "error: It broke. [agent_failed]" in err
    assert "The turn ended: failed." in out


def test_a_waiting_laptop_and_tools_are_told_in_short(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    away = event("session.status_rescheduled", "sevt_w")
    use = event("agent.tool_use", "sevt_t", turn_id="turn_1", name="bash", title="ls -l", input={})
    many = [{"type": "text", "text": "one\ntwo\nthree"}]
    result = event("agent.tool_result", "sevt_u", turn_id="turn_1", tool_use_id="sevt_t", content=many)
    script.streams("user.message", [WAITING, away, *RUNNING, use, result, *DONE])
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().err == "The laptop is away; the message waits for it.\n→ ls -l\n← one (+2 lines)\n"


def test_a_message_ends_its_line_once(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    result = event("agent.tool_result", "sevt_u", turn_id="turn_1", tool_use_id="sevt_t", content=[])
    script.streams("user.message", [*RUNNING, delta("One."), result, said("One."), said("Two.\n", "sevt_b"), *DONE])
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().out.startswith("One.\nTwo.\nGo on")


ASKED = event(
    "agent.tool_use", "sevt_t", turn_id="turn_1", name="edit", title="Edit a.txt", input={}, evaluated_permission="ask"
)
QUESTION = [ASKED, idle("sevt_q", "requires_action")]


@pytest.mark.parametrize(("arguments", "result"), [([], "deny"), (["--allow"], "allow"), (["--json"], "deny")])
def test_without_a_person_questions_are_denied_unless_allowed(
    script: Script, capsys: pytest.CaptureFixture[str], arguments: list[str], result: str
) -> None:
    # The question is told again after a cut, and answered once.
    script.streams("user.message", [*RUNNING, *QUESTION, *QUESTION], "user.tool_confirmation", DONE)
    assert main(["ask", "hi", *arguments]) == 0
    [answer] = [one for one in script.posted if one["type"] == "user.tool_confirmation"]
    assert (answer["tool_use_id"], answer["result"]) == ("sevt_t", result)
    assert ("--allow" in capsys.readouterr().err) is (arguments == [])


def test_an_answer_that_comes_too_late_is_no_failure(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    sent = script.plane.routes[POST]

    def answer(asked: Asked) -> Answer:
        told = sent(asked)
        return fault(409, "already_answered") if asked.json["events"][0]["type"] != "user.message" else told

    script.plane.route(POST, answer)
    script.streams("user.message", [*RUNNING, *QUESTION], "user.tool_confirmation", DONE)
    assert main(["ask", "hi", "--allow"]) == 0
    assert "Somebody else has answered" in capsys.readouterr().err


def test_a_stream_that_ends_goes_on_at_its_cursor(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    parts = iter([[*RUNNING, said("Hello.")], [said("Hello."), *DONE]])

    def play(_: Asked) -> Answer:
        script.opened.set()
        script_part = next(parts, None)
        if script_part is None:
            return fault(404, "session_not_found")

        def pieces() -> Iterator[bytes]:
            yield b": open\n\n"
            script.wait("user.message")
            yield sse(*script_part)

        return pieces()

    script.plane.route(STREAM, play)
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().out.count("Hello.") == 1
    assert script.plane.requests(STREAM)[1].headers["last-event-id"] == "4.1"


def test_a_stream_that_is_refused_ends_it(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([[b": open\n\n"], fault(404, "session_not_found", "It is gone.")])

    def play(_: Asked) -> Answer:
        script.opened.set()
        return next(answers)

    script.plane.route(STREAM, play)
    assert main(["ask", "hi", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "session_not_found"


@pytest.mark.parametrize(
    ("agents", "wanted", "code"),
    [
        ([], [], "agent_not_found"),
        ([], ["--agent", "x"], "agent_not_found"),
        ([{"id": "agent_1", "name": "A"}, {"id": "agent_2", "name": "B"}], [], "agent_ambiguous"),
        ([{"id": "agent_1", "name": "A"}, {"id": "agent_2", "name": "A"}], ["--agent", "A"], "agent_ambiguous"),
        ([{"id": "agent_1", "name": "A", "archived_at": AT}], [], "agent_not_found"),
    ],
)
def test_whom_to_ask_must_be_plain(
    script: Script, capsys: pytest.CaptureFixture[str], agents: list[Event], wanted: list[str], code: str
) -> None:
    script.plane.route("GET /v1/agents", (200, {"data": agents}))
    assert main(["ask", "hi", *wanted, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


@pytest.mark.parametrize("wanted", ["agent_2", "Second", "codex-acp"])
def test_an_agent_is_named_by_id_name_or_acp_id(
    script: Script, capsys: pytest.CaptureFixture[str], wanted: str
) -> None:
    pages = {
        (): {"data": [{"id": "agent_1", "name": "First"}], "next_page": "p2"},
        ("p2",): {
            "data": [
                {
                    "id": "agent_2",
                    "name": "Second",
                    "_oma": {"runtime_binding": {"runtime_id": "rt_1", "acp_agent_id": "codex-acp"}},
                }
            ],
        },
    }
    script.plane.route("GET /v1/agents", lambda asked: (200, pages[tuple(asked.query.get("page", ()))]))
    script.streams("user.message", [*RUNNING, *DONE])
    assert main(["ask", "hi", "--agent", wanted]) == 0
    assert script.plane.requests("POST /v1/sessions")[0].json["agent"] == "agent_2"


def test_nobody_logged_in_is_told(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "hi", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_logged_in"


def test_ctrl_c_stops_the_agent_and_ends_with_130(script: Script, home: Paths) -> None:
    cancelled = [receipt("cancelled", "sevt_r9"), idle()]
    script.streams("user.message", [*RUNNING, said("Working.")], "user.interrupt", cancelled)
    with spawn(home, "ask", "hi") as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "Working.\n"
        asking.send_signal(signal.SIGINT)
        out, _ = asking.communicate(timeout=WAIT_S)
    assert asking.returncode == 130
    assert "cancelled" in out
    assert [one["type"] for one in script.posted] == ["user.message", "user.interrupt"]


def test_a_second_ctrl_c_leaves(script: Script, home: Paths) -> None:
    script.streams("user.message", [*RUNNING, said("Working.")], "never")
    with spawn(home, "ask", "hi") as asking:
        assert asking.stdout is not None
        assert asking.stderr is not None
        assert asking.stdout.readline() == "Working.\n"
        asking.send_signal(signal.SIGINT)
        script.wait("user.interrupt")
        assert "Ctrl-C again" in asking.stderr.readline()
        asking.send_signal(signal.SIGINT)
        asking.communicate(timeout=WAIT_S)
        script.pretend("never")
    assert asking.returncode == 130


@pytest.mark.parametrize(("typed", "result"), [(b"y\n", "allow"), (b"n\n", "deny")])
def test_a_person_at_a_terminal_is_asked(script: Script, home: Paths, typed: bytes, result: str) -> None:
    script.streams("user.message", [*RUNNING, *QUESTION], "user.tool_confirmation", DONE)
    master, slave = pty.openpty()
    with spawn(home, "ask", "hi", terminal=slave) as asking:
        os.close(slave)
        shown = b""
        while b"[y/n]" not in shown:
            shown += os.read(master, 1024)
        assert b"Allow Edit a.txt?" in shown
        os.write(master, typed)
        script.wait("user.tool_confirmation")
        assert asking.wait(WAIT_S) == 0
    os.close(master)
    assert script.posted[-1]["result"] == result


def test_a_cut_stream_is_opened_again(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    pieces = iter([[sse(*RUNNING)], fault(503, "busy"), [sse(said("Hello."), *DONE, first=4)]])

    def play(asked: Asked) -> Answer:
        piece = next(pieces)
        if isinstance(piece, tuple):
            return piece
        script.opened.set()

        def body() -> Iterator[bytes]:
            yield b": open\n\n"
            script.wait("user.message")
            yield from piece
            if asked.headers.get("last-event-id") is None:
                raise ConnectionResetError
            while True:  # A stream that ended would be opened again, until the reader has seen that the turn is over.
                yield b": ping\n\n"

        return body()

    script.plane.route(STREAM, play)
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().out.startswith("Hello.\n")
    assert [one.headers.get("last-event-id") for one in script.plane.requests(STREAM)] == [None, "3.1", "3.1"]
