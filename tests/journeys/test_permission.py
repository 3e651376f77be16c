"""Permission: the agent asks before it acts, and a person's answer reaches it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from infra.local.stage import API, bind_agent
from mooring.wire.limits import MAX_QUESTIONS

from . import wrapped_agent
from .ground import Ground, House, Laptop, Session
from .hostile_network import CALM, HostileNetwork, Profile
from .test_plane_crash import kill_and_restart
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
        assert (again[0], again[1]["error"]["code"]) == (409, "already_answered")

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


def refused(session: Session, call: Event, api: API | None = None) -> tuple[int, str]:
    """Answers a question that can't be answered. Returns status and code of the refusal."""
    body = {"events": [answer(call, "allow")]}
    status, found = (api or session.api).call("POST", f"/v1/sessions/{session.id}/events", body)
    return status, found["error"]["code"]


def asked_of(session: Session) -> list[str]:
    """The questions that a session's last status names."""
    told = [event for event in session.reader.events if event["type"].startswith("session.status_")]
    return list(told[-1].get("stop_reason", {}).get("event_ids", ())) if told else []


def outcomes(session: Session) -> list[str]:
    """How its questions were settled."""
    return [event["outcome"] for event in session.reader.events if event["type"] == "mooring.permission_settled"]


def toolset(**policies: str) -> dict[str, Any]:
    """Tools with a policy for each."""
    configs = [{"name": name, "permission_policy": {"type": policy}} for name, policy in policies.items()]
    return {"tools": [{"type": "agent_toolset_20260401", "configs": configs}]}


MakeLaptop = Callable[..., Laptop]


@pytest.fixture
def own(house: House, request: pytest.FixtureRequest) -> Iterator[MakeLaptop]:
    """Makes a laptop for one journey, with a configuration of its owner's."""
    made: list[Laptop] = []

    def make(config: str = "") -> Laptop:
        made.append(house.laptop(f"{request.node.name[:40]} {len(made)}"))
        (made[-1].home / "config.toml").write_text(config)
        return made[-1]

    yield make
    for one in made:
        one.stop()
        shutil.rmtree(one.home)


def started(laptop: Laptop, acp_agent_id: str = "echo", **wishes: Any) -> Session:
    """A session with an agent of its own."""
    made = bind_agent(laptop.house.api, laptop.runtime_id, acp_agent_id, **wishes)
    return Session(laptop.house, laptop.house.api.ok("POST", "/v1/sessions", {"agent": made["id"]})["id"])


TOOLS = ("read", "bash", "write", "deploy")


def asked_for(session: Session) -> list[str]:
    """Has the agent use all tools, and allows what it asks for. Returns the tools that it asked for."""
    session.say("\n".join(f"/ask {tool} {{}}" for tool in TOOLS))
    found: list[str] = []

    def next_news() -> Event | None:
        calls = [event for event in session.reader.events if event.get("evaluated_permission") == "ask"]
        ends = [event for event in session.reader.events if event["type"] == "mooring.turn_ended"]
        return next(iter([*calls[len(found) :], *ends]), None)

    while (news := session.reader.board.wait("a question, or the end", next_news))["type"] == "agent.tool_use":
        found.append(news["name"])
        session.post(answer(news, "allow"))
    results = [e for e in session.reader.events if e["type"] == "agent.tool_result" and not e.get("is_error")]
    assert len(results) == len(TOOLS)
    return found


def test_a_tools_own_policy_says_whether_a_person_is_asked(laptop: Laptop) -> None:
    """Catches a policy for a tool that is lost between an agent's definition and the laptop, or counts for others."""
    with started(laptop, **toolset(read="always_allow", bash="always_allow", write="always_ask")) as session:
        assert asked_for(session) == ["write", "deploy"]


def test_the_laptops_owner_is_asked_whatever_the_plane_allows(own: MakeLaptop) -> None:
    """Catches a ceiling that the plane can lift, as a whole or for one tool."""
    laptop = own('permission_policies = { bash = "always_ask", read = "always_allow" }\n').start()
    allowed = toolset(**dict.fromkeys(("read", "bash", "write"), "always_allow"))
    with started(laptop, permission_policy="always_allow", **allowed) as session:
        # Of what `deploy` is nobody knows, so it may be what the owner wants to be asked about.
        assert asked_for(session) == ["bash", "deploy"]


def test_an_interrupt_takes_an_open_question_away(laptop: Laptop) -> None:
    """Catches a turn that hangs on a question after it was stopped, and an answer that is taken when nobody waits."""
    with laptop.session("always_ask") as session:
        cut = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 1)
        session.post({"type": "user.interrupt"})
        session.reader.until_settled(cut, "cancelled")
        session.reader.until(of_type("session.status_idle", stop_reason={"type": "end_turn"}), "idle")
        assert outcomes(session) == ["cancelled"]
        assert refused(session, call) == (409, "already_answered")
        result = session.reader.until(of_type("agent.tool_result", tool_use_id=call["id"]), "the call's result")
        assert result["is_error"]
        assert session.ask("Hello.") == ["You said: Hello."]


def test_an_answer_that_is_given_while_the_machine_is_cut_off_reaches_it_when_it_is_back(own: MakeLaptop) -> None:
    """Catches an answer that is sent once and lost, and a question that is lost with its connection."""
    laptop = own()
    with HostileNetwork(laptop.house.ws_url, seed=1) as network:
        network.stand_before(laptop)
        laptop.start()
        with laptop.session("always_ask") as session:
            message_id = session.say('/ask write {"path": "a"}')
            call = until_asked(session, 1)
            network.profile = Profile(drop=1.0)
            network.cut()
            session.post(answer(call, "allow"))
            session.reader.until(of_type("session.status_running"), "the answer is in the log", 2)
            assert outcomes(session) == []
            network.profile = CALM
            session.reader.until_settled(message_id)
            assert outcomes(session) == ["allow"]
            done = session.reader.until(of_type("agent.tool_result", tool_use_id=call["id"]), "its result")
            assert "write ran with" in text_of(done)
        laptop.stop()


@pytest.fixture
def mortal(ground: Ground) -> Iterator[Laptop]:
    """A laptop of a plane that keeps its tables over its own death."""
    house = House(ground, "mortal asking", "--data", str(ground.folder / "mortal-asking-tables"))
    yield house.laptop("laptop").start()
    house.stop()


def test_a_plane_that_is_killed_while_a_question_waits_still_knows_it_and_so_do_the_others(mortal: Laptop) -> None:
    """Catches a question that only the plane's memory held, a daemon that gives up, and a viewer that is not told."""
    with mortal.session("always_ask") as session:
        message_id = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 1)
        before = session.reader
        kill_and_restart(session)
        viewer = session.view(after="0")
        viewer.until_at(viewer.attached["head"])
        last = [event for _, event in viewer.whole if event["type"].startswith("session.status_")][-1]
        assert last["stop_reason"] == {"type": "requires_action", "event_ids": [call["id"]]}
        assert session.api.ok("GET", f"/v1/sessions/{session.id}")["status"] == "idle"
        session.post(answer(call, "allow"))
        session.reader.until_settled(message_id)
        viewer.until_at(viewer.head())
        assert outcomes(session) == ["allow"]
        assert [event for _, event in viewer.whole if event["processed_at"]] == session.pages()
        assert [event for _, event in before.whole + session.reader.whole] == session.pages()


def test_a_daemon_that_is_killed_while_a_question_waits_takes_the_question_with_it(own: MakeLaptop) -> None:
    """Catches a session that waits for an answer to a question that nobody asks any more."""
    laptop = own().start()
    with laptop.session("always_ask") as session:
        cut = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 1)
        laptop.kill()
        laptop.start()
        session.reader.until_settled(cut, "unknown")
        session.reader.until(of_type("session.status_idle", stop_reason={"type": "retries_exhausted"}), "idle")
        assert refused(session, call) == (409, "already_answered")
        assert session.ask("Hello.") == ["You said: Hello."]


def test_questions_of_two_sessions_do_not_wait_for_each_other(laptop: Laptop) -> None:
    """Catches a queue of questions that is one for the whole laptop, and an answer that is good for any session."""
    with laptop.session("always_ask") as first, laptop.session("always_ask") as second:
        asked = [session.say('/ask write {"path": "a"}') for session in (first, second)]
        calls = [until_asked(session, 1) for session in (first, second)]
        assert refused(first, calls[1]) == (404, "no_such_question")
        assert refused(second, calls[0]) == (404, "no_such_question")
        second.post(answer(calls[1], "allow"))
        second.reader.until_settled(asked[1])
        assert asked_of(first) == [calls[0]["id"]]
        first.post(answer(calls[0], "deny"))
        first.reader.until_settled(asked[0])
        assert (outcomes(first), outcomes(second)) == (["deny"], ["allow"])


def test_as_many_questions_as_there_may_be_are_open_at_once_and_the_next_one_takes_a_free_place(
    own: MakeLaptop,
) -> None:
    """Catches questions that wait behind each other, and one too many, which no answer would ever reach."""
    command = f"command = {json.dumps(sys.executable)}\nargs = {json.dumps(['-S', wrapped_agent.__file__])}"
    laptop = own()
    hold = f"HOLD = {json.dumps(str(laptop.home / 'hold'))}"
    (laptop.home / "config.toml").write_text(f"[agents.wrapped]\n{command}\nenv = {{ {hold} }}\n")
    laptop.start()

    def questions() -> list[Event]:
        return [event for event in session.reader.events if event.get("evaluated_permission") == "ask"]

    def open_questions(count: int) -> list[str] | None:
        found = asked_of(session)
        return found if len(found) == count else None

    with started(laptop, "wrapped", permission_policy="always_ask") as session:
        message_id = session.say(f"ask {MAX_QUESTIONS + 1}")
        board = session.reader.board
        board.wait("all but one are open", lambda: open_questions(MAX_QUESTIONS))
        assert len(questions()) == MAX_QUESTIONS
        session.post(answer(questions()[0], "deny"))
        board.wait("the last one is open too", lambda: len(questions()) == MAX_QUESTIONS + 1)
        board.wait("as many again", lambda: open_questions(MAX_QUESTIONS))
        session.post(*(answer(one, "allow") for one in questions()[1:]))
        session.reader.until_settled(message_id)
        assert session.said() == [" ".join(str(number) for number in range(1, MAX_QUESTIONS + 1))]
        assert outcomes(session) == ["deny", *["allow"] * MAX_QUESTIONS]


RACES = 4


def test_of_two_people_who_answer_at_once_exactly_one_is_heard_and_the_other_is_told(laptop: Laptop) -> None:
    """Catches two answers that both count, of which the agent gets whichever comes last."""
    second = laptop.house.api.ok("POST", "/v1/api_keys", {"name": "a second person"})["secret"]
    people = (laptop.house.api, API(laptop.house.api.url, second))
    with laptop.session("always_ask") as session, ThreadPoolExecutor(len(people)) as pool:
        for race in range(1, RACES + 1):
            message_id = session.say('/ask write {"path": "a"}')
            call = until_asked(session, race)
            line = Barrier(len(people))

            def post(api: API, result: str, call: Event = call, line: Barrier = line) -> tuple[int, str]:
                line.wait()
                body = {"events": [answer(call, result)]}
                status, found = api.call("POST", f"/v1/sessions/{session.id}/events", body)
                return status, result if status == 200 else found["error"]["code"]

            told = sorted(pool.map(post, people, ("allow", "deny")))
            session.reader.until_settled(message_id)
            assert told[0][0] == 200
            assert told[1] == (409, "already_answered")
            assert outcomes(session)[-1] == told[0][1]
        confirmed = [event["result"] for event in session.pages() if event["type"] == "user.tool_confirmation"]
        assert confirmed == outcomes(session)
        assert len(confirmed) == RACES


def test_another_teams_answer_finds_nothing_and_changes_nothing(laptop: Laptop) -> None:
    """Catches a question that is answered by whoever knows its name."""
    house = laptop.house
    command = [sys.executable, "-m", "tests.journeys.strangers", laptop.runtime_id, house.tenant_id, "state"]
    made = subprocess.run(command, env=house.plane_env, capture_output=True, check=True, timeout=60)
    stranger = API(house.api.url, json.loads(made.stdout)["foreign_key"])
    with laptop.session("always_ask") as session:
        message_id = session.say('/ask write {"path": "a"}')
        call = until_asked(session, 1)
        assert refused(session, call, stranger) == (404, "session_not_found")
        assert asked_of(session) == [call["id"]]
        session.post(answer(call, "allow"))
        session.reader.until_settled(message_id)
        assert outcomes(session) == ["allow"]
    stranger.pool.clear()
