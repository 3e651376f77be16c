"""Session tokens: good for one session and nothing else, for as long as it, its maker and its time last; canaries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.actors.canaries import EVERY_S, TOKEN_LIFE_S
from chalicelib.actors.session_tokens import LIFE_S, MAX_TOKENS
from tests.knocking import Laptop, Person, World, answer, prompt_in

BOTH = ["read", "sessions:write"]
SAID = {"events": [{"type": "user.message", "content": [{"type": "text", "text": "Hello"}]}]}


@pytest.fixture
def sessions(ada: Person, laptop: Laptop) -> list[str]:
    agent = ada.agent(laptop.runtime_id)
    return [ada.session(agent["id"])["id"] for _ in range(2)]


def mint(person: Person, session_id: str, **wanted: Any) -> Any:
    """Makes a token that may read and write."""
    return person.post(f"/v1/sessions/{session_id}/tokens", {"name": "ci", "scopes": BOTH, **wanted})


def status(world: World, session_id: str, token: str) -> int:
    """What a token gets for a look at a session."""
    return world.ask("GET", f"/v1/sessions/{session_id}", token).status_code


def code_of(response: HTTPResponse) -> tuple[int, str]:
    return response.status_code, response.json_body["error"]["code"]


def connect(world: World, token: str, connection_id: str) -> int:
    """Opens a viewer's WebSocket; the status of the handshake."""
    opened = world.ws("$connect", connection_id, headers={"Authorization": f"Bearer {token}"})
    return int(opened["statusCode"])


def say(world: World, connection_id: str, **frame: Any) -> Any:
    """Says a viewer's frame; what the plane answers."""
    world.ws("$default", connection_id, body=json.dumps(frame))
    return world.said_to(connection_id)


def test_a_token_does_in_its_session_what_people_do_there(ada: Person, laptop: Laptop, sessions: list[str]) -> None:
    world, (mine, other) = ada.world, sessions
    laptop.connect()
    token = mint(ada, mine)["token"]
    assert answer(world.ask("GET", f"/v1/sessions/{mine}", token))["id"] == mine
    (posted,) = answer(world.ask("POST", f"/v1/sessions/{mine}/events", token, SAID))["data"]
    laptop.answers(mine, prompt_in(world.said_to(laptop.connection_id)).turn_id, "Hi")
    listed = answer(world.ask("GET", f"/v1/sessions/{mine}/events", token))["data"]
    assert "agent.message" in {one["type"] for one in listed}
    assert answer(world.ask("GET", f"/v1/sessions/{mine}/events/{posted['id']}", token))["id"] == posted["id"]
    assert world.ask("GET", f"/v1/sessions/{mine}/events/stream?after=0", token).status_code == 200
    assert connect(world, token, "view-1=") == 200
    assert say(world, "view-1=", type="attach", session_id=mine)[0]["type"] == "attached"
    (refused,) = say(world, "view-1=", type="attach", session_id=other)
    assert (refused["type"], refused["code"]) == ("error", "session_not_found")


def test_a_token_may_no_more_than_its_scopes(ada: Person, sessions: list[str]) -> None:
    mine = sessions[0]
    reading = mint(ada, mine, scopes=["read"])["token"]
    assert status(ada.world, mine, reading) == 200
    assert code_of(ada.world.ask("POST", f"/v1/sessions/{mine}/events", reading, SAID)) == (403, "scope_missing")
    writing = mint(ada, mine, scopes=["sessions:write"])["token"]
    assert code_of(ada.world.ask("GET", f"/v1/sessions/{mine}", writing)) == (403, "scope_missing")
    assert connect(ada.world, writing, "view-1=") == 403


def test_a_token_does_not_end_or_change_its_session(ada: Person, sessions: list[str]) -> None:
    """Catches a token that was given to somebody to talk with, and that deletes what was said."""
    mine = sessions[0]
    token = mint(ada, mine)["token"]
    for method, path, body in (
        ("DELETE", "", None),
        ("POST", "", {"title": "mine"}),
        ("POST", "/archive", None),
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"name": "another"}),
        ("POST", "/tickets", {}),
    ):
        refused = ada.world.ask(method, f"/v1/sessions/{mine}{path}", token, body)
        assert code_of(refused) == (403, "wrong_principal"), (method, path)


def test_a_token_is_shown_once_and_listed_with_what_became_of_it(ada: Person, sessions: list[str]) -> None:
    world, mine = ada.world, sessions[0]
    first, second = mint(ada, mine), mint(ada, mine, name="phone", scopes=["read"], expires_in=60)
    now = int(world.clock.now())
    assert (first["expires_at"], second["expires_at"]) == (now + int(LIFE_S), now + 60)
    assert status(world, mine, second["token"]) == 200
    listed = ada.get(f"/v1/sessions/{mine}/tokens")["tokens"]
    assert [(one["id"], one["name"], one["last_used_at"]) for one in listed] == [
        (second["id"], "phone", now),
        (first["id"], "ci", None),
    ]
    assert not any("token" in one for one in listed)
    assert {one["created_by"] for one in listed} == {ada.key_id}
    world.clock.time += 61
    assert [one["id"] for one in ada.get(f"/v1/sessions/{mine}/tokens")["tokens"]] == [first["id"]]
    assert status(world, mine, second["token"]) == 401


def test_a_token_is_never_wider_than_the_key_that_asks(ada: Person, sessions: list[str]) -> None:
    path = f"/v1/sessions/{sessions[0]}/tokens"
    narrow = ada.key(scopes=["sessions:write"])
    assert code_of(narrow.ask("POST", path, {"name": "t", "scopes": BOTH})) == (403, "key_too_wide")
    short = ada.key(expires_in=60)
    assert code_of(short.ask("POST", path, {"name": "t", "expires_in": 61})) == (403, "key_too_wide")
    assert short.post(path, {"name": "t"})["expires_at"] == int(ada.world.clock.now()) + 60


def test_a_token_is_rotated_with_a_time_of_grace(ada: Person, sessions: list[str]) -> None:
    world, mine = ada.world, sessions[0]
    made = mint(ada, mine, expires_in=1000)
    rotate = f"/v1/sessions/{mine}/tokens/{made['id']}/rotate"
    second = ada.post(rotate, {"grace_s": 60})
    assert (second["id"], second["expires_at"]) == (made["id"], made["expires_at"])
    assert [status(world, mine, one["token"]) for one in (made, second)] == [200, 200]
    assert connect(world, second["token"], "view-1=") == 200
    world.clock.time += 61
    assert [status(world, mine, one["token"]) for one in (made, second)] == [401, 200]
    third = ada.post(rotate, {"grace_s": 0})
    assert [status(world, mine, one["token"]) for one in (made, second, third)] == [401, 401, 200]
    assert "view-1=" in world.sockets.gone


def test_only_who_made_a_token_gets_its_next_secret(ada: Person, sessions: list[str]) -> None:
    """Catches a colleague who talks to a laptop that was not shared, by a token of its owner's."""
    bob = ada.colleague("admin")
    made = mint(ada, sessions[0])
    path = f"/v1/sessions/{sessions[0]}/tokens/{made['id']}"
    assert code_of(bob.ask("POST", f"{path}/rotate", {})) == (403, "owner_only")
    own = mint(bob, sessions[0])["token"]
    posted = ada.world.ask("POST", f"/v1/sessions/{sessions[0]}/events", own, SAID)
    assert code_of(posted) == (403, "runtime_not_shared")
    assert answer(bob.ask("DELETE", path))["revoked_at"]


def test_what_a_revoked_token_opened_is_closed(ada: Person, sessions: list[str]) -> None:
    world, mine = ada.world, sessions[0]
    made, kept = mint(ada, mine), mint(ada, mine)
    assert connect(world, made["token"], "view-1=") == 200
    assert connect(world, kept["token"], "view-2=") == 200
    path = f"/v1/sessions/{mine}/tokens/{made['id']}"
    for _ in range(2):
        assert answer(ada.ask("DELETE", path))["revoked_at"] == int(world.clock.now())
    assert (status(world, mine, made["token"]), status(world, mine, kept["token"])) == (401, 200)
    assert "view-1=" in world.sockets.gone
    assert "view-2=" not in world.sockets.gone
    assert code_of(ada.ask("POST", f"{path}/rotate", {})) == (409, "session_token_ended")


@pytest.mark.parametrize("how", ["key revoked", "person removed", "person may only read", "key rotated"])
def test_a_token_ends_with_who_made_it(ada: Person, laptop: Laptop, sessions: list[str], how: str) -> None:
    """Catches a secret that goes on opening after the person who gave it out was sent away."""
    answer(ada.ask("POST", f"/v1/runtimes/{laptop.runtime_id}", {"shared": True}))
    world, mine, bob = ada.world, sessions[0], ada.colleague("member")
    token = mint(bob, mine)["token"]
    assert connect(world, token, "view-1=") == 200
    match how:
        case "key revoked":
            answer(ada.ask("DELETE", f"/v1/api_keys/{bob.key_id}"))
        case "person removed":
            answer(ada.ask("DELETE", f"/v1/users/{bob.user_id}"))
        case "key rotated":
            bob.post(f"/v1/api_keys/{bob.key_id}/rotate", {"grace_s": 0})
        case _:
            ada.post(f"/v1/users/{bob.user_id}", {"role": "viewer"})
            assert status(world, mine, token) == 200
            posted = world.ask("POST", f"/v1/sessions/{mine}/events", token, SAID)
            assert code_of(posted) == (403, "scope_missing")
            return
    assert status(world, mine, token) == 401
    assert "view-1=" in world.sockets.gone


@pytest.mark.parametrize("how", ["archived", "deleted"])
def test_a_token_ends_with_its_session(ada: Person, sessions: list[str], how: str) -> None:
    world, mine = ada.world, sessions[0]
    token = mint(ada, mine)["token"]
    assert connect(world, token, "view-1=") == 200
    if how == "archived":
        answer(ada.ask("POST", f"/v1/sessions/{mine}/archive"))
        assert code_of(ada.ask("POST", f"/v1/sessions/{mine}/tokens", {"name": "t"})) == (409, "session_archived")
    else:
        answer(ada.ask("DELETE", f"/v1/sessions/{mine}"))
    assert status(world, mine, token) == 401
    world.said_to("view-1=")
    for frame in ("attach", "ping"):
        assert say(world, "view-1=", type=frame, session_id=mine)[0]["type"] == "error"
    assert connect(world, token, "view-2=") == 401


def test_a_session_has_so_many_tokens_and_no_more(ada: Person, sessions: list[str]) -> None:
    made = [mint(ada, sessions[0]) for _ in range(MAX_TOKENS)]
    refused = ada.ask("POST", f"/v1/sessions/{sessions[0]}/tokens", {"name": "t"})
    assert code_of(refused) == (429, "too_many_tokens")
    assert int(refused.headers["Retry-After"]) > 0
    answer(ada.ask("DELETE", f"/v1/sessions/{sessions[0]}/tokens/{made[0]['id']}"))
    mint(ada, sessions[0])


def test_a_token_of_one_session_is_not_found_under_another(ada: Person, sessions: list[str]) -> None:
    made = mint(ada, sessions[0])
    gone = ada.ask("DELETE", f"/v1/sessions/{sessions[1]}/tokens/{made['id']}")
    assert code_of(gone) == (404, "session_token_not_found")


# ---- canaries


def test_a_laptop_proves_itself_by_its_own_token_alone(ada: Person, laptop: Laptop) -> None:
    """The session runs on this laptop, asks before each call, and its token does all of it and deletes it at last."""
    world = ada.world
    laptop.connect()
    canary = answer(laptop.ask("POST", "/agents/runtime/canary"))
    assert canary["expires_at"] == int(world.clock.now() + TOKEN_LIFE_S)
    path, token = f"/v1/sessions/{canary['session_id']}", canary["token"]
    session = answer(world.ask("GET", path, token))
    assert session["metadata"] == {"mooring.canary": laptop.runtime_id}
    answer(world.ask("POST", f"{path}/events", token, SAID))
    prompt = prompt_in(world.said_to(laptop.connection_id))
    assert (prompt.session_id, prompt.agent_id) == (canary["session_id"], "echo")
    bundle = answer(laptop.ask("GET", f"/agents/runtime/sessions/{canary['session_id']}/bundle?agent_id=echo"))
    assert bundle["permission_policy"] == "always_ask"
    laptop.answers(canary["session_id"], prompt.turn_id, "Hi")
    answer(world.ask("POST", f"{path}/events", token, {"events": [{"type": "user.interrupt"}]}))
    assert answer(world.ask("GET", f"{path}/events", token))["data"]
    assert answer(world.ask("DELETE", path, token))["id"] == canary["session_id"]
    assert world.ask("GET", path, token).status_code == 401


def test_a_canary_does_not_show_unless_it_is_named(ada: Person, laptop: Laptop) -> None:
    canary = answer(laptop.ask("POST", "/agents/runtime/canary"))
    agent_id = ada.get(f"/v1/sessions/{canary['session_id']}")["agent"]["id"]
    assert ada.get("/v1/sessions")["data"] == []
    assert ada.get("/v1/agents")["data"] == []
    assert [one["id"] for one in ada.get(f"/v1/sessions?agent_id={agent_id}")["data"]] == [canary["session_id"]]
    assert ada.ask("POST", "/v1/sessions", {"agent": agent_id}).status_code == 404


def test_a_laptop_has_one_canary_and_not_too_often(ada: Person, laptop: Laptop) -> None:
    """Catches a laptop's token by which a thousand sessions are made."""
    world = ada.world
    first = answer(laptop.ask("POST", "/agents/runtime/canary"))
    refused = laptop.ask("POST", "/agents/runtime/canary")
    assert code_of(refused) == (429, "canary_too_soon")
    assert int(refused.headers["Retry-After"]) == EVERY_S
    world.clock.time += EVERY_S
    second = answer(laptop.ask("POST", "/agents/runtime/canary"))
    assert [status(world, one["session_id"], one["token"]) for one in (first, second)] == [401, 200]
    agent_id = ada.get(f"/v1/sessions/{second['session_id']}")["agent"]["id"]
    assert len(ada.get(f"/v1/sessions?agent_id={agent_id}&include_archived=true")["data"]) == 1


def test_a_canarys_token_ends_with_the_laptops(ada: Person, laptop: Laptop) -> None:
    world = ada.world
    canary = answer(laptop.ask("POST", "/agents/runtime/canary"))
    assert connect(world, canary["token"], "view-1=") == 200
    (token,) = ada.get(f"/v1/runtimes/{laptop.runtime_id}/tokens")["tokens"]
    answer(ada.ask("DELETE", f"/v1/runtimes/{laptop.runtime_id}/tokens/{token['id']}"))
    assert status(world, canary["session_id"], canary["token"]) == 401
    assert "view-1=" in world.sockets.gone


def test_a_canary_that_is_overtaken_leaves_no_session(ada: Person, laptop: Laptop) -> None:
    """Catches two open canaries of one laptop after one request stood still while another went by."""
    world = ada.world
    others: list[Any] = []
    real = world.plane.sessions.create

    def slow(*args: Any, **wanted: Any) -> Any:
        if not others:
            others.append({})
            world.clock.time += EVERY_S
            others[:] = [answer(laptop.ask("POST", "/agents/runtime/canary"))]
        return real(*args, **wanted)

    world.plane.sessions.create = slow  # type: ignore[method-assign]  # The first of two stands still here.
    assert code_of(laptop.ask("POST", "/agents/runtime/canary")) == (429, "canary_too_soon")
    agent_id = ada.get(f"/v1/sessions/{others[0]['session_id']}")["agent"]["id"]
    listed = ada.get(f"/v1/sessions?agent_id={agent_id}")["data"]
    assert [one["id"] for one in listed] == [others[0]["session_id"]]
