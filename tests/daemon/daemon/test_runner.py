"""Turns on a laptop: a whole daemon with the real echo agent, told what to do by a plane of the test's own."""

from __future__ import annotations

import hashlib
import json
import sys
import threading

import pytest
from msgspec.structs import replace

from mooring.daemon import outbox, session_run
from mooring.daemon.desk import Desk
from mooring.daemon.opening import Opener
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.edge.folder import Folders
from mooring.errors import MoorError
from mooring.providers.ports import call_hash
from mooring.wire import frames
from mooring.wire.events import TextBlock
from mooring.wire.ids import EventId, SessionId, TurnId
from mooring.wire.limits import MAX_FRAME_BYTES
from tests.daemon.fake_plane import WAIT_S, Answer, Asked, FakePlane, fault
from tests.daemon.machine import BUNDLE, RUNTIME, Line, S, T, bundles, gone, pids_in, running

T2, T3 = TurnId("turn_2"), TurnId("turn_3")
OTHER = SessionId("sesn_2")
AGENTS = [{"path": "AGENTS.md", "content": "# Helper\n"}]


def seen(prompts: int) -> str:
    """What the echo agent answers to ``/count``."""
    return f"This session has seen {prompts} prompts."


ASK = '/ask edit {"path": "a.txt"}'


def test_a_turn_is_accepted_run_and_ended(plane: FakePlane, home: Paths) -> None:
    bundles(plane, files=AGENTS)
    with running(home, plane):
        line = Line(plane.socket())
        hello = line.welcome()
        assert (hello["runtime_id"], hello["protocol"]) == (RUNTIME, 1)
        assert "echo" in [one["id"] for one in hello["agents"]]
        line.prompt("/system\nhello")
        assert line.socket.expect("session.accepted")["turn_id"] == T
        assert "# Helper" in line.said()
        assert line.end()["outcome"] == "completed"
        assert (home.sessions / S / "AGENTS.md").read_text() == "# Helper\n"
        assert plane.requests("GET .*bundle")[0].query == {"agent_id": ["echo"]}


def test_a_session_keeps_its_child_between_turns(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/count")
        first = line.said()
        line.end()
        child = pids_in(home.sessions / S)
        line.prompt("/count", T2, 2)
        assert (first, line.said()) == (seen(1), seen(2))
        line.end(T2)
        assert pids_in(home.sessions / S) == child
        assert len(plane.requests("GET .*bundle")) == 1


def test_a_dead_child_fails_its_turn_and_the_next_one_goes_on_from_there(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("remember me")
        line.end()
        line.prompt("/crash 7", T2, 2)
        error = line.event("session.error")
        assert error["error"]["code"] == "agent_crashed"
        ended = line.end(T2)
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", "agent_crashed")
        line.prompt("/history", T3, 3)
        assert "remember me" in line.said()
        assert line.end(T3)["outcome"] == "completed"


def test_content_that_did_not_fit_the_frame_is_fetched(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    plane.route("GET .*/turns/turn_1", (200, {"content": [{"type": "text", "text": "from afar"}]}))
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt(None)
        assert "from afar" in line.said()
        assert line.end()["outcome"] == "completed"


def test_what_a_message_brings_reaches_the_agent_or_fails_the_turn(plane: FakePlane, home: Paths) -> None:
    """Catches a picture that is lost on the laptop, and an agent that is asked about one that could not be had."""
    body = b"\x89PNG\r\n\x1a\n\x00\xff"
    source = {"type": "file", "file_id": "file_1", "media_type": "image/png", "size_bytes": len(body)}
    image = {"type": "image", "source": {**source, "sha256": hashlib.sha256(body).hexdigest(), "filename": "a.png"}}
    bundles(plane)
    plane.route("GET .*/turns/turn_[12]", (200, {"content": [{"type": "text", "text": "Look:"}, image]}))
    plane.route("GET .*/turns/turn_1/files/file_1", (200, body))
    plane.route("GET .*/turns/turn_2/files/file_1", fault(404, "file_not_found"))
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt(None)
        told = f"[image image/png {len(body)} bytes sha256 {hashlib.sha256(body).hexdigest()}]"
        assert line.said() == f"You said: Look:\n{told}"
        assert line.end()["outcome"] == "completed"
        assert (home.sessions / S / ".attachments" / T / "2-a.png").read_bytes() == body
        line.prompt(None, T2, order=2)
        assert line.event("session.error")["error"]["code"] == "file_not_found"
        assert line.end(T2)["outcome"] == "failed"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (fault(404, "session_not_found"), "bundle_unavailable"),
        ((200, {"files": [{"path": "../../x", "content": "x"}]}), "bundle_path_refused"),
        ((200, {"files": [{"path": "/tmp/x", "content": "x"}]}), "bundle_path_refused"),
        ((200, {"env": [{"name": "LD_PRELOAD", "value": "x"}]}), "bundle_variable_refused"),
        ((200, {"env": [{"name": "OPENCODE_CONFIG_CONTENT", "value": "{}"}]}), "bundle_variable_refused"),
    ],
)
def test_an_agent_never_starts_without_its_bundle(plane: FakePlane, home: Paths, answer: Answer, code: str) -> None:
    plane.route(BUNDLE, answer)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("hello")
        assert line.event("session.error")["error"]["code"] == code
        ended = line.end()
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", code)
        assert not (home.sessions / S).exists()
        assert not (home.home / "x").exists()
        bundles(plane)
        line.prompt("hello again", T2, 2)
        assert line.end(T2)["outcome"] == "completed"


def test_an_agent_that_is_not_there_fails_the_turn(plane: FakePlane, home: Paths) -> None:
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.socket.send(frames.SessionPrompt(session_id=S, turn_id=T, order=1, agent_id="nobody", content=()))
        assert line.end()["error"]["code"] == "agent_not_found"


def ask(line: Line, result: str, call_hash: str | None = None) -> dict[str, object]:
    """Lets the agent ask, and answers. Gives the question's event."""
    line.prompt(ASK)
    question = line.event("agent.tool_use")
    assert question["evaluated_permission"] == "ask"
    verdict = frames.PermissionVerdict(
        session_id=S,
        turn_id=T,
        tool_use_id=EventId(question["id"]),
        result=result,  # type: ignore[arg-type]  # The tests' parameters are plain text.
        call_hash=call_hash,
    )
    line.socket.send(verdict)
    line.socket.send(verdict)
    return question


@pytest.mark.parametrize("result", ["allow", "deny"])
def test_a_question_waits_for_a_verdict(plane: FakePlane, home: Paths, result: str) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        question = ask(line, result)
        assert question["call_hash"] == call_hash("edit", {"path": "a.txt"}, home.sessions / S)
        settled = line.event("mooring.permission_settled")
        assert (settled["tool_use_id"], settled["outcome"]) == (question["id"], result)
        assert line.event("agent.tool_result").get("is_error", False) is (result == "deny")
        assert line.end()["outcome"] == "completed"


@pytest.mark.parametrize(("matches", "outcome"), [(True, "allow"), (False, "deny")])
def test_a_verdict_is_good_for_one_call_only(plane: FakePlane, home: Paths, matches: bool, outcome: str) -> None:
    bundles(plane)
    named = call_hash("edit", {"path": "a.txt" if matches else "b.txt"}, home.sessions / S)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        ask(line, "allow", call_hash=named)
        assert line.event("mooring.permission_settled")["outcome"] == outcome
        line.end()


def test_a_question_outlives_its_connection_and_is_answered_on_another_one(plane: FakePlane, home: Paths) -> None:
    """Catches a question that is forgotten, asked again or settled when the socket is cut."""
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt(ASK)
        question = line.event("agent.tool_use")
        line.socket.cut()
        again = Line(plane.socket())
        again.welcome(2)
        verdict = frames.PermissionVerdict(
            session_id=S,
            turn_id=T,
            tool_use_id=EventId(question["id"]),
            result="allow",
            call_hash=question["call_hash"],
        )
        again.socket.send(verdict)
        settled = again.event("mooring.permission_settled")
        assert (settled["tool_use_id"], settled["outcome"]) == (question["id"], "allow")
        assert again.end()["outcome"] == "completed"
        assert [event for event in again.events[S] if event["type"] == "agent.tool_use"] == []


@pytest.mark.parametrize(
    ("planes", "owners", "asks"),
    [
        ("always_allow", "always_allow", False),
        ("always_ask", "always_allow", True),
        ("always_allow", "always_ask", True),
    ],
)
def test_the_stricter_policy_holds(plane: FakePlane, home: Paths, planes: str, owners: str, asks: bool) -> None:
    bundles(plane, permission_policy=planes)
    with running(home, plane, Config(permission_policy=owners)):  # type: ignore[arg-type]
        line = Line(plane.socket())
        line.welcome()
        line.prompt(ASK)
        use = line.event("agent.tool_use")
        assert use.get("evaluated_permission") == ("ask" if asks else None)
        if asks:
            line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
            assert line.event("mooring.permission_settled")["outcome"] == "cancelled"
        assert line.end()["outcome"] == ("cancelled" if asks else "completed")


def test_a_running_turn_is_cancelled_and_the_next_one_runs(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        assert line.socket.expect("session.delta")["text"] == "holding"
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        assert line.said() == "holding"
        assert line.end()["outcome"] == "cancelled"
        line.prompt("hello", T2, 2)
        assert line.end(T2)["outcome"] == "completed"


def test_a_turn_is_cancelled_while_it_is_prepared(plane: FakePlane, home: Paths) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_: Asked) -> Answer:
        asked.set()
        answer.wait(WAIT_S)
        return 200, {}

    plane.route(BUNDLE, slow)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("hello")
        assert asked.wait(WAIT_S)
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        assert line.end()["outcome"] == "cancelled"
        answer.set()
        assert not (home.sessions / S).exists()


def test_a_higher_turn_stops_the_older_one(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.prompt("hello", T2, 2)
        assert line.end()["outcome"] == "cancelled"
        assert line.end(T2)["outcome"] == "completed"


def test_dispose_kills_the_child_and_removes_the_folder(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/stderr 10\n/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        line.socket.send(frames.SessionDispose(session_id=S))
        assert line.socket.expect("session.disposed")["session_id"] == S
        assert gone(child)
        assert list(home.sessions.iterdir()) == []
        assert list(home.logs.iterdir()) == []
        line.socket.send(frames.SessionDispose(session_id=S))
        line.socket.expect("session.disposed")
        line.prompt("hello", T2, 2)
        line.socket.expect("session.disposed")


def test_a_large_event_is_uploaded_before_it_is_told_of(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    fails = [fault(503, "busy")] * 4
    plane.route("PUT .*/events/.*", lambda _: fails.pop() if fails else (200, {}))
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/big 200000\n/tool after {}\nlast")
        spilled = line.event("mooring.spilled")
        kinds = [event["type"] for event in line.events[S]]
        assert "agent.message" not in kinds
        assert line.end()["outcome"] == "completed"
        uploaded = plane.requests("PUT .*")[-1]
        assert uploaded.path.endswith(spilled["id"])
        assert len(uploaded.body) == spilled["n_bytes"] > 200_000
        assert json.loads(uploaded.body)["type"] == spilled["of"] == "agent.message"
        assert [event["type"] for event in line.events[S]] == ["agent.tool_use", "agent.tool_result", "agent.message"]
        assert max(line.socket.fragments) < MAX_FRAME_BYTES


def test_an_upload_that_the_plane_refuses_becomes_a_note(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    plane.route("PUT .*/events/.*", fault(413, "content_too_large"))
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/big 200000")
        note = line.event("mooring.note")
        assert note["kind"] == "event_dropped"
        assert "content_too_large" in note["text"]
        assert line.end()["outcome"] == "completed"


def test_a_session_waits_for_a_place_and_takes_that_of_an_idle_one(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane, Config(max_sessions=1)):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        line.prompt("hello", session=OTHER)
        line.socket.expect("session.accepted", lambda frame: frame["session_id"] == OTHER)
        note = line.event("mooring.note", OTHER)
        assert (note["kind"], note["turn_id"]) == ("waiting_for_place", ""), "the turn has not started yet"
        assert "as it allows (1)" in note["text"]
        assert not (home.sessions / OTHER).exists()
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        assert line.end()["outcome"] == "cancelled"
        assert line.end(session=OTHER)["outcome"] == "completed"
        assert gone(child)
        line.prompt("/count", T2, 2)
        assert line.said() == "holding"
        assert line.said() == seen(2)
        line.end(T2)


def test_a_turn_that_waits_for_a_place_can_be_cancelled(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane, Config(max_sessions=1)):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.prompt("hello", session=OTHER)
        line.socket.expect("session.accepted", lambda frame: frame["session_id"] == OTHER)
        line.socket.send(frames.SessionCancel(session_id=OTHER, turn_id=T, order=1))
        assert line.end(session=OTHER)["outcome"] == "cancelled"


def test_a_turn_that_waits_for_a_place_is_told_of_as_working(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a turn given up for its silence while it stands in a queue."""
    monkeypatch.setattr(outbox, "MIN_PING_S", 0.05)
    bundles(plane)
    with running(home, plane, Config(max_sessions=1)):
        line = Line(plane.socket())
        line.socket.expect("hello")
        line.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=1, ping_s=0.05))
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.prompt("hello", T2, session=OTHER)
        for _ in range(3):
            line.socket.expect("ping", lambda frame: T2 in frame["active"])


def test_an_agent_that_dies_while_it_starts_rests_after_a_few_times(plane: FakePlane, home: Paths) -> None:
    """Catches a queue of messages that starts one dying process after the other."""
    bundles(plane)
    dies = ("-c", "import sys; open('starts', 'a').write('x'); sys.exit('no licence found')")
    with running(home, plane, Config(agents={"echo": AgentConfig(command=sys.executable, args=dies)})):
        line = Line(plane.socket())
        line.welcome()
        codes = []
        for number in range(1, 6):
            line.prompt("hello", TurnId(f"turn_{number}"), number)
            error = line.end(TurnId(f"turn_{number}"))["error"]
            codes.append(error["code"])
            assert "no licence found" in error["message"], "the last words are told each time"
        assert codes == ["agent_crashed"] * 3 + ["agent_keeps_dying"] * 2
        assert (home.sessions / S / "starts").read_text() == "xxx"


def test_a_session_that_finds_no_room_on_the_disk_gets_no_folder(plane: FakePlane, home: Paths) -> None:
    """Catches a quota that stops sessions which have a folder already, or leaves half a folder behind."""
    bundles(plane, files=[{"path": "data.txt", "content": "x" * 20_000}])
    with running(home, plane, Config(max_disk_mb=0.01)):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("hello")
        assert line.end()["outcome"] == "completed"
        line.prompt("hello", session=OTHER)
        ended = line.end(session=OTHER)
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", "disk_quota")
        assert S in ended["error"]["message"]
        assert [one.name for one in home.sessions.iterdir()] == [S]
        line.prompt("and again", T2, 2)
        assert line.end(T2)["outcome"] == "completed", "what has a folder goes on"


@pytest.mark.parametrize(
    ("limits", "code"), [({"hard_limit_s": 0.2}, "turn_hard_limit"), ({"idle_limit_s": 0.2}, "turn_idle_limit")]
)
def test_the_laptops_own_limits_end_a_turn(plane: FakePlane, home: Paths, limits: dict[str, float], code: str) -> None:
    bundles(plane)
    with running(home, plane, Config(agents={"echo": AgentConfig(**limits)})):  # type: ignore[arg-type]
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold")
        ended = line.end()
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", code)


def test_an_idle_child_is_closed_and_its_session_goes_on_later(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane, Config(idle_close_minutes=0.001)):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/count")
        line.end()
        for child in pids_in(home.sessions / S):
            assert gone(child)
        line.prompt("/count", T2, 2)
        assert line.said() == seen(1)
        assert line.said() == seen(2)
        line.end(T2)


def test_a_ping_names_the_turns_that_are_alive(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.socket.expect("hello")
        line.socket.send(frames.Welcome(runtime_id=RUNTIME, epoch=1, ping_s=0.05))
        line.prompt(ASK)
        line.event("agent.tool_use")
        # A call that waits for a person is activity, however long nothing is put out.
        for _ in range(5):
            line.socket.expect("ping", lambda frame: frame["active"] == [T])
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        line.end()
        line.socket.expect("ping", lambda frame: frame["active"] == [])


def test_a_held_tool_call_is_seen_while_it_runs(plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_run, "RELEASE_S", 0.01)
    bundles(plane)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt('/tool read {"a": 1}\n/hold')
        use = line.event("agent.tool_use")
        assert (use["name"], use["input"]) == ("read", {"a": 1})
        line.socket.send(frames.SessionCancel(session_id=S, turn_id=T, order=1))
        line.end()


def test_what_the_bundle_sets_reaches_the_child_and_the_owners_word_counts_more(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    bundles(plane, env=[{"name": "FROM_PLANE", "value": "1"}])
    with running(home, plane, Config(agents={"echo": AgentConfig(env={"FROM_OWNER": "1"})})):
        line = Line(plane.socket())
        line.welcome()
        names = ("FROM_PLANE", "FROM_OWNER", "CLAUDECODE", "AWS_SECRET_ACCESS_KEY")
        line.prompt("\n".join(f"/env {name}" for name in names))
        said = line.said()
        assert line.end()["outcome"] == "completed"
        assert [f"{name} is set" in said for name in names] == [True, True, False, False]


def test_a_stop_ends_what_runs_tells_of_it_and_keeps_the_folder(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane) as machine:
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        [child] = pids_in(home.sessions / S)
        stopped = threading.Thread(target=machine.stop)
        stopped.start()
        ended = line.end()
        assert (ended["outcome"], ended["error"]["code"]) == ("failed", "daemon_stopped")
        stopped.join(WAIT_S)
        assert gone(child)
        assert line.socket.closed.wait(WAIT_S)
        assert (home.sessions / S).is_dir()
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome(2)
        line.prompt("/count", T2, 2)
        assert line.said() == seen(2)
        line.end(T2)


def test_a_turn_that_had_no_place_is_run_by_the_next_daemon(plane: FakePlane, home: Paths) -> None:
    bundles(plane)
    with running(home, plane, Config(max_sessions=1)) as machine:
        line = Line(plane.socket())
        line.welcome()
        line.prompt("/hold", window_ms=10, as_of=1.0)
        line.socket.expect("session.delta")
        line.prompt("hello", session=OTHER)
        line.socket.expect("session.accepted", lambda frame: frame["session_id"] == OTHER)
        stopped = threading.Thread(target=machine.stop)
        stopped.start()
        line.end()
        stopped.join(WAIT_S)
    with running(home, plane):
        line = Line(plane.socket())
        line.welcome(2)
        assert line.end(session=OTHER)["outcome"] == "completed"


def test_a_blocklist_that_can_not_be_kept_fails_the_turn(plane: FakePlane, home: Paths) -> None:
    bundles(plane, files=AGENTS, local_skill_blocklist=["deploy"])
    elsewhere = {"CLAUDE_CODE_PLUGIN_SEED_DIR": "/elsewhere"}
    claude = AgentConfig(command=sys.executable, args=("-m", "mooring.echo_agent"), env=elsewhere)
    with running(home, plane, Config(agents={"claude-code-acp": claude})):
        line = Line(plane.socket())
        assert "claude-acp" in [one["id"] for one in line.welcome()["agents"]]
        prompt = frames.SessionPrompt(
            session_id=S, turn_id=T, order=1, agent_id="claude-acp", content=(TextBlock("hello"),)
        )
        line.socket.send(prompt)
        assert line.end()["error"]["code"] == "blocklist_unsupported"
        # The echo agent in Claude's place has no mode in which to keep the other policy.
        bundles(plane, files=AGENTS, permission_policy="always_allow")
        line.socket.send(replace(prompt, turn_id=T2, order=2))
        assert line.end(T2)["outcome"] == "completed"
        assert (home.sessions / S / "CLAUDE.md").read_text() == "@./AGENTS.md\n"


def test_a_bug_of_ours_fails_the_turn_and_no_other(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles(plane)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        with monkeypatch.context() as patched:
            patched.setattr(Opener, "_spec", broken)
            line.prompt("hello")
            assert line.end()["error"]["code"] == "internal_error"
        with monkeypatch.context() as patched:
            patched.setattr(Desk, "_prompt", broken)
            line.prompt("hello", T2, 2)
            line.socket.send(frames.SessionCancel(session_id=OTHER, turn_id=T, order=1))
            assert line.end(session=OTHER)["outcome"] == "cancelled"
        line.prompt("hello", T2, 2)
        assert line.end(T2)["outcome"] == "completed"


def test_a_folder_that_resists_is_tried_again_when_the_plane_asks_again(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles(plane)
    failed = threading.Event()

    def resists(self: Folders, session_id: SessionId) -> None:
        failed.set()
        raise MoorError("folder_not_removed", "It resists.")

    with running(home, plane):
        line = Line(plane.socket())
        line.welcome()
        line.prompt("hello")
        line.end()
        with monkeypatch.context() as patched:
            patched.setattr(Folders, "remove", resists)
            line.socket.send(frames.SessionDispose(session_id=S))
            assert failed.wait(WAIT_S)
            # Another session's work comes after it, so that it has failed by then.
            line.prompt("hello", session=OTHER)
            line.end(session=OTHER)
        assert (home.sessions / S).is_dir()
        line.socket.send(frames.SessionDispose(session_id=S))
        line.socket.expect("session.disposed")
        assert not (home.sessions / S).exists()
