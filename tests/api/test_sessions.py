"""Sessions: their life over HTTP, each refusal by its code, and the bounded page of the stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from chalice.local import LambdaEventConverter
from msgspec.structs import replace

from chalicelib.core.tenant_limits import TenantLimits
from tests.knocking import Laptop, Person, answer, block, turn_of

EMPTY: dict[str, Any] = {"data": [], "next_page": None, "prev_page": None}


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
    assert made["stats"] == {"active_seconds": 0.0, "duration_seconds": 0.0}
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
    events = [{"type": "user.interrupt", "session_thread_id": None}, {"type": "user.message", "content": text}]
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
    assert again.json_body["error"]["message"] == f"The question sevt_q was answered with deny by {ada.user_id}."
    unknown = ada.ask("POST", path, {"events": [{**reply, "tool_use_id": "sevt_x"}]})
    assert (unknown.status_code, unknown.json_body["error"]["code"]) == (404, "no_such_question")


def test_whoever_answers_too_late_is_told_what_became_of_the_question(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    """Catches "no such question" for one that was there: answered, acted on, expired, or never asked of anybody."""
    laptop.connect()
    answer(ada.say(session_id, "do it"))
    turn_id = turn_of(ada.world.said_to(laptop.connection_id))
    path = f"/v1/sessions/{session_id}/events"

    def use(name: str, **more: str) -> None:
        call = {"type": "agent.tool_use", "id": name, "turn_id": turn_id, "name": "bash", "input": {}}
        laptop.events(session_id, {**call, **more})

    def settled(name: str, outcome: str) -> None:
        about = {"turn_id": turn_id, "tool_use_id": name, "outcome": outcome}
        laptop.events(session_id, {"type": "mooring.permission_settled", "id": f"{name}_end", **about})

    def told(name: str, asking: Any = ada) -> tuple[int, str, str]:
        reply = {"type": "user.tool_confirmation", "tool_use_id": name, "result": "allow"}
        refused = asking.ask("POST", path, {"events": [reply]})
        return refused.status_code, refused.json_body["error"]["code"], refused.json_body["error"]["message"]

    for name in ("sevt_q1", "sevt_q2", "sevt_q3"):
        use(name, evaluated_permission="ask", call_hash="h")
    use("sevt_q4")
    token = ada.post(f"/v1/sessions/{session_id}/tokens", {"name": "bot", "scopes": ["sessions:write"]})
    reply = {"type": "user.tool_confirmation", "tool_use_id": "sevt_q1", "result": "allow"}
    (said,) = answer(ada.world.ask("POST", path, token["token"], {"events": [reply]}))["data"]
    assert said["answered_by"] == token["id"]
    settled("sevt_q1", "allow")
    settled("sevt_q2", "expired")
    assert told("sevt_q2") == (409, "already_answered", "The question sevt_q2 has expired, which is a denial.")
    laptop.answers(session_id, turn_id, "done")
    for name, became in (
        ("sevt_q1", f"was answered with allow by {token['id']}"),
        ("sevt_q3", "fell away with its turn"),
        ("sevt_q4", "was not asked of anybody: the policy was allow"),
    ):
        assert told(name) == (409, "already_answered", f"The question {name} {became}.")
    assert told("sevt_q5")[:2] == (404, "no_such_question")
    uses = [one for one in ada.get(path)["data"] if one["type"] == "agent.tool_use"]
    assert [one["evaluated_permission"] for one in uses] == ["ask", "ask", "ask", "allow"]


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


def retried(ada: Person, path: str, body: Any, count: int) -> Any:
    """What an SDK's try number ``count`` is answered."""
    return answer(ada.ask("POST", path, body, x_stainless_retry_count=str(count)))


@pytest.fixture
def arrives(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets when API Gateway got the requests that follow (epoch ms); Chalice's stand-in for it does not say."""
    real, at_ms = LambdaEventConverter.create_lambda_event, [0]

    def create(*args: Any, **kwargs: Any) -> Any:
        event = real(*args, **kwargs)
        event["requestContext"]["requestTimeEpoch"] = at_ms[0]
        return event

    monkeypatch.setattr(LambdaEventConverter, "create_lambda_event", create)
    return lambda ms: at_ms.__setitem__(0, ms)


def test_what_an_sdk_posts_again_is_accepted_once(ada: Person, session_id: str) -> None:
    path, body = f"/v1/sessions/{session_id}/events", {"events": [message("hello")]}
    first = retried(ada, path, body, 0)
    for count in (1, 2):
        ada.world.clock.time += 30
        assert retried(ada, path, body, count) == first
    assert retried(ada, path, {"events": [message("other")]}, 1) != first
    assert types_of(ada.get(path)).count("user.message") == 2


def test_two_messages_that_say_the_same_on_purpose_are_both_accepted(ada: Person, session_id: str) -> None:
    path, body = f"/v1/sessions/{session_id}/events", {"events": [message("continue")]}
    ids = {retried(ada, path, body, 0)["data"][0]["id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_slow_first_try_that_its_repeat_has_overtaken_is_known_by_when_it_came(
    ada: Person, session_id: str, arrives: Callable[[int], None]
) -> None:
    """Catches a function's own clock taken for the time at which its request came in."""
    path, body = f"/v1/sessions/{session_id}/events", {"events": [message("hello")]}
    now_ms = int(ada.world.clock.time * 1000)
    arrives(now_ms)
    again = retried(ada, path, body, 1)
    ada.world.clock.time += 20
    arrives(now_ms - 29_500)
    assert retried(ada, path, body, 0) == again
    assert types_of(ada.get(path)).count("user.message") == 1


def test_the_same_words_by_another_key_are_another_message(ada: Person, session_id: str) -> None:
    path, body = f"/v1/sessions/{session_id}/events", {"events": [message("hello")]}
    first = retried(ada, path, body, 0)
    assert retried(ada.key(), path, body, 1) != first


def test_a_key_is_believed_and_not_the_count(ada: Person, session_id: str) -> None:
    path, body = f"/v1/sessions/{session_id}/events", {"events": [message("hello")]}
    first = retried(ada, path, body, 0)
    other = answer(ada.ask("POST", path, body, x_stainless_retry_count="1", idempotency_key="k1"))
    assert other != first


@pytest.mark.parametrize("count", ["-1", "x", "1e9", "1001"])
def test_a_count_that_is_none_is_refused(ada: Person, session_id: str, count: str) -> None:
    body = {"events": [message("hello")]}
    refused = ada.ask("POST", f"/v1/sessions/{session_id}/events", body, x_stainless_retry_count=count)
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "bad_header")


def test_a_session_asked_for_twice_under_a_key_is_made_once(ada: Person, agent_id: str) -> None:
    body = {"agent": agent_id, "title": "t", "initial_events": [message("hello")]}
    first = answer(ada.ask("POST", "/v1/sessions", body, idempotency_key="k1"))
    assert answer(ada.ask("POST", "/v1/sessions", body, idempotency_key="k1"))["id"] == first["id"]
    assert answer(ada.ask("POST", "/v1/sessions", body, idempotency_key="k2"))["id"] != first["id"]
    assert types_of(ada.get(f"/v1/sessions/{first['id']}/events")).count("user.message") == 1
    refused = ada.ask("POST", "/v1/sessions", {**body, "title": "u"}, idempotency_key="k1")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (422, "idempotency_key_reused")
    assert len(ada.get("/v1/sessions")["data"]) == 2


def test_another_tenants_key_is_another_key(ada: Person, agent_id: str) -> None:
    answer(ada.ask("POST", "/v1/sessions", {"agent": agent_id}, idempotency_key="k1"))
    stranger = ada.world.tenant()
    refused = stranger.ask("POST", "/v1/sessions", {"agent": agent_id}, idempotency_key="k1")
    assert refused.json_body["error"]["code"] == "agent_not_found"


def test_what_an_sdk_makes_again_is_made_once_and_what_it_means_twice_is_made_twice(ada: Person, agent_id: str) -> None:
    body = {"agent": agent_id, "initial_events": [message("hello")]}
    first = retried(ada, "/v1/sessions", body, 0)
    ada.world.clock.time += 1
    assert retried(ada, "/v1/sessions", body, 1)["id"] == first["id"]
    second = retried(ada, "/v1/sessions", body, 0)
    assert second["id"] != first["id"]
    assert [one["id"] for one in ada.get("/v1/sessions")["data"]] == [second["id"], first["id"]]


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
    ({"events": [{"type": "user.tool_result"}]}, 400, "unsupported_event", "events[0].type"),
    ({"events": [{"type": "user.define_outcome"}]}, 400, "unsupported_event", "events[0].type"),
    ({"events": [message(), {"type": "system.message"}]}, 400, "unsupported_event", "events[1].type"),
    (
        {"events": [{"type": "user.interrupt", "session_thread_id": "sthr_1"}]},
        400,
        "unsupported_field",
        "events[0].session_thread_id",
    ),
    ({"events": [message(), {"type": "agent.message"}]}, 400, "unsupported_event", "events[1].type"),
    ({"events": [{"type": "user.message"}]}, 400, "bad_request", "events[0].content"),
    ({"events": [message("")]}, 400, "bad_request", "events[0].content"),
    ({"events": [message([])]}, 400, "bad_request", "events[0].content"),
    ({"events": [message([block("")])]}, 400, "bad_request", "events[0].content[0].text"),
    ({"events": [message([{"type": "image", "source": {}}])]}, 400, "bad_request", "events[0].content[0].source.type"),
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
    ({"events": [message("x" * 262_145)]}, 413, "content_too_large", None),
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
    ({"agent": {"type": "team", "id": "a"}}, 400, "bad_request", "agent.type"),
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
    assert ada.get("/v1/sessions") == EMPTY
    assert not [key for key in ada.world.stores.objects.logs if key.kind == "session"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("system.message", "system prompt"),
        ("user.tool_result", "laptop"),
        ("user.custom_tool_result", "MCP"),
        ("user.define_outcome", "user.message"),
    ],
)
def test_a_refused_event_says_why_and_what_to_do(ada: Person, session_id: str, kind: str, word: str) -> None:
    refused = ada.ask("POST", f"/v1/sessions/{session_id}/events", {"events": [{"type": kind}]})
    assert word in refused.json_body["error"]["message"]


def test_a_tenant_has_so_many_open_sessions_and_no_more(ada: Person, agent_id: str) -> None:
    tenant_id = ada.world.plane.tenants.key_principal(ada.secret, "read").tenant_id
    tenant = ada.world.stores.tenants.get(tenant_id)
    assert tenant is not None
    limits = TenantLimits(max_sessions=2)
    assert ada.world.stores.tenants.change(replace(tenant, limits=limits, version=tenant.version + 1))
    one, _ = ada.session(agent_id), ada.session(agent_id)
    refused = ada.ask("POST", "/v1/sessions", {"agent": agent_id})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (429, "limit_reached")
    assert int(refused.headers["Retry-After"]) > 0
    ada.post(f"/v1/sessions/{one['id']}/archive", None)
    ada.session(agent_id)


def test_an_agent_without_a_laptop_can_not_work(ada: Person) -> None:
    unbound = ada.post("/v1/agents", {"name": "a"})["id"]
    refused = ada.ask("POST", "/v1/sessions", {"agent": unbound})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "agent_not_bound")


# ---- whose it is


def all_routes(session_id: str) -> list[tuple[str, str, Any]]:
    base = f"/v1/sessions/{session_id}"
    return [
        ("GET", base, None),
        ("POST", base, {"title": "t"}),
        ("POST", f"{base}/archive", None),
        ("DELETE", base, None),
        ("POST", f"{base}/events", {"events": [message()]}),
        ("GET", f"{base}/events", None),
        ("GET", f"{base}/events/sevt_1", None),
        ("GET", f"{base}/events/stream", None),
        *nothing_there(base),
        ("GET", f"{base}/resources", None),
        ("POST", f"{base}/resources", {"type": "file", "file_id": "file_1"}),
    ]


def nothing_there(base: str) -> list[tuple[str, str, Any]]:
    """Routes of other planes for things of which there are none here."""
    return [
        ("GET", f"{base}/resources/res_1", None),
        ("POST", f"{base}/resources/res_1", {"authorization_token": "x"}),
        ("DELETE", f"{base}/resources/res_1", None),
        ("GET", f"{base}/threads", None),
        ("GET", f"{base}/threads/sthr_1", None),
        ("POST", f"{base}/threads/sthr_1/archive", None),
        ("GET", f"{base}/threads/sthr_1/events", None),
        ("GET", f"{base}/threads/sthr_1/stream", None),
    ]


N_ROUTES = len(all_routes(""))


@pytest.mark.parametrize("which", range(N_ROUTES))
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
@pytest.mark.parametrize("which", range(N_ROUTES))
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


# ---- changing and archiving


def test_a_session_is_renamed_and_its_readers_are_told(ada: Person, agent_id: str) -> None:
    made = ada.session(agent_id, title="old", metadata={"a": "1", "b": "2"})
    path = f"/v1/sessions/{made['id']}"
    changed = ada.post(path, {"title": "new", "metadata": {"a": None, "c": "3"}})
    assert (changed["title"], changed["metadata"]) == ("new", {"b": "2", "c": "3"})
    assert ada.get(path) == ada.get("/v1/sessions")["data"][0] == changed
    (told,) = ada.get(f"{path}/events")["data"]
    assert (told["type"], told["title"], told["metadata"]) == ("session.updated", "new", changed["metadata"])
    assert ada.post(path, {"title": None})["title"] is None
    assert ada.post(path, {"metadata": None})["metadata"] == {}
    assert ada.post(path, {}) == ada.get(path)
    assert types_of(ada.get(f"{path}/events")) == ["session.updated"] * 3


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"agent": {"tools": []}}, "unsupported_field", "agent"),
        ({"budget": {"max_list_cost": {}}}, "unsupported_field", "budget"),
        ({"vault_ids": ["vlt_1"]}, "unsupported_field", "vault_ids"),
        ({"title": 3}, "bad_request", "title"),
        ({"metadata": {"k": 1}}, "bad_request", "metadata[...]"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "too_much_metadata", "metadata"),
    ],
)
def test_what_of_a_session_can_not_be_changed_is_refused(
    ada: Person, session_id: str, body: Any, code: str, param: str
) -> None:
    refused = ada.ask("POST", f"/v1/sessions/{session_id}", {"title": "t", **body})
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, code, param)
    assert ada.get(f"/v1/sessions/{session_id}")["title"] is None


def test_an_archived_session_is_read_only_and_hidden(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    answer(ada.say(session_id, "hello"))
    laptop.answers(session_id, turn_of(ada.world.said_to(laptop.connection_id)), "hi")
    path = f"/v1/sessions/{session_id}"
    archived = ada.post(f"{path}/archive", None)
    assert (archived["status"], archived["archived_at"]) == ("terminated", archived["updated_at"])
    ada.world.clock.time += 9
    assert ada.post(f"{path}/archive", {}) == ada.get(path) == archived
    assert ada.get("/v1/sessions")["data"] == []
    assert ada.get("/v1/sessions?include_archived=true")["data"] == [archived]
    assert types_of(ada.get(f"{path}/events"))[-1] == "session.status_terminated"
    for method, where, body in (("POST", f"{path}/events", {"events": [message()]}), ("POST", path, {"title": "t"})):
        refused = ada.ask(method, where, body)
        assert (refused.status_code, refused.json_body["error"]["code"]) == (409, "session_archived")
        assert refused.headers["x-should-retry"] == "false"
    assert ada.world.said_to(laptop.connection_id) == [], "the folder stays"
    page = ada.ask("GET", f"{path}/events/stream?after=0")
    assert b"event: session.status_terminated\n" in page.body
    assert answer(ada.ask("DELETE", path))["type"] == "session_deleted"


@pytest.mark.parametrize("is_online", [True, False])
def test_a_session_with_work_is_not_archived_before_that_is_stopped(
    ada: Person, laptop: Laptop, session_id: str, is_online: bool
) -> None:
    if is_online:
        laptop.connect()
    answer(ada.say(session_id, "hello"))
    path = f"/v1/sessions/{session_id}"
    refused = ada.ask("POST", f"{path}/archive")
    assert (refused.status_code, refused.json_body["error"]["code"]) == (409, "session_running")
    assert refused.headers["x-should-retry"] == "false"
    answer(ada.ask("POST", f"{path}/events", {"events": [{"type": "user.interrupt"}]}))
    if is_online:
        turn_id = turn_of(ada.world.said_to(laptop.connection_id)[:1])
        laptop.answers(session_id, turn_id, "stopped")
    assert ada.post(f"{path}/archive", None)["status"] == "terminated"


def test_a_session_tells_for_how_long_it_has_worked(ada: Person, laptop: Laptop, session_id: str) -> None:
    laptop.connect()
    path = f"/v1/sessions/{session_id}"
    ada.world.clock.time += 10
    answer(ada.say(session_id, "hello"))
    ada.world.clock.time += 5
    assert ada.get(path)["stats"] == {"active_seconds": 5.0, "duration_seconds": 15.0}
    laptop.answers(session_id, turn_of(ada.world.said_to(laptop.connection_id)), "hi")
    ada.world.clock.time += 100
    wanted = {"active_seconds": 5.0, "duration_seconds": 115.0}
    assert ada.get(path)["stats"] == ada.get("/v1/sessions")["data"][0]["stats"] == wanted
    ada.post(f"{path}/archive", None)
    ada.world.clock.time += 100
    assert ada.get(path)["stats"] == wanted


def test_there_are_no_threads_and_no_resources(ada: Person, session_id: str) -> None:
    """Catches an answer above 500, which SDKs send again."""
    base = f"/v1/sessions/{session_id}"
    for method, path, body in nothing_there(base):
        refused = ada.ask(method, path, body)
        code = "thread_not_found" if "/threads" in path else "resource_not_found"
        assert (refused.status_code, refused.json_body["error"]["code"]) == (404, code)
    assert ada.get(f"{base}/resources") == {"data": [], "next_page": None}
    refused = ada.ask("POST", f"{base}/resources", {"type": "file", "file_id": "file_1"})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "unsupported_resource")


# ---- lists


@pytest.fixture
def shelf(ada: Person, laptop: Laptop, agent_id: str) -> list[Any]:
    """Five sessions, a minute apart: two agents' in turn, the third one archived, the last one waiting."""
    other = ada.agent(laptop.runtime_id)["id"]
    made = []
    for k in range(5):
        ada.world.clock.time += 60
        made.append(ada.session(other if k % 2 else agent_id, title=str(k)))
    answer(ada.say(made[4]["id"], "hello"))
    ada.post(f"/v1/sessions/{made[2]['id']}/archive", None)
    return made


def titles(listed: Any) -> str:
    return "".join(one["title"] for one in listed["data"])


def test_sessions_are_paged_both_ways_as_the_sdk_does(ada: Person, shelf: list[Any]) -> None:
    for order, wanted in (("asc", ["01", "34"]), ("desc", ["43", "10"])):
        first = ada.get(f"/v1/sessions?limit=2&order={order}")
        second = ada.get(f"/v1/sessions?limit=2&order={order}&page={first['next_page']}")
        assert [titles(first), titles(second)] == wanted
        assert (first["prev_page"], second["next_page"]) == (None, None)
        back = ada.get(f"/v1/sessions?limit=2&order={order}&page={second['prev_page']}")
        assert (back["data"], back["prev_page"]) == (first["data"], None)
    assert titles(ada.get("/v1/sessions")) == "4310", "newest first unless asked otherwise"


def test_sessions_are_filtered(ada: Person, shelf: list[Any], agent_id: str) -> None:
    at = shelf[3]["created_at"]
    for query, wanted in (
        (f"agent_id={agent_id}", "40"),
        (f"agent_id={agent_id}&agent_version=1&include_archived=true", "420"),
        (f"agent_id={agent_id}&agent_version=2", ""),
        ("agent_id=agent_none", ""),
        (f"created_at%5Bgte%5D={at}", "43"),
        (f"created_at%5Bgt%5D={at}", "4"),
        (f"created_at%5Blt%5D={at}", "10"),
        (f"created_at%5Blte%5D={at}", "310"),
        (f"created_at%5Bgte%5D={shelf[1]['created_at']}&created_at%5Blt%5D={at}&include_archived=true", "21"),
        ("statuses%5B%5D=rescheduling", "4"),
        ("statuses%5B%5D=idle&statuses%5B%5D=rescheduling", "4310"),
        ("statuses%5B%5D=terminated", ""),
        ("statuses%5B%5D=terminated&include_archived=true", "2"),
        ("deployment_id=depl_1", ""),
        ("memory_store_id=mems_1", ""),
    ):
        listed = ada.get(f"/v1/sessions?{query}")
        assert (titles(listed), listed["next_page"]) == (wanted, None), query


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("page=x", "bad_page", "page"),
        ("limit=0", "bad_request", "limit"),
        ("order=up", "bad_request", "order"),
        ("statuses%5B%5D=busy", "bad_request", "statuses"),
        ("created_at%5Bgt%5D=soon", "bad_request", "created_at[gt]"),
        ("name=x", "unsupported_filter", "name"),
    ],
)
def test_a_list_of_sessions_refuses_what_it_can_not_do(ada: Person, query: str, code: str, param: str) -> None:
    error = ada.ask("GET", f"/v1/sessions?{query}").json_body["error"]
    assert (error["code"], error["param"]) == (code, param)


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
    assert ada.get(f"{path}?types%5B%5D=agent.message&limit=1") == {"data": [], "next_page": None}


def test_events_are_filtered_by_the_time_at_which_they_were_processed(
    ada: Person, laptop: Laptop, session_id: str
) -> None:
    laptop.connect()
    answer(ada.say(session_id, "one"))
    ada.world.clock.time += 100
    laptop.answers(session_id, turn_of(ada.world.said_to(laptop.connection_id)), "two")
    path = f"/v1/sessions/{session_id}/events"
    at = ada.get(path)["data"][-1]["processed_at"]
    asked, said = ["user.message", "session.status_running"], ["agent.message", "session.status_idle"]
    for word, wanted in (("gte", said), ("gt", []), ("lt", asked), ("lte", asked + said)):
        assert types_of(ada.get(f"{path}?created_at%5B{word}%5D={at}")) == wanted


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=1001", "bad_request", "limit"),
        ("order=up", "bad_request", "order"),
        ("include=everything", "bad_request", "include"),
        ("page=nonsense", "bad_cursor", "after"),
        ("created_at%5Bgte%5D=yesterday", "bad_request", "created_at[gte]"),
        ("created_at%5Bgte%5D=2026-01-01T00:00:00", "bad_request", "created_at[gte]"),
        ("created_at%5Beq%5D=2026-01-01T00:00:00Z", "unsupported_filter", "created_at[eq]"),
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
