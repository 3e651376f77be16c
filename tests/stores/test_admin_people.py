"""`python -m infra.admin tenant|user|key`: the operator's orders, over the real stores."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.core.access import KeyPrincipal, token_hash
from chalicelib.core.catalog import ApiKey, Connection
from chalicelib.core.errors import Unauthorized
from chalicelib.stores import Tables
from chalicelib.wire.ids import ConnectionId, KeyId, TenantId
from infra.admin import EXIT_DONE, EXIT_REFUSED, EXIT_UNKNOWN, EXIT_UNREACHABLE, main
from tests.stores.conftest import PREFIX, REGION


@pytest.fixture(autouse=True)
def plane_of_the_environment(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real plane, as the environment names it."""
    monkeypatch.setenv("MOORING_TABLE_PREFIX", PREFIX)
    monkeypatch.setenv("AWS_REGION", REGION)
    for name in ("MOORING_CONNECTIONS_URL", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    wiring.reset()
    yield
    wiring.reset()


def ask(*argv: str) -> tuple[int, str]:
    said: list[str] = []
    status = main([*argv], said.append)
    return status, "\n".join(said)


def done(*argv: str) -> Any:
    """What an order tells as JSON; it must succeed."""
    status, said = ask(*argv, "--json")
    assert status == EXIT_DONE, said
    return json.loads(said)


def refused(*argv: str) -> tuple[int, str]:
    status, said = ask(*argv, "--json")
    return status, json.loads(said)["code"]


def principal(secret: str) -> KeyPrincipal:
    found = wiring.plane().tenants.principal(secret)
    assert isinstance(found, KeyPrincipal)
    return found


@pytest.fixture
def bees() -> Any:
    """A tenant, its owner and a key of theirs."""
    return done("tenant", "create", "Bees", "--owner", "Ada", "--email", "ada@example.org")


def test_a_new_plane_gets_its_first_tenant_with_an_owner_and_a_key(bees: Any) -> None:
    """Catches a first tenant that nobody can get into."""
    asking = principal(bees["api_key"]["secret"])
    assert (asking.tenant_id, asking.user_id, asking.role) == (bees["tenant"]["id"], bees["user"]["id"], "owner")
    assert asking.may("admin")
    assert (bees["tenant"]["name"], bees["user"]["name"], bees["user"]["email"]) == ("Bees", "Ada", "ada@example.org")


def test_what_is_told_to_people_says_the_same() -> None:
    status, said = ask("tenant", "create", "Bees")
    tenant, user, key, secret = said.splitlines()
    assert status == EXIT_DONE
    assert (tenant[:11], user[:10], key[:8]) == ("tenant ten_", "user user_", "key key_")
    assert secret.startswith("secret moor_")
    assert ask("tenant", "list") == (EXIT_DONE, tenant)
    assert ask("user", "list") == (EXIT_DONE, user)
    assert "admin" in ask("key", "list")[1]
    assert "max_users = 100" in ask("tenant", "show")[1]


def test_tenants_are_listed_shown_and_changed(bees: Any) -> None:
    other = done("tenant", "create", "Wasps")["tenant"]
    assert [one["id"] for one in done("tenant", "list")["tenants"]] == [bees["tenant"]["id"], other["id"]]
    changed = done("tenant", "set", "--tenant", other["id"], "--name", "Flies", "--limit", "max_users=3")["tenant"]
    assert (changed["name"], changed["limits"]["max_users"]) == ("Flies", 3)
    assert done("tenant", "show", "--tenant", other["id"])["tenant"] == changed
    back = done("tenant", "set", "--tenant", other["id"], "--limit", "max_users=default")["tenant"]
    assert (back["name"], back["limits"]) == ("Flies", bees["tenant"]["limits"])


def test_of_several_tenants_one_must_be_named(bees: Any) -> None:
    done("tenant", "create", "Wasps")
    assert refused("user", "list") == (EXIT_UNKNOWN, "tenant_unclear")
    assert refused("user", "list", "--tenant", "ten_x") == (EXIT_UNKNOWN, "tenant_not_found")
    assert len(done("user", "list", "--tenant", bees["tenant"]["id"])["users"]) == 1


def test_a_person_is_made_changed_and_removed(bees: Any) -> None:
    bob = done("user", "create", "Bob", "--role", "viewer")["user"]
    secret = done("key", "create", bob["id"])["api_key"]["secret"]
    assert principal(secret).role == "viewer"
    assert done("user", "set-role", bob["id"], "member")["user"]["role"] == "member"
    assert principal(secret).role == "member"
    assert done("user", "remove", bob["id"])["user"]["removed_at"] is not None
    with pytest.raises(Unauthorized):
        principal(secret)
    assert [one["id"] for one in done("user", "list")["users"]] == [bees["user"]["id"]]
    assert [one["id"] for one in done("user", "list", "--all")["users"]] == [bob["id"], bees["user"]["id"]]
    assert "removed" in ask("user", "list", "--all")[1]


def test_a_key_is_made_replaced_and_revoked(bees: Any) -> None:
    owner = bees["user"]["id"]
    made = done("key", "create", owner, "--name", "ci", "--scopes", "read,sessions:write", "--expires-in", "3600")
    key = made["api_key"]
    assert (key["name"], key["scopes"]) == ("ci", ["read", "sessions:write"])
    assert key["expires_at"] - key["created_at"] == 3600
    renewed = done("key", "rotate", key["id"], "--grace-s", "0")["api_key"]
    assert principal(renewed["secret"]).key_id == key["id"]
    with pytest.raises(Unauthorized):
        principal(key["secret"])
    assert done("key", "revoke", key["id"])["api_key"]["revoked_at"] is not None
    with pytest.raises(Unauthorized):
        principal(renewed["secret"])
    assert [one["id"] for one in done("key", "list", "--user", owner)["api_keys"]] == [bees["api_key"]["id"]]
    assert [one["id"] for one in done("key", "list", "--all")["api_keys"]] == [key["id"], bees["api_key"]["id"]]
    assert "revoked at" in ask("key", "list", "--all")[1]


@pytest.mark.parametrize(
    ("argv", "status", "code"),
    [
        (["user", "remove", "{owner}"], EXIT_REFUSED, "last_owner"),
        (["user", "set-role", "{owner}", "member"], EXIT_REFUSED, "last_owner"),
        (["user", "remove", "user_x"], EXIT_UNKNOWN, "user_not_found"),
        (["user", "create", ""], EXIT_REFUSED, "bad_request"),
        (["user", "create", "Bob", "--email", "nowhere"], EXIT_REFUSED, "bad_request"),
        (["key", "create", "user_x"], EXIT_UNKNOWN, "user_not_found"),
        (["key", "create", "{owner}", "--scopes", "everything"], EXIT_REFUSED, "bad_request"),
        (["key", "create", "{owner}", "--expires-in", "soon"], EXIT_REFUSED, "bad_request"),
        (["key", "rotate", "key_x"], EXIT_UNKNOWN, "api_key_not_found"),
        (["key", "rotate", "{key}", "--grace-s", "-1"], EXIT_REFUSED, "bad_request"),
        (["tenant", "set", "--limit", "max_fun=1"], EXIT_REFUSED, "bad_request"),
        (["tenant", "set", "--limit", "max_users=many"], EXIT_REFUSED, "bad_request"),
        (["tenant", "create", ""], EXIT_REFUSED, "bad_request"),
    ],
)
def test_what_can_not_be_done_is_told_and_has_its_status(bees: Any, argv: list[str], status: int, code: str) -> None:
    filled = [one.format(owner=bees["user"]["id"], key=bees["api_key"]["id"]) for one in argv]
    assert refused(*filled) == (status, code)
    told = ask(*filled)
    assert told[0] == status
    assert told[1]
    assert len(done("tenant", "list")["tenants"]) == 1


def test_a_limit_holds_for_the_operator_too(bees: Any) -> None:
    done("tenant", "set", "--limit", "max_users=1")
    assert refused("user", "create", "Bob") == (EXIT_REFUSED, "limit_reached")


def test_a_revoked_key_loses_what_it_opened_where_nobody_can_be_told(bees: Any, tables: Tables) -> None:
    """Catches an order that breaks off because the operator's machine does not know where connections are closed."""
    connection = Connection(
        connection_id=ConnectionId("v1="),
        role="viewer",
        tenant_id=TenantId(bees["tenant"]["id"]),
        created_at=1.0,
        expires_at=2_000_000_000.0,
        key_id=KeyId(bees["api_key"]["id"]),
    )
    tables.connections.put(connection)
    done("key", "revoke", bees["api_key"]["id"])
    assert tables.connections.get(connection.connection_id) is None


def test_a_key_from_before_people_is_listed_and_revoked_once_it_was_used(bees: Any, tables: Tables) -> None:
    secret = "moor_" + "a" * 48
    old = ApiKey(
        key_hash=token_hash(secret),
        key_id=KeyId("key_old"),
        tenant_id=TenantId(bees["tenant"]["id"]),
        name="old",
        created_at=1.0,
    )
    tables.tenants.put_key(old)
    assert principal(secret).role == "owner"
    assert "nobody" in ask("key", "list")[1]
    done("key", "revoke", "key_old")
    with pytest.raises(Unauthorized):
        principal(secret)


def test_tables_that_can_not_be_reached_are_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback as the answer to a wrong prefix."""
    monkeypatch.setenv("MOORING_TABLE_PREFIX", "elsewhere")
    wiring.reset()
    status, said = ask("tenant", "list")
    assert status == EXIT_UNREACHABLE
    assert "elsewhere" in said
    assert refused("tenant", "create", "Bees") == (EXIT_UNREACHABLE, "unreachable")
    assert refused("verify", "sesn_1") == (EXIT_UNREACHABLE, "unreachable")


def test_they_are_commands() -> None:
    root = Path(__file__).parents[2]
    asked = subprocess.run(
        [sys.executable, "-m", "infra.admin", "user", "--help"], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 0
    assert "set-role" in asked.stdout
