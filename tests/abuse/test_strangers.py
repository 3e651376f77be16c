"""Every route, asked by whoever may not: the right refusal each time, and nothing learnt of another team."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from chalicelib.core.access import RIGHTS, token_hash
from tests.knocking import Person, World

from .scene import ABSENT, LAPTOPS, OF_CANARIES, OF_TOKENS, PEOPLES, ROUTES, WITH_IDS, Team, team, told

ONES_OWN = {"sign_out", "create_key", "rotate_key", "revoke_key", "create_ticket"}
"""What whoever may read may do for themselves: their sign-in, their keys, their browser's WebSocket."""


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
def viewer(ours: Team) -> Person:
    return ours.person.colleague("viewer")


@pytest.fixture(scope="module")
def reader(ours: Team) -> Person:
    """Ours, by a key that was narrowed to reading."""
    return ours.person.key(scopes=["read"])


@pytest.fixture(scope="module")
def secrets(world: World, ours: Team) -> dict[str, str | None]:
    """Every secret that opens nothing, by what it is."""
    revoked, expired = ours.person.key(), ours.person.key(expires_in=1)
    assert ours.person.ask("DELETE", f"/v1/api_keys/{revoked.key_id}").status_code == 200
    world.clock.time += 2
    lost = ours.person.laptop("machine-lost")
    stores = world.stores
    stores.runtimes.revoke_token(token_hash(lost.token), world.clock.now())
    old = ours.person.laptop("machine-old")
    stores.runtimes.end_token(token_hash(old.token), world.clock.now())
    tokens = f"/v1/sessions/{ours.ids['session_id']}/tokens"
    made = ours.person.post(tokens, {"name": "ended"})
    ended = made["token"]
    assert ours.person.ask("DELETE", f"{tokens}/{made['id']}").status_code == 200
    return {
        "none": None,
        "unknown key": "moor_" + "0" * 48,
        "revoked key": revoked.secret,
        "expired key": expired.secret,
        "unknown runtime token": "sk_machine_" + "0" * 60,
        "revoked runtime token": lost.token,
        "expired runtime token": old.token,
        "unknown session token": "moor_st_" + "0" * 26 + "_" + "0" * 48,
        "half a session token": "moor_st_" + "0" * 48,
        "revoked session token": ended,
        "unknown ticket": "moor_tk_" + "0" * 48,
        "unknown cookie": "moor_bs_" + "0" * 48,
        "another service's key": "sk-ant-" + "0" * 48,
    }


@pytest.mark.parametrize("name", PEOPLES + LAPTOPS)
def test_nobody_is_answered(ours: Team, secrets: dict[str, str | None], name: str) -> None:
    """Catches a route without a check of who asks, and a refusal that repeats the secret."""
    for what, secret in secrets.items():
        response = ours.ask(name, secret)
        assert told(response) == (401, "unauthorized"), what
        assert secret is None or secret.encode() not in response.body


@pytest.mark.parametrize("name", PEOPLES)
def test_a_laptop_is_no_person(ours: Team, name: str) -> None:
    assert told(ours.ask(name, ours.laptop.token)) == (403, "wrong_principal")


@pytest.mark.parametrize("name", PEOPLES)
def test_a_ticket_is_no_person(ours: Team, name: str) -> None:
    ticket = ours.person.post(f"/v1/sessions/{ours.ids['session_id']}/tickets", {})["ticket"]
    assert told(ours.ask(name, ticket)) == (403, "wrong_principal")


@pytest.fixture(scope="module")
def session_token(ours: Team) -> str:
    """A token of our session's that may read and write."""
    body = {"name": "ci", "scopes": ["read", "sessions:write"]}
    return str(ours.person.post(f"/v1/sessions/{ours.ids['session_id']}/tokens", body)["token"])


def test_a_session_token_opens_what_a_session_is_followed_by_and_nothing_else() -> None:
    """A route that is to let session tokens in must be named here."""
    assert set(OF_TOKENS) == {"get_session", "post_events", "list_events", "stream_events", "get_event"}
    assert OF_CANARIES == ["delete_session"]


@pytest.mark.parametrize("name", [name for name in PEOPLES + LAPTOPS if name not in OF_TOKENS])
def test_a_session_token_is_no_person_and_no_laptop(ours: Team, session_token: str, name: str) -> None:
    for ids in (ours.ids, ABSENT):
        assert told(ours.ask(name, session_token, ids)) == (403, "wrong_principal")


@pytest.mark.parametrize("name", OF_TOKENS)
def test_to_a_session_token_every_other_session_is_absent(
    ours: Team, theirs: Team, session_token: str, name: str
) -> None:
    """Byte for byte: another one of the team's own, another team's, and one that nobody has."""
    another = ours.person.session(ours.ids["agent_id"])["id"]
    answers = set()
    for session_id in (another, theirs.ids["session_id"], ABSENT["session_id"]):
        response = ours.ask(name, session_token, {**ours.ids, "session_id": session_id})
        body = response.body.decode().replace(response.headers["request-id"], "req").replace(session_id, "id")
        answers.add((response.status_code, body))
    assert [status for status, _ in answers] == [404]


@pytest.mark.parametrize("name", LAPTOPS)
def test_a_person_is_no_laptop(ours: Team, name: str) -> None:
    assert told(ours.ask(name, ours.person.secret)) == (403, "wrong_principal")


@pytest.mark.parametrize("name", [name for name in PEOPLES if ROUTES[name].may not in RIGHTS["viewer"]])
def test_a_viewer_and_a_key_that_reads_change_nothing(ours: Team, viewer: Person, reader: Person, name: str) -> None:
    assert told(ours.ask(name, viewer.secret)) == (403, "role_not_allowed")
    assert told(ours.ask(name, reader.secret)) == (403, "scope_missing")


@pytest.mark.parametrize("name", [name for name in WITH_IDS if name != "get_model"])
def test_what_another_team_has_answers_byte_for_byte_like_what_nobody_has(ours: Team, theirs: Team, name: str) -> None:
    """Catches a route that looks something up without the tenant, or says more of what exists elsewhere."""
    secret = ours.laptop.token if name in LAPTOPS else ours.person.secret
    answers = []
    for ids in (theirs.ids, ABSENT):
        response = ours.ask(name, secret, ids)
        body = response.body.decode().replace(response.headers["request-id"], "req")
        for value in (*theirs.ids.values(), *ABSENT.values()):
            body = body.replace(value, "id")
        answers.append((response.status_code, body))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def bodies_that_name(theirs: Team) -> list[tuple[str, object]]:
    """Requests of ours that name what is theirs, in a body."""
    ids = theirs.ids
    binding = {"runtime_id": ids["runtime_id"], "acp_agent_id": "echo"}
    document = {"type": "document", "source": {"type": "file", "file_id": ids["file_id"]}}
    said = {"type": "user.message", "content": [document]}
    verdict = {"type": "user.tool_confirmation", "tool_use_id": ids["event_id"], "result": "allow"}
    return [
        ("create_agent", {"name": "a", "runtime_binding": binding}),
        ("create_agent", {"name": "a", "_oma": {"runtime_binding": binding}}),
        ("update_agent", {"runtime_binding": binding}),
        (
            "create_environment",
            {"name": "e", "config": {"type": "self_hosted"}, "_oma": {"runtime_id": ids["runtime_id"]}},
        ),
        ("create_session", {"agent": ids["agent_id"]}),
        ("create_session", {"agent": {"type": "agent", "id": ids["agent_id"], "version": 1}}),
        ("create_session", {"agent": "OURS", "environment_id": ids["environment_id"]}),
        ("create_key", {"name": "k", "user_id": ids["user_id"]}),
        ("post_events", {"events": [said]}),
        ("post_events", {"events": [verdict]}),
    ]


def test_what_another_team_has_can_not_be_named_in_a_body(ours: Team, theirs: Team) -> None:
    """Catches a binding to a foreign laptop, and a foreign file that is read by way of a message."""
    for (name, body), (_, absent) in zip(
        bodies_that_name(theirs), bodies_that_name(Team(theirs.person, theirs.laptop, ABSENT)), strict=True
    ):
        answers = []
        for one in (body, absent):
            if isinstance(one, dict) and one.get("agent") == "OURS":
                one["agent"] = ours.ids["agent_id"]
            ours.bodies, before = {**ours.bodies, name: one}, ours.bodies
            response = ours.ask(name, ours.person.secret)
            ours.bodies = before
            told_body = response.body.decode().replace(response.headers["request-id"], "req")
            for value in (*theirs.ids.values(), *ABSENT.values()):
                told_body = told_body.replace(value, "id")
            answers.append((response.status_code, told_body))
        assert answers[0] == answers[1], name
        assert answers[0][0] in (400, 404), (name, answers[0])


@pytest.mark.parametrize("name", PEOPLES)
def test_what_changes_something_needs_more_than_to_read(name: str) -> None:
    """Catches a view that changes something and asks for ``read`` only."""
    route = ROUTES[name]
    assert route.may is not None
    if route.method != "GET":
        assert (route.may in RIGHTS["viewer"]) == (name in ONES_OWN)
