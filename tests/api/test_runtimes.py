"""Connecting laptops, and what a laptop asks for itself."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.actors.enrolment import TOKEN_LIFE_S
from chalicelib.wire import frames
from chalicelib.wire.ids import OutboxId, RuntimeId
from chalicelib.wiring import Plane
from tests.knocking import STATE, WS_URL, Laptop, Person, World, answer, block, prompt_in

VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
MACHINE = {"machine_id": "machine-1", "hostname": "mbp", "os": "darwin/arm64", "version": "0.1.0"}


def exchange(world: World, code: str, /, **changes: Any) -> Any:
    body = {"code": code, "state": STATE, **MACHINE, **changes}
    return world.ask("POST", "/agents/runtime/exchange", None, body)


def code_of(person: Person, **more: Any) -> str:
    return str(person.post("/v1/runtimes/connect-runtime", {"state": STATE, **more})["code"])


def test_a_connect_code_becomes_a_runtime_and_its_token(world: World, ada: Person) -> None:
    made = ada.post("/v1/runtimes/connect-runtime", {"state": STATE})
    assert len(made["code"]) == 32
    assert made["expires_at"] == world.clock.now() + 300
    enrolled = answer(exchange(world, made["code"]))
    assert set(enrolled) == {"runtime_id", "token", "ws_url", "expires_at"}
    assert enrolled["expires_at"] == int(world.clock.now() + TOKEN_LIFE_S)
    assert enrolled["ws_url"] == WS_URL
    assert enrolled["token"].startswith("sk_machine_")
    assert len(enrolled["token"]) == len("sk_machine_") + 60
    me = answer(world.ask("GET", "/agents/runtime/me", enrolled["token"]))
    assert me["runtime_id"] == me["runtime"]["id"] == enrolled["runtime_id"]


def test_setting_up_again_keeps_the_runtime_and_older_tokens(world: World, ada: Person, laptop: Laptop) -> None:
    world.clock.time += 60
    again = ada.laptop()
    assert again.runtime_id == laptop.runtime_id
    assert again.token != laptop.token
    assert laptop.ask("GET", "/agents/runtime/me").status_code == 200
    assert len(ada.get("/v1/runtimes")["runtimes"]) == 1


def test_the_same_machine_is_another_runtime_for_another_tenant(world: World, laptop: Laptop) -> None:
    assert world.tenant().laptop().runtime_id != laptop.runtime_id


def test_a_runtime_shows_what_its_hello_said_and_its_lease(world: World, ada: Person, laptop: Laptop) -> None:
    (before,) = ada.get("/v1/runtimes")["runtimes"]
    assert before["status"] == "offline"
    assert before["last_heartbeat"] is None
    laptop.connect()
    (during,) = ada.get("/v1/runtimes")["runtimes"]
    assert during == {
        "id": laptop.runtime_id,
        "hostname": "mbp",
        "os": "darwin/arm64",
        "status": "online",
        "agents": [{"id": "echo", "binary": "moor-echo-agent"}],
        "local_skills": {"echo": [{"id": "audit", "name": "Audit"}]},
        "version": "0.2.0",
        "last_heartbeat": int(world.clock.now()),
        "created_at": int(world.clock.now()),
        "owner": ada.user_id,
        "shared": False,
        "asleep_since": None,
        "waiting": 0,
    }
    world.clock.time += 151
    assert ada.get("/v1/runtimes")["runtimes"][0]["status"] == "offline"


def test_a_laptop_that_sleeps_is_shown_so_with_what_waits_for_it(ada: Person, laptop: Laptop) -> None:
    """Catches "offline" for a closed lid, and a count that stays when the laptop is back."""
    laptop.connect()
    session = ada.session(ada.agent(laptop.runtime_id)["id"])
    since = int(ada.world.clock.now())
    laptop.say(frames.RuntimeSleep(runtime_id=RuntimeId(laptop.runtime_id)))
    ada.world.clock.time += 3600
    ada.say(session["id"], "Good morning")
    for seen in (ada.get(f"/v1/runtimes/{laptop.runtime_id}"), ada.get("/v1/runtimes")["runtimes"][0]):
        assert (seen["status"], seen["asleep_since"], seen["waiting"]) == ("asleep", since, 1)
    assert ada.get(f"/v1/sessions/{session['id']}")["status"] == "rescheduling"
    laptop.connection_id = "conn-2="
    laptop.connect()
    rid = RuntimeId(laptop.runtime_id)
    laptop.say(frames.Hello(runtime_id=rid, instance="i1", seq=2, outbox=OutboxId(laptop.outbox)))
    seen = ada.get(f"/v1/runtimes/{laptop.runtime_id}")
    assert (seen["status"], seen["asleep_since"], seen["waiting"]) == ("online", None, 0)


def test_runtimes_are_listed_for_their_tenant_only(world: World, laptop: Laptop) -> None:
    assert world.tenant().get("/v1/runtimes") == {"runtimes": []}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": "0" * 32}, "code_invalid"),
        ({"state": "another state"}, "code_invalid"),
        ({"code_verifier": None}, "code_invalid"),
        ({"code_verifier": "w" * 50}, "code_invalid"),
        ({"machine_id": ""}, "bad_request"),
        ({"machine_id": 7}, "bad_request"),
        ({"code_verifier": "short"}, "bad_request"),
    ],
)
def test_a_bad_exchange_is_refused_and_leaves_the_code_good(
    world: World, ada: Person, changes: dict[str, Any], code: str
) -> None:
    made = code_of(ada, code_challenge=CHALLENGE)
    refused = exchange(world, made, **{"code_verifier": VERIFIER, **changes})
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, code)
    assert ada.get("/v1/runtimes") == {"runtimes": []}
    answer(exchange(world, made, code_verifier=VERIFIER))


def test_a_code_is_good_once_and_for_five_minutes(world: World, ada: Person) -> None:
    spent, late = code_of(ada), code_of(ada)
    answer(exchange(world, spent))
    assert exchange(world, spent).json_body["error"]["code"] == "code_used"
    world.clock.time += 300
    assert exchange(world, late).json_body["error"]["code"] == "code_expired"


def test_a_plane_that_does_not_know_its_address_says_so_and_spends_nothing(world: World, ada: Person) -> None:
    made = code_of(ada)
    wiring.use(Plane(world.stores))
    refused = exchange(world, made)
    assert (refused.status_code, refused.json_body["error"]["code"]) == (503, "ws_url_unknown")
    wiring.use(world.plane)
    answer(exchange(world, made))


def test_a_failure_after_the_code_is_spent_says_so(world: World, ada: Person) -> None:
    made = code_of(ada)

    def fail(name: str, phase: str) -> None:
        if (name, phase) == ("runtimes.put_token", "before"):
            raise OSError("the store is away")

    world.stores.runtimes.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    refused = exchange(world, made)
    error = refused.json_body["error"]
    assert (refused.status_code, error["code"]) == (503, "enrolment_unfinished")
    assert "new code" in error["message"]
    assert "store" not in error["message"]
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "body", [{}, {"state": "short"}, {"state": 12345678}, {"state": STATE, "code_challenge": "x"}, [], None]
)
def test_a_bad_connect_request_is_refused(ada: Person, body: Any) -> None:
    refused = ada.ask("POST", "/v1/runtimes/connect-runtime", json.dumps(body).encode())
    assert (refused.status_code, refused.json_body["error"]["code"]) == (400, "bad_request")


# ---- what a laptop fetches


def test_a_bundle_holds_what_the_agent_is(ada: Person, laptop: Laptop) -> None:
    binding = {"runtime_id": laptop.runtime_id, "acp_agent_id": "claude-code-acp", "local_skill_blocklist": ["deploy"]}
    agent = ada.post(
        "/v1/agents",
        {
            "name": "reviewer",
            "description": "Looks twice.",
            "system": "You review code.",
            "runtime_binding": binding,
            "permission_policy": "always_allow",
            "hard_limit_s": 60,
            "mcp_servers": [{"type": "url", "name": "docs", "url": "https://mcp.example/x"}],
        },
    )
    session = ada.session(agent["id"])
    bundle = answer(laptop.ask("GET", f"/agents/runtime/sessions/{session['id']}/bundle?agent_id=claude-acp"))
    (instructions,) = bundle["files"]
    assert instructions["path"] == "AGENTS.md"
    for part in ("reviewer", "Looks twice.", "You review code."):
        assert part in instructions["content"]
    assert bundle["system_prompt"] == "You review code."
    assert bundle["local_skill_blocklist"] == ["deploy"]
    assert bundle["permission_policy"] == "always_allow"
    assert (bundle["idle_limit_s"], bundle["hard_limit_s"]) == (600, 60)
    assert bundle["mcp_servers"] == [{"name": "docs", "url": "https://mcp.example/x", "type": "http"}]


def paths_of(session_id: str, turn_id: str = "turn_1") -> list[tuple[str, str, Any]]:
    base = f"/agents/runtime/sessions/{session_id}"
    event = {"type": "agent.message", "id": "sevt_big", "turn_id": turn_id, "content": [block("x")]}
    return [
        ("GET", f"{base}/bundle?agent_id=echo", None),
        ("GET", f"{base}/turns/{turn_id}", None),
        ("PUT", f"{base}/events/sevt_big", event),
    ]


@pytest.mark.parametrize("which", range(3))
def test_a_session_of_another_runtime_answers_like_an_absent_one(ada: Person, laptop: Laptop, which: int) -> None:
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    method, path, body = paths_of(session_id)[which]
    colleague, stranger = ada.laptop("machine-2"), ada.world.tenant().laptop()
    answers = [one.ask(method, path, body) for one in (colleague, stranger)]
    assert ada.ask("DELETE", f"/v1/sessions/{session_id}").status_code == 200
    answers.append(laptop.ask(method, path, body))
    assert {one.status_code for one in answers} == {404}
    assert len({without_request_id(one.body) for one in answers}) == 1
    assert answers[0].json_body["error"]["code"] == "session_not_found"


def without_request_id(body: bytes) -> str:
    told = json.loads(body)
    assert told.pop("request_id").startswith("req_")
    return json.dumps(told)


def test_a_bundle_needs_the_sessions_own_agent(ada: Person, laptop: Laptop) -> None:
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    base = f"/agents/runtime/sessions/{session_id}/bundle"
    missing, other = laptop.ask("GET", base), laptop.ask("GET", f"{base}?agent_id=codex-acp")
    assert (missing.status_code, missing.json_body["error"]["param"]) == (400, "agent_id")
    assert (other.status_code, other.json_body["error"]["code"]) == (400, "agent_mismatch")


def test_a_prompt_too_large_for_a_frame_is_fetched(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    text = "x" * 200_000
    answer(ada.say(session_id, text))
    prompt = prompt_in(ada.world.said_to(laptop.connection_id))
    assert prompt.content is None
    got = answer(laptop.ask("GET", f"/agents/runtime/sessions/{session_id}/turns/{prompt.turn_id}"))
    assert got == {"content": [block(text)]}
    gone = laptop.ask("GET", f"/agents/runtime/sessions/{session_id}/turns/turn_other")
    assert (gone.status_code, gone.json_body["error"]["code"]) == (404, "turn_not_found")


def test_a_large_event_is_uploaded_referred_to_and_read_whole(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    answer(ada.say(session_id, "hello"))
    turn_id = prompt_in(ada.world.said_to(laptop.connection_id)).turn_id
    event = {"type": "agent.message", "id": "sevt_big", "turn_id": turn_id, "content": [block("y" * 300_000)]}
    raw = json.dumps(event).encode()
    kept = answer(laptop.ask("PUT", f"/agents/runtime/sessions/{session_id}/events/sevt_big", raw))
    assert kept == {"id": "sevt_big", "n_bytes": len(raw)}
    stub = {"type": "mooring.spilled", "id": "sevt_big", "of": "agent.message", "n_bytes": len(raw)}
    (ack,) = laptop.events(session_id, {**stub, "sha256": hashlib.sha256(raw).hexdigest(), "turn_id": turn_id})
    assert (ack["type"], ack["batch"]) == ("session.ack", 1)
    read = ada.get(f"/v1/sessions/{session_id}/events/sevt_big")
    assert read["content"] == event["content"]


@pytest.mark.parametrize(
    ("event_id", "body", "status", "code"),
    [
        ("sevt_1", b"nonsense", 400, "bad_event"),
        ("sevt_1", b"{}", 400, "bad_event"),
        ("sevt_" + "0" * 2000, b"{}", 400, "bad_event"),
        ("other%231", b"{}", 400, "bad_event"),
        ("sevt_2", b'{"type":"agent.message","id":"sevt_1","turn_id":"turn_1","content":[]}', 400, "bad_event"),
        ("sevt_1", b" " * (4 * 1024 * 1024 + 1), 413, "content_too_large"),
    ],
)
def test_an_upload_that_is_no_event_is_refused(
    ada: Person, laptop: Laptop, event_id: str, body: bytes, status: int, code: str
) -> None:
    session_id = ada.session(ada.agent(laptop.runtime_id)["id"])["id"]
    refused = laptop.ask("PUT", f"/agents/runtime/sessions/{session_id}/events/{event_id}", body)
    assert (refused.status_code, refused.json_body["error"]["code"]) == (status, code)
    assert not ada.world.stores.bodies.bodies  # type: ignore[attr-defined]  # The fakes' own.


# ---- whose they are


def test_a_colleagues_laptop_is_seen_and_not_used_until_it_is_shared(ada: Person, laptop: Laptop) -> None:
    """Catches a team of which everybody runs agents on everybody's laptop: at bind, at create and at each message."""
    bob = ada.colleague("member")
    (seen,) = bob.get("/v1/runtimes")["runtimes"]
    assert (seen["id"], seen["owner"], seen["shared"]) == (laptop.runtime_id, ada.user_id, False)
    binding = {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo"}
    agent = ada.agent(laptop.runtime_id)
    session = ada.session(agent["id"])

    def refusals() -> list[int]:
        return [
            bob.ask("POST", "/v1/agents", {"name": "b", "runtime_binding": binding}).status_code,
            bob.ask("POST", "/v1/sessions", {"agent": agent["id"]}).status_code,
            bob.say(session["id"], "Hello").status_code,
        ]

    assert refusals() == [403, 403, 403]
    refused = bob.ask("POST", "/v1/sessions", {"agent": agent["id"]}).json_body["error"]
    assert refused["code"] == "runtime_not_shared"
    path = f"/v1/runtimes/{laptop.runtime_id}"
    assert bob.ask("POST", path, {"shared": True}).json_body["error"]["code"] == "owner_only"
    assert ada.post(path, {"shared": True})["shared"] is True
    assert refusals() == [200, 200, 200]
    assert ada.post(path, {"shared": False})["shared"] is False
    assert refusals() == [403, 403, 403]
    assert bob.get(f"/v1/sessions/{session['id']}/events")["data"], "what is done stays readable"


def test_a_removed_laptop_is_shut_out_at_once(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    agent = ada.agent(laptop.runtime_id)
    session = ada.session(agent["id"])
    assert answer(ada.ask("DELETE", f"/v1/runtimes/{laptop.runtime_id}")) == {
        "type": "runtime_deleted",
        "id": laptop.runtime_id,
    }
    assert laptop.connection_id in ada.world.sockets.gone
    assert laptop.ask("GET", "/agents/runtime/me").status_code == 401
    assert ada.get("/v1/runtimes") == {"runtimes": []}
    for response in (
        ada.ask("GET", f"/v1/runtimes/{laptop.runtime_id}"),
        ada.ask("DELETE", f"/v1/runtimes/{laptop.runtime_id}"),
        ada.ask("POST", "/v1/sessions", {"agent": agent["id"]}),
        ada.say(session["id"], "Hello"),
    ):
        assert (response.status_code, response.json_body["error"]["code"]) == (404, "runtime_not_found")
    assert ada.get(f"/v1/sessions/{session['id']}")["id"] == session["id"]


def test_a_laptop_renews_its_token_and_its_owner_ends_one(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    ada.world.clock.time += 1
    renewed = answer(laptop.ask("POST", "/agents/runtime/token", {}))
    assert ada.world.ask("GET", "/agents/runtime/me", renewed["token"]).status_code == 200
    listed = ada.get(f"/v1/runtimes/{laptop.runtime_id}/tokens")["tokens"]
    assert [one["name"] for one in listed] == ["mbp", "mbp"]
    assert laptop.token not in str(listed)
    ended = next(one for one in listed if one["expires_at"] != renewed["expires_at"])
    path = f"/v1/runtimes/{laptop.runtime_id}/tokens/{ended['id']}"
    assert answer(ada.ask("DELETE", path))["revoked_at"] is not None
    assert laptop.ask("GET", "/agents/runtime/me").status_code == 401
    assert laptop.connection_id in ada.world.sockets.gone
    assert ada.world.ask("GET", "/agents/runtime/me", renewed["token"]).status_code == 200
    assert ada.colleague("admin").ask("DELETE", path).status_code == 403


def test_a_laptop_has_its_own_connection_cut_and_stays_what_it_is(ada: Person, laptop: Laptop) -> None:
    laptop.connect()
    told = answer(laptop.ask("DELETE", "/agents/runtime/connection"))
    assert told == {"type": "connection_cut", "id": laptop.runtime_id}
    assert laptop.connection_id in ada.world.sockets.gone
    assert laptop.ask("GET", "/agents/runtime/me").status_code == 200
    assert answer(laptop.ask("DELETE", "/agents/runtime/connection")) == told


def test_a_laptop_that_leaves_ends_its_token_and_its_connection(ada: Person, laptop: Laptop) -> None:
    """Catches an uninstalled laptop whose token still opens something to whoever finds a copy of it."""
    laptop.connect()
    assert answer(laptop.ask("DELETE", "/agents/runtime/token")) == {
        "type": "runtime_token_deleted",
        "id": laptop.runtime_id,
    }
    assert laptop.connection_id in ada.world.sockets.gone
    again = laptop.ask("DELETE", "/agents/runtime/token")
    assert (again.status_code, again.json_body["error"]["code"]) == (401, "unauthorized")
    (token,) = ada.get(f"/v1/runtimes/{laptop.runtime_id}/tokens")["tokens"]
    assert token["revoked_at"] == int(ada.world.clock.now())
