"""Every route, asked by whoever may not: the right refusal each time, and nothing learnt of another team."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from chalicelib.core.access import RIGHTS, token_hash
from tests.knocking import World

from .scene import ABSENT, LAPTOPS, PEOPLES, ROUTES, WITH_IDS, Team, team, told


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        yield World()
        wiring.reset()


@pytest.fixture(scope="module")
def ours(world: World) -> Team:
    return team(world)


@pytest.fixture(scope="module")
def theirs(world: World) -> Team:
    return team(world)


@pytest.fixture(scope="module")
def secrets(world: World, ours: Team) -> dict[str, str | None]:
    """Every secret that opens nothing, by what it is."""
    revoked = world.tenant().secret
    world.stores.tenants.revoke_key(token_hash(revoked), world.clock.now())
    return {
        "none": None,
        "unknown key": "moor_" + "0" * 48,
        "revoked key": revoked,
        "unknown runtime token": "sk_machine_" + "0" * 60,
        "session token": "moor_st_" + "0" * 48,
        "ticket": "moor_tk_" + "0" * 48,
        "another service's key": "sk-ant-" + "0" * 48,
    }


@pytest.mark.parametrize("name", PEOPLES + LAPTOPS)
def test_nobody_is_answered(world: World, ours: Team, secrets: dict[str, str | None], name: str) -> None:
    """Catches a route without a check of who asks, and a refusal that repeats the secret."""
    for what, secret in secrets.items():
        response = world.ask(ROUTES[name].method, ours.path(name), secret, ours.body(name))
        assert told(response) == (401, "unauthorized"), what
        assert secret is None or secret.encode() not in response.body


@pytest.mark.parametrize("name", PEOPLES)
def test_a_laptop_is_no_person(ours: Team, name: str) -> None:
    response = ours.laptop.ask(ROUTES[name].method, ours.path(name), ours.body(name))
    assert told(response) == (403, "wrong_principal")


@pytest.mark.parametrize("name", LAPTOPS)
def test_a_person_is_no_laptop(ours: Team, name: str) -> None:
    response = ours.person.ask(ROUTES[name].method, ours.path(name), ours.body(name))
    assert told(response) == (403, "wrong_principal")


@pytest.mark.parametrize("name", WITH_IDS)
def test_what_another_team_has_answers_byte_for_byte_like_what_nobody_has(
    world: World, ours: Team, theirs: Team, name: str
) -> None:
    """Catches a route that looks something up without the tenant, or says more of what exists elsewhere."""
    secret = ours.laptop.token if name in LAPTOPS else ours.person.secret
    answers = []
    for ids in (theirs.ids, ABSENT):
        response = world.ask(ROUTES[name].method, ours.path(name, ids), secret, ours.body(name))
        body = response.body.decode().replace(response.headers["request-id"], "req")
        for value in (*theirs.ids.values(), *ABSENT.values()):
            body = body.replace(value, "id")
        answers.append((response.status_code, body))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


@pytest.mark.parametrize("name", PEOPLES)
def test_every_route_that_a_person_asks_needs_a_right_that_some_role_lacks_or_reads_only(name: str) -> None:
    """Catches a view that changes something and asks for ``read`` only."""
    route = ROUTES[name]
    assert route.may is not None
    if route.method != "GET":
        assert route.may not in RIGHTS["viewer"]
