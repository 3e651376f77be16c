"""The tenant, its people and their keys, as a stranger, a viewer, a member, an admin and an owner ask for them."""

from __future__ import annotations

from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.core.tenant_limits import TenantLimits
from tests.knocking import Person, World, answer

DAY_S = 86_400


def code(response: HTTPResponse) -> tuple[int, str]:
    return response.status_code, response.json_body["error"]["code"]


@pytest.fixture
def bob(ada: Person) -> Person:
    return ada.colleague("member")


@pytest.fixture
def admin(ada: Person) -> Person:
    return ada.colleague("admin")


@pytest.fixture
def viewer(ada: Person) -> Person:
    return ada.colleague("viewer")


# ---- who asks


def test_everybody_can_ask_who_they_are(ada: Person, viewer: Person) -> None:
    me = viewer.get("/v1/me")
    assert (me["type"], me["key_id"], me["role"], me["scopes"]) == ("me", viewer.key_id, "viewer", ["read"])
    assert me["user"]["id"] == viewer.user_id
    assert me["tenant"] == ada.get("/v1/me")["tenant"]
    assert me["expires_at"] is None


def test_a_key_from_before_people_is_nobodys_and_may_everything(world: World) -> None:
    """Catches old keys that an update of the plane shuts out."""
    old = world.old_key()
    me = old.get("/v1/me")
    assert (me["user"], me["role"], len(me["scopes"])) == (None, "owner", 5)
    assert old.ask("POST", "/v1/agents", {"name": "a"}).status_code == 200
    (listed,) = old.get("/v1/api_keys")["data"]
    assert (listed["id"], listed["user_id"], listed["last_used_at"]) == (old.key_id, None, int(world.clock.now()))
    assert code(old.ask("POST", "/v1/api_keys", {"name": "mine"})) == (400, "user_required")
    eve = old.colleague("owner")
    assert eve.get("/v1/me")["role"] == "owner"


# ---- the tenant


def test_the_tenant_shows_every_limit_as_it_holds(ada: Person, viewer: Person) -> None:
    usual = {name: getattr(TenantLimits(), name) for name in TenantLimits.__struct_fields__}
    shown = viewer.get("/v1/tenant")
    assert (shown["type"], shown["name"], shown["limits"]) == ("tenant", "a team", usual)
    changed = ada.post("/v1/tenant", {"name": "Bees", "limits": {"max_users": 7}})
    assert (changed["name"], changed["limits"]) == ("Bees", {**usual, "max_users": 7})
    again = ada.post("/v1/tenant", {"limits": {"max_agents": 1}})
    assert (again["name"], again["limits"]["max_users"]) == ("Bees", 7)
    assert ada.post("/v1/tenant", {"limits": {"max_users": None}})["limits"]["max_users"] == usual["max_users"]
    assert viewer.get("/v1/tenant")["limits"] == {**usual, "max_agents": 1}


def test_every_limit_can_be_changed(ada: Person) -> None:
    """Catches a limit that was added to the tenant and not to what may be asked for."""
    wanted = dict.fromkeys(TenantLimits.__struct_fields__, 3)
    assert ada.post("/v1/tenant", {"limits": wanted})["limits"] == wanted


def test_only_an_owner_changes_limits_and_only_admins_the_name(admin: Person, bob: Person) -> None:
    assert admin.post("/v1/tenant", {"name": "Bees"})["name"] == "Bees"
    assert code(admin.ask("POST", "/v1/tenant", {"limits": {"max_users": 7}})) == (403, "owners_only")
    assert code(bob.ask("POST", "/v1/tenant", {"name": "x"})) == (403, "role_not_allowed")


@pytest.mark.parametrize(
    "body", [{"limits": {"max_fun": 1}}, {"limits": {"max_users": -1}}, {"name": ""}, {"name": None}, {"limit": {}}]
)
def test_a_change_of_the_tenant_that_would_be_ignored_is_refused(ada: Person, body: dict[str, Any]) -> None:
    assert code(ada.ask("POST", "/v1/tenant", body)) == (400, "bad_request")


# ---- people


def test_a_person_is_made_changed_and_removed(ada: Person, world: World) -> None:
    made = ada.post("/v1/users", {"name": "Bob", "email": "bob@example.org"})
    now = int(world.clock.now())
    assert made == {
        "type": "user",
        "id": made["id"],
        "name": "Bob",
        "email": "bob@example.org",
        "role": "member",
        "created_at": now,
        "removed_at": None,
    }
    path = f"/v1/users/{made['id']}"
    assert ada.post(path, {"role": "viewer"}) == ada.get(path) == {**made, "role": "viewer"}
    assert ada.post(path, {"email": ""})["email"] is None
    assert ada.post(path, {"email": None, "name": "Bobby"})["name"] == "Bobby"
    assert answer(ada.ask("DELETE", path)) == {"id": made["id"], "type": "user_removed"}
    assert ada.get(path)["removed_at"] == now
    assert [one["id"] for one in ada.get("/v1/users")["data"]] == [ada.user_id]
    shown = ada.get("/v1/users?include_archived=true")["data"]
    assert [one["id"] for one in shown] == [made["id"], ada.user_id]
    assert code(ada.ask("POST", path, {"name": "x"})) == (409, "user_removed")


def test_people_are_listed_in_pages(ada: Person) -> None:
    ids = [ada.user_id, *(ada.post("/v1/users", {"name": f"u{n}"})["id"] for n in range(4))]
    first = ada.get("/v1/users?limit=3")
    rest = ada.get(f"/v1/users?limit=3&page={first['next_page']}")
    assert [one["id"] for one in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_page"] is None


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/users"), ("POST", "/v1/users/{ada}"), ("DELETE", "/v1/users/{ada}")]
)
def test_viewers_and_members_only_see_people(ada: Person, bob: Person, viewer: Person, method: str, path: str) -> None:
    """Catches a surface that asks for less than the right admin."""
    where = path.format(ada=ada.user_id)
    for one in (bob, viewer):
        assert code(one.ask(method, where, {"name": "x"} if method == "POST" else None)) == (403, "role_not_allowed")
        assert one.get(where) is not None


def test_only_an_owner_touches_owners(ada: Person, admin: Person) -> None:
    path = f"/v1/users/{ada.user_id}"
    assert code(admin.ask("POST", "/v1/users", {"name": "x", "role": "owner"})) == (403, "owners_only")
    assert code(admin.ask("POST", path, {"role": "member"})) == (403, "owners_only")
    assert code(admin.ask("DELETE", path)) == (403, "owners_only")
    assert code(admin.ask("POST", f"/v1/users/{admin.user_id}", {"role": "owner"})) == (403, "owners_only")


def test_the_last_owner_stays(ada: Person) -> None:
    path = f"/v1/users/{ada.user_id}"
    for refused in (ada.ask("DELETE", path), ada.ask("POST", path, {"role": "admin"})):
        assert code(refused) == (409, "last_owner")
        assert refused.headers["x-should-retry"] == "false"
    ada.colleague("owner")
    assert answer(ada.ask("DELETE", path))["type"] == "user_removed"
    assert code(ada.ask("GET", "/v1/me")) == (401, "unauthorized")


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x", "role": "king"}, {"name": "x", "email": "no"}, {"name": "x", "rôle": 1}]
)
def test_a_person_must_be_described_rightly(ada: Person, body: dict[str, Any]) -> None:
    assert code(ada.ask("POST", "/v1/users", body)) == (400, "bad_request")


def test_a_limit_is_named_and_says_when_to_try_again(ada: Person) -> None:
    ada.post("/v1/tenant", {"limits": {"max_users": 1, "max_api_keys": 1}})
    for path, limit in (("/v1/users", "max_users"), ("/v1/api_keys", "max_api_keys")):
        refused = ada.ask("POST", path, {"name": "one too many"})
        assert code(refused) == (429, "limit_reached")
        assert refused.json_body["error"]["param"] == limit
        assert int(refused.headers["Retry-After"]) > 0


# ---- keys


def test_a_key_is_shown_once_with_its_secret(ada: Person, world: World) -> None:
    made = ada.post("/v1/api_keys", {"name": "ci", "scopes": ["sessions:write", "read"], "expires_in": DAY_S})
    secret = made.pop("secret")
    now = int(world.clock.now())
    assert made == {
        "type": "api_key",
        "id": made["id"],
        "name": "ci",
        "user_id": ada.user_id,
        "scopes": ["read", "sessions:write"],
        "created_at": now,
        "expires_at": now + DAY_S,
        "last_used_at": None,
        "revoked_at": None,
    }
    assert ada.get(f"/v1/api_keys/{made['id']}") == made
    assert secret not in str(ada.get("/v1/api_keys"))
    assert world.ask("GET", "/v1/me", secret).json_body["scopes"] == made["scopes"]
    world.clock.time += DAY_S
    assert code(world.ask("GET", "/v1/me", secret)) == (401, "unauthorized")


def test_no_key_makes_a_wider_one(ada: Person, bob: Person) -> None:
    """Catches the ways by which whoever holds a narrow key would get a better one."""
    narrow = ada.key(scopes=["read"])
    brief = ada.key(expires_in=60)
    for asking, body in (
        (narrow, {"name": "n", "scopes": ["read", "admin"]}),
        (brief, {"name": "n", "expires_in": 61}),
        (bob, {"name": "n", "scopes": ["admin"]}),
    ):
        assert code(asking.ask("POST", "/v1/api_keys", body)) == (403, "key_too_wide")
    assert code(narrow.ask("POST", f"/v1/api_keys/{ada.key_id}/rotate")) == (403, "key_too_wide")
    assert code(narrow.ask("POST", "/v1/api_keys", {"name": "n", "user_id": bob.user_id})) == (403, "scope_missing")
    assert code(bob.ask("POST", "/v1/api_keys", {"name": "n", "user_id": ada.user_id})) == (403, "role_not_allowed")
    assert narrow.key().get("/v1/me")["scopes"] == ["read"]
    assert brief.key().get("/v1/me")["expires_at"] == brief.get("/v1/me")["expires_at"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "n", "scope": ["read"]},
        {"name": "n", "scopes": []},
        {"name": "n", "scopes": ["everything"]},
        {"name": "n", "expires_in": 0},
        {"name": "n", "expires_in": "soon"},
        {},
    ],
)
def test_a_key_that_is_described_wrongly_is_not_made(ada: Person, body: dict[str, Any]) -> None:
    """Catches a misspelt narrowing that is ignored, which makes a key that may do everything."""
    assert code(ada.ask("POST", "/v1/api_keys", body)) == (400, "bad_request")


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_everybody_keeps_keys_of_their_own(ada: Person, role: Any) -> None:
    person = ada.colleague(role)
    other = person.key()
    assert [one["id"] for one in person.get("/v1/api_keys")["data"]] == [other.key_id, person.key_id]
    assert code(person.ask("GET", f"/v1/api_keys/{ada.key_id}")) == (403, "role_not_allowed")
    assert code(person.ask("DELETE", f"/v1/api_keys/{ada.key_id}")) == (403, "role_not_allowed")
    rotated = answer(person.ask("POST", f"/v1/api_keys/{other.key_id}/rotate", {"grace_s": 0}))
    assert code(other.ask("GET", "/v1/me")) == (401, "unauthorized")
    assert person.world.ask("GET", "/v1/me", rotated["secret"]).status_code == 200
    assert answer(person.ask("DELETE", f"/v1/api_keys/{other.key_id}"))["type"] == "api_key_revoked"


def test_an_admin_keeps_the_keys_of_others_but_not_of_owners(ada: Person, admin: Person, bob: Person) -> None:
    mine = [one["id"] for one in admin.get(f"/v1/api_keys?user_id={bob.user_id}")["data"]]
    assert mine == [bob.key_id]
    assert {one["id"] for one in admin.get("/v1/api_keys")["data"]} == {ada.key_id, admin.key_id, bob.key_id}
    assert code(admin.ask("DELETE", f"/v1/api_keys/{ada.key_id}")) == (403, "owners_only")
    assert admin.ask("DELETE", f"/v1/api_keys/{bob.key_id}").status_code == 200
    assert code(bob.ask("GET", "/v1/me")) == (401, "unauthorized")
    assert bob.key_id not in str(admin.get("/v1/api_keys"))
    assert bob.key_id in str(admin.get("/v1/api_keys?include_archived=1"))


def test_a_replaced_secret_opens_for_a_day_unless_it_is_said_otherwise(ada: Person, bob: Person) -> None:
    rotated = answer(bob.ask("POST", f"/v1/api_keys/{bob.key_id}/rotate"))
    assert rotated["id"] == bob.key_id
    renewed = Person(bob.world, rotated["secret"])
    bob.world.clock.time += DAY_S - 1
    assert bob.get("/v1/me")["key_id"] == renewed.get("/v1/me")["key_id"]
    bob.world.clock.time += 1
    assert code(bob.ask("GET", "/v1/me")) == (401, "unauthorized")
    assert renewed.get("/v1/me")["expires_at"] is None
    assert code(renewed.ask("POST", f"/v1/api_keys/{bob.key_id}/rotate", {"grace_s": -1})) == (400, "bad_request")


def test_a_changed_role_holds_at_the_next_request(ada: Person, bob: Person) -> None:
    ada.post(f"/v1/users/{bob.user_id}", {"role": "viewer"})
    assert code(bob.ask("POST", "/v1/agents", {"name": "a"})) == (403, "role_not_allowed")
    ada.post(f"/v1/users/{bob.user_id}", {"role": "member"})
    assert bob.ask("POST", "/v1/agents", {"name": "a"}).status_code == 200


# ---- other tenants


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/users/{user}", None),
        ("POST", "/v1/users/{user}", {"name": "x"}),
        ("DELETE", "/v1/users/{user}", None),
        ("GET", "/v1/api_keys/{key}", None),
        ("POST", "/v1/api_keys/{key}/rotate", {"grace_s": 0}),
        ("DELETE", "/v1/api_keys/{key}", None),
        ("POST", "/v1/api_keys", {"name": "n", "user_id": "{user}"}),
    ],
)
def test_another_tenants_people_and_keys_answer_byte_for_byte_like_absent_ones(
    world: World, ada: Person, method: str, path: str, body: dict[str, Any] | None
) -> None:
    foreign = world.tenant()
    said = []
    for names in ({"user": ada.user_id, "key": ada.key_id}, {"user": "user_absent", "key": "key_absent"}):
        filled = {
            name: value.format(**names) if isinstance(value, str) else value for name, value in (body or {}).items()
        }
        response = foreign.ask(method, path.format(**names), filled or None)
        text = response.body.decode()
        for name in names.values():
            text = text.replace(name, "…")
        said.append((response.status_code, text.partition('"request_id"')[0]))
    assert said[0] == said[1]
    assert said[0][0] == 404
    assert ada.get("/v1/me")["role"] == "owner"
    assert ada.user_id not in str(foreign.get("/v1/users?include_archived=1"))
    assert ada.key_id not in str(foreign.get("/v1/api_keys?include_archived=1"))


# ---- WebSockets


def opens(world: World, person: Person, connection_id: str) -> int:
    status = world.ws("$connect", connection_id, headers={"Authorization": f"Bearer {person.secret}"})["statusCode"]
    return int(status)


def test_what_a_revoked_key_opened_is_closed(world: World, ada: Person, bob: Person) -> None:
    """Catches a viewer who goes on watching with a key that was taken from them."""
    assert opens(world, bob, "v1=") == opens(world, bob, "v2=") == opens(world, ada, "v3=") == 200
    answer(ada.ask("DELETE", f"/v1/api_keys/{bob.key_id}"))
    assert world.sockets.gone == {"v1=", "v2="}
    assert opens(world, bob, "v4=") == 401
    world.ws("$default", "v1=", body='{"type":"ping"}')
    assert world.said_to("v1=") == []


def test_what_a_removed_person_opened_is_closed(world: World, ada: Person, bob: Person) -> None:
    other = bob.key()
    assert opens(world, bob, "v1=") == opens(world, other, "v2=") == 200
    answer(ada.ask("DELETE", f"/v1/users/{bob.user_id}"))
    assert world.sockets.gone == {"v1=", "v2="}


def test_a_key_that_is_revoked_while_it_opens_a_socket_opens_none(world: World, ada: Person, bob: Person) -> None:
    """Catches the moment between looking at the key and writing down whose the connection is."""

    def revoke(name: str, phase: str) -> None:
        if (name, phase) == ("connections.put", "before"):
            world.stores.connections.on_io = lambda _name, _phase: None  # type: ignore[attr-defined]  # The fakes' own.
            answer(ada.ask("DELETE", f"/v1/api_keys/{bob.key_id}"))

    world.stores.connections.on_io = revoke  # type: ignore[attr-defined]  # The fakes' own.
    assert opens(world, bob, "v1=") == 401


def test_a_socket_needs_the_right_to_read(world: World, ada: Person) -> None:
    assert opens(world, ada.key(scopes=["sessions:write"]), "v1=") == 403


def test_what_a_key_opened_ends_with_the_key(world: World, ada: Person) -> None:
    """Catches a viewer who follows for two hours by a key that was good for a minute."""
    brief = ada.key(expires_in=60)
    assert opens(world, brief, "v1=") == 200
    world.ws("$default", "v1=", body='{"type":"ping"}')
    assert [one["type"] for one in world.said_to("v1=")] == ["pong"]
    world.clock.time += 60
    world.ws("$default", "v1=", body='{"type":"ping"}')
    (said,) = world.said_to("v1=")
    assert (said["type"], said["code"]) == ("error", "unauthorized")
    assert world.sockets.gone == {"v1="}
