"""Sessions: their life over HTTP, each refusal by its code, and the bounded page of the stream."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.knocking import Laptop, Person, answer, block, turn_of


@pytest.fixture
def agent_id(ada: Person, laptop: Laptop) -> str:
    return str(ada.agent(laptop.runtime_id)["id"])


@pytest.fixture
def session_id(ada: Person, agent_id: str) -> str:
    return str(ada.session(agent_id)["id"])


def types_of(listed: Any) -> list[str]:
    return [one["type"] for one in listed["data"]]


def test_a_session_comes_back_as_the_sdks_want_it(ada: Person, laptop: Laptop, agent_id: str) -> None:
    ref = {"type": "agent", "id": agent_id, "version": 1}
    made = ada.post("/v1/sessions", {"agent": ref, "title": "t", "metadata": {"k": "v"}, "vault_ids": []})
    required = {"id", "type", "status", "agent", "environment_id", "metadata", "resources", "vault_ids"}
    assert required | {"outcome_evaluations", "stats", "usage", "created_at", "updated_at"} <= set(made)
    assert made["id"].startswith("sesn_")
    assert (made["status"], made["title"], made["metadata"]) == ("idle", "t", {"k": "v"})
    assert made["environment_id"] == "env-local-runtime"
    assert made["agent"]["id"] == agent_id
    assert made["agent"]["runtime_binding"] == made["agent"]["_oma"]["runtime_binding"]
    assert not {"created_at", "metadata"} & set(made["agent"])
    assert ada.get(f"/v1/sessions/{made['id']}") == made
    assert ada.get("/v1/sessions")["data"] == [made]


def test_a_turn_from_post_to_answer(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    (posted,) = answer(ada.say(session_id, "hello"))["data"]
    assert (posted["type"], posted["content"]) == ("user.message", [block("hello")])
    assert posted["processed_at"] is not None
    assert ada.get(f"/v1/sessions/{session_id}")["status"] == "running"
    laptop.answers(session_id, turn_of(ada.world.said_to(laptop.connection_id)), "hi")
    assert ada.get(f"/v1/sessions/{session_id}")["status"] == "idle"
    listed = ada.get(f"/v1/sessions/{session_id}/events")
    assert types_of(listed) == ["user.message", "session.status_running", "agent.message", "session.status_idle"]
    assert listed["data"][0] == posted
    assert listed["next_page"] is None
    assert ada.get(f"/v1/sessions/{session_id}/events/{posted['id']}") == posted


def test_a_message_for_a_sleeping_laptop_waits(ada: Person, session_id: str) -> None:
    (posted,) = answer(ada.say(session_id, "hello"))["data"]
    assert posted["processed_at"] is None
    assert ada.get(f"/v1/sessions/{session_id}")["status"] == "rescheduling"
    assert ada.get("/v1/sessions")["data"][0]["status"] == "rescheduling"


def test_what_is_posted_comes_back_alone_and_whole(ada: Person, laptop: Laptop, session_id: str) -> None:
    answer(ada.say(session_id, "waits"))
    text = "x" * 100_000
    events = [{"type": "user.interrupt", "session_thread_id": "s"}, {"type": "user.message", "content": text}]
    posted = ada.post(f"/v1/sessions/{session_id}/events", {"events": events})["data"]
    assert [one["type"] for one in posted] == ["user.interrupt", "user.message"]
    assert posted[1]["content"] == [block(text)]


def test_a_session_begins_with_its_first_messages(ada: Person, agent_id: str) -> None:
    first = [{"type": "user.message", "content": "one"}, {"type": "user.message", "content": [block("two")]}]
    made = ada.session(agent_id, initial_events=first, expires_in=60)
    assert made["status"] == "rescheduling"
    listed = ada.get(f"/v1/sessions/{made['id']}/events")["data"]
    texts = [one["content"][0]["text"] for one in listed if one["type"] == "user.message"]
    assert texts == ["one", "two"]
    ada.world.clock.time += 61
    assert ada.world.plane.sessions.sweep() == 1
    assert ada.get(f"/v1/sessions/{made['id']}")["status"] == "idle"


def test_a_question_is_answered_once(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    answer(ada.say(session_id, "do it"))
    turn_id = turn_of(ada.world.said_to(laptop.connection_id))
    question = {"type": "agent.tool_use", "id": "sevt_q", "turn_id": turn_id, "name": "bash", "input": {}}
    laptop.events(session_id, {**question, "evaluated_permission": "ask", "call_hash": "h"})
    reply = {"type": "user.tool_confirmation", "tool_use_id": "sevt_q", "result": "deny", "deny_message": "no"}
    path = f"/v1/sessions/{session_id}/events"
    (posted,) = ada.post(path, {"events": [reply]})["data"]
    assert (posted["tool_use_id"], posted["deny_message"]) == ("sevt_q", "no")
    (verdict,) = ada.world.said_to(laptop.connection_id)
    assert (verdict["type"], verdict["result"]) == ("permission.verdict", "deny")
    again = ada.ask("POST", path, {"events": [reply]})
    assert (again.status_code, again.json_body["error"]["code"]) == (409, "already_answered")
    assert again.headers["x-should-retry"] == "false"
    unknown = ada.ask("POST", path, {"events": [{**reply, "tool_use_id": "sevt_x"}]})
    assert (unknown.status_code, unknown.json_body["error"]["code"]) == (404, "no_such_question")


def test_a_full_queue_says_when_to_come_back(ada: Person, session_id: str) -> None:
    for n in range(50):
        answer(ada.say(session_id, f"m{n}"))
    refused = ada.say(session_id, "one too many")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (429, "queue_full")
    assert refused.json_body["error"]["type"] == "rate_limit_error"
    assert refused.headers["Retry-After"] == "5"


# ---- repeats


def test_a_repeated_post_is_accepted_once(ada: Person, session_id: str) -> None:
    first = answer(ada.say(session_id, "hello", idempotency_key="k1"))
    assert answer(ada.say(session_id, "hello", idempotency_key="k1")) == first
    assert answer(ada.say(session_id, "hello", idempotency_key="k2")) != first
    listed = ada.get(f"/v1/sessions/{session_id}/events")
    assert types_of(listed).count("user.message") == 2


def test_a_key_used_again_for_something_else_is_refused(ada: Person, session_id: str) -> None:
    answer(ada.say(session_id, "hello", idempotency_key="k1"))
    refused = ada.say(session_id, "other", idempotency_key="k1")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (422, "idempotency_key_reused")
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("key", ["k" * 256, "caf\u00e9", "a\tb"])
def test_a_key_that_is_none_is_refused(ada: Person, session_id: str, key: str) -> None:
    refused = ada.say(session_id, "hello", idempotency_key=key)
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "bad_header")


# ---- refusals


def message(text: Any = "hi") -> dict[str, Any]:
    return {"type": "user.message", "content": text}


BAD_POSTS: list[tuple[Any, int, str, str | None]] = [
    ({}, 400, "bad_request", "events"),
    ({"events": []}, 400, "bad_request", "events"),
    ({"events": {}}, 400, "bad_request", "events"),
    ({"events": [message()] * 51}, 400, "bad_request", "events"),
    ({"events": [1]}, 400, "bad_request", "events[0]"),
    ({"events": [{}]}, 400, "bad_request", "events[0].type"),
    ({"events": [{"type": "user.custom_tool_result"}]}, 400, "unsupported_event", "events[0].type"),
    ({"events": [message(), {"type": "agent.message"}]}, 400, "unsupported_event", "events[1].type"),
    ({"events": [{"type": "user.message"}]}, 400, "bad_request", "events[0].content"),
    ({"events": [message("")]}, 400, "bad_request", "events[0].content"),
    ({"events": [message([])]}, 400, "bad_request", "events[0].content"),
    ({"events": [message([block("")])]}, 400, "bad_request", "events[0].content[0].text"),
    ({"events": [message([{"type": "image", "source": {}}])]}, 400, "bad_request", "events[0].content[0].type"),
    ({"events": [message("a\0b")]}, 400, "bad_text", "events[0].content"),
    ({"events": [message([block("a"), block("\0")])]}, 400, "bad_text", "events[0].content[1].text"),
    (b'{"events":[{"type":"user.message","content":"\\ud800 alone"}]}', 400, "not_json", None),
    (b'{"events":[{"type":"user.message","content":"\xed\xa0\x80"}]}', 400, "not_json", None),
    (b'{"events":', 400, "not_json", None),
    (b"[" * 20_000, 400, "bad_request", None),
    (b'{"events":[{"type":"user.interrupt","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}]}", 400, "not_json", None),
    ({"events": [{"type": "user.tool_confirmation", "tool_use_id": "s", "result": "maybe"}]}, 400, "bad_request", None),
    ({"events": [message()], "expires_in": 0}, 400, "bad_request", "expires_in"),
    ({"events": [message()], "expires_in": "60"}, 400, "bad_request", "expires_in"),
    ({"events": [message("x" * 262_144)]}, 413, "content_too_large", None),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD_POSTS)
def test_a_post_is_refused_whole(
    ada: Person, session_id: str, body: Any, status: int, code: str, param: str | None
) -> None:
    refused = ada.ask("POST", f"/v1/sessions/{session_id}/events", body)
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"]) == (status, code), error
    if param is not None:
        assert error["param"] == param
    assert ada.get(f"/v1/sessions/{session_id}/events") == {"data": [], "next_page": None}


BAD_SESSIONS: list[tuple[Any, int, str, str | None]] = [
    ({}, 400, "bad_request", "agent"),
    ({"agent": 3}, 400, "bad_request", "agent"),
    ({"agent": {"type": "agent_with_overrides", "id": "a"}}, 400, "bad_request", "agent.type"),
    ({"agent": "agent_0"}, 404, "agent_not_found", "agent"),
    ({"agent": "\n"}, 404, "agent_not_found", "agent"),
    ({"agent": "OURS", "resources": [{"type": "file"}]}, 400, "unsupported_field", "resources"),
    ({"agent": "OURS", "vault_ids": ["vlt_1"]}, 400, "unsupported_field", "vault_ids"),
    ({"agent": "OURS", "title": 1}, 400, "bad_request", "title"),
    ({"agent": "OURS", "initial_events": [{"type": "x"}]}, 400, "unsupported_event", "initial_events[0].type"),
    (
        {"agent": "OURS", "initial_events": [{"type": "user.interrupt"}]},
        400,
        "unsupported_event",
        "initial_events[0].type",
    ),
    ({"agent": {"id": "OURS", "version": 2}}, 404, "agent_not_found", "agent"),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD_SESSIONS)
def test_a_session_that_can_not_be_is_refused_whole(
    ada: Person, agent_id: str, body: Any, status: int, code: str, param: str | None
) -> None:
    refused = ada.ask("POST", "/v1/sessions", json.dumps(body).replace("OURS", agent_id).encode())
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (status, code, param)
    assert ada.get("/v1/sessions") == {"data": [], "next_page": None}
    assert not [key for key in ada.world.stores.objects.logs if key.kind == "session"]  # type: ignore[attr-defined]


def test_an_agent_without_a_laptop_can_not_work(ada: Person) -> None:
    unbound = ada.post("/v1/agents", {"name": "a"})["id"]
    refused = ada.ask("POST", "/v1/sessions", {"agent": unbound})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "agent_not_bound")


# ---- whose it is


def all_routes(session_id: str) -> list[tuple[str, str, Any]]:
    base = f"/v1/sessions/{session_id}"
    return [
        ("GET", base, None),
        ("DELETE", base, None),
        ("POST", f"{base}/events", {"events": [message()]}),
        ("GET", f"{base}/events", None),
        ("GET", f"{base}/events/sevt_1", None),
        ("GET", f"{base}/events/stream", None),
    ]


@pytest.mark.parametrize("which", range(6))
def test_a_foreign_session_answers_byte_for_byte_like_an_absent_one(ada: Person, session_id: str, which: int) -> None:
    method, path, body = all_routes(session_id)[which]
    stranger, other_id = ada.world.tenant(), "sesn_" + "0" * 26
    foreign = stranger.ask(method, path, body)
    absent = stranger.ask(method, path.replace(session_id, other_id), body)
    assert (foreign.status_code, foreign.json_body["error"]["code"]) == (404, "session_not_found")
    differs = re.compile(rf"req_\w+|{session_id}|{other_id}")
    assert differs.sub("", foreign.body.decode()) == differs.sub("", absent.body.decode())
    assert sorted(foreign.headers) == sorted(absent.headers)


@pytest.mark.parametrize("session_id", ["sesn_0", "x", "sesn_%0a", "sesn_" + "0" * 3000])
@pytest.mark.parametrize("which", range(6))
def test_an_id_that_can_not_be_answers_like_an_absent_one(ada: Person, session_id: str, which: int) -> None:
    method, path, body = all_routes(session_id)[which]
    refused = ada.ask(method, path, body)
    assert (refused.status_code, refused.json_body["error"]["code"]) == (404, "session_not_found")


def test_a_deleted_session_is_gone_and_its_laptop_is_told(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    assert answer(ada.ask("DELETE", f"/v1/sessions/{session_id}")) == {"type": "session_deleted", "id": session_id}
    (said,) = ada.world.said_to(laptop.connection_id)
    assert said == {"type": "session.dispose", "session_id": session_id}
    assert ada.get("/v1/sessions")["data"] == []


# ---- lists


def test_events_are_paged_both_ways(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    for text in ("one", "two"):
        answer(ada.say(session_id, text))
        laptop.answers(session_id, turn_of(ada.world.said_to(laptop.connection_id)), text)
    path = f"/v1/sessions/{session_id}/events"
    everything = ada.get(path)["data"]
    for order, wanted in (("asc", everything), ("desc", everything[::-1])):
        seen, page = [], ""
        while True:
            got = ada.get(f"{path}?limit=3&order={order}{page}")
            seen += got["data"]
            if got["next_page"] is None:
                break
            page = f"&page={got['next_page']}"
        assert seen == wanted


def test_our_own_events_come_on_request(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    answer(ada.say(session_id, "hello"))
    path = f"/v1/sessions/{session_id}/events"
    assert not [one for one in types_of(ada.get(path)) if one.startswith("mooring.")]
    for query in ("include=mooring", "include%5B%5D=mooring"):
        assert "mooring.turn_started" in types_of(ada.get(f"{path}?{query}"))


def test_events_are_filtered_by_their_types(ada: Person, session_id: str) -> None:
    answer(ada.say(session_id, "hello"))
    path = f"/v1/sessions/{session_id}/events"
    some = ada.get(f"{path}?types%5B%5D=user.message&types%5B%5D=agent.message")
    assert types_of(some) == ["user.message"]
    first = ada.get(f"{path}?types%5B%5D=agent.message&limit=1")
    assert first["data"] == []
    assert first["next_page"] is not None


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=1001", "bad_request", "limit"),
        ("order=up", "bad_request", "order"),
        ("include=everything", "bad_request", "include"),
        ("page=nonsense", "bad_cursor", "after"),
        ("created_at%5Bgte%5D=2026-01-01", "unsupported_filter", "created_at[gte]"),
    ],
)
def test_a_list_of_events_refuses_what_it_can_not_do(
    ada: Person, session_id: str, query: str, code: str, param: str
) -> None:
    refused = ada.ask("GET", f"/v1/sessions/{session_id}/events?{query}")
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, code, param)


def test_an_event_that_is_not_there_is_not_found(ada: Person, session_id: str) -> None:
    refused = ada.ask("GET", f"/v1/sessions/{session_id}/events/sevt_nope")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (404, "event_not_found")


# ---- the bounded page of the stream


def frames_in(page: bytes) -> list[dict[str, str]]:
    found = []
    for one in page.decode().strip().split("\n\n"):
        found.append(dict(line.split(": ", 1) for line in one.split("\n")))
    return found


def test_a_page_without_news_ends_in_time_and_keeps_the_readers_place(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    before = ada.world.clock.now()
    page = ada.ask("GET", f"/v1/sessions/{session_id}/events/stream")
    assert page.headers["Content-Type"].startswith("text/event-stream")
    assert 25 <= ada.world.clock.now() - before < 26
    retry, place = frames_in(page.body)
    assert list(retry) == ["retry"]
    assert list(place) == ["id"]
    laptop.connect()
    answer(ada.say(session_id, "hello"))
    again = ada.ask("GET", f"/v1/sessions/{session_id}/events/stream", last_event_id=place["id"])
    events = [one for one in frames_in(again.body) if "event" in one]
    assert [one["event"] for one in events] == ["user.message", "session.status_running"]
    assert all(json.loads(one["data"])["type"] == one["event"] and "id" in one for one in events)
    last = ada.ask("GET", f"/v1/sessions/{session_id}/events/stream?after=0", last_event_id=events[0]["id"])
    assert [one["event"] for one in frames_in(last.body) if "event" in one] == ["session.status_running"]


def test_a_page_with_news_ends_soon_and_lets_go_of_its_reader(ada: Person, session_id: str) -> None:
    answer(ada.say(session_id, "hello"))
    before = ada.world.clock.now()
    page = ada.ask("GET", f"/v1/sessions/{session_id}/events/stream?after=0")
    assert b"event: user.message\n" in page.body
    assert ada.world.clock.now() - before < 1
    assert not ada.world.stores.attachments.rows  # type: ignore[attr-defined]  # The fakes' own.


def test_a_page_holds_no_more_than_an_answer_may(ada: Person, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.api.stream_page.MAX_PAGE_BYTES", 1)
    answer(ada.say(session_id, "hello"))
    path, seen, place = f"/v1/sessions/{session_id}/events/stream", [], "0"
    for _ in range(2):
        events = [one for one in frames_in(ada.ask("GET", path, last_event_id=place).body) if "event" in one]
        seen += [one["event"] for one in events]
        place = events[-1]["id"]
    assert seen == ["user.message", "session.status_rescheduled"]


@pytest.mark.parametrize(
    ("query", "param"), [("after=x", "after"), ("event_deltas%5B%5D=x", "event_deltas"), ("include=x", "include")]
)
def test_a_stream_that_can_not_be_is_refused(ada: Person, session_id: str, query: str, param: str) -> None:
    refused = ada.ask("GET", f"/v1/sessions/{session_id}/events/stream?{query}")
    assert (refused.status_code, refused.json_body["error"]["param"]) == (400, param)
