"""Browsers: signed in by a key they do not keep, safe from other sites, and let into one session by a ticket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.actors.browsers import COOKIE_TTL_S, TICKET_TTL_S
from chalicelib.core.access import token_hash
from tests.knocking import Laptop, Person, World, answer


class Page:
    """A page in a browser that has signed in."""

    def __init__(self, person: Person) -> None:
        self.world = person.world
        signed = self.world.ask("POST", "/v1/login", None, {"key": person.secret}, x_forwarded_proto="https")
        self.set_cookie = signed.headers["Set-Cookie"]
        self.cookie = self.set_cookie.partition(";")[0]
        self.csrf = answer(signed)["csrf_token"]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        """A request as the browser makes it, with what the page adds."""
        return self.world.ask(method, path, None, body, cookie=f"theme=dark; {self.cookie}", **headers)


@pytest.fixture
def page(ada: Person) -> Page:
    return Page(ada)


def code_of(response: HTTPResponse) -> tuple[int, str]:
    return response.status_code, response.json_body["error"]["code"]


def test_a_browser_gets_a_cookie_that_no_script_and_no_other_site_can_use(ada: Person, page: Page) -> None:
    assert {part.strip() for part in page.set_cookie.split(";")[1:]} == {
        "Path=/",
        f"Max-Age={int(COOKIE_TTL_S)}",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
    }
    assert ada.secret not in page.set_cookie
    secret = page.cookie.partition("=")[2]
    assert token_hash(secret) in ada.world.stores.passes.rows  # type: ignore[attr-defined]  # The fakes' own.
    assert secret not in page.csrf


def test_a_plane_without_tls_sets_a_cookie_that_its_browser_takes(ada: Person) -> None:
    signed = ada.world.ask("POST", "/v1/login", None, {"key": ada.secret})
    assert "Secure" not in signed.headers["Set-Cookie"]


def test_a_page_reads_by_its_cookie_and_changes_by_its_token_too(page: Page, laptop: Laptop) -> None:
    assert page.ask("GET", "/v1/agents").status_code == 200
    body = {"name": "reviewer", "runtime_binding": {"runtime_id": laptop.runtime_id, "acp_agent_id": "echo"}}
    assert page.ask("POST", "/v1/agents", body, x_csrf_token=page.csrf).status_code == 200
    again = page.ask("GET", "/v1/login")
    assert answer(again)["csrf_token"] == page.csrf


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_csrf_token": ""},
        {"x_csrf_token": "0" * 64},
        {"x_csrf_token": "caf\u00e9"},
        {"sec_fetch_site": "same-origin"},
    ],
)
def test_without_its_token_a_cookie_changes_nothing(page: Page, headers: dict[str, str]) -> None:
    """Catches a form on another site that makes the browser of somebody signed in do its work."""
    for method, path in (("POST", "/v1/agents"), ("DELETE", "/v1/login"), ("DELETE", "/v1/sessions/sesn_1")):
        assert code_of(page.ask(method, path, {"name": "x"}, **headers)) == (403, "csrf_failed")
    assert page.ask("GET", "/v1/agents").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_changes_nothing_even_with_the_token(page: Page, site: str) -> None:
    refused = page.ask("POST", "/v1/agents", {"name": "x"}, x_csrf_token=page.csrf, sec_fetch_site=site)
    assert code_of(refused) == (403, "csrf_failed")


def test_another_site_signs_nobody_in(ada: Person) -> None:
    refused = ada.world.ask("POST", "/v1/login", None, {"key": ada.secret}, sec_fetch_site="cross-site")
    assert code_of(refused) == (403, "cross_site")


@pytest.mark.parametrize("key", ["moor_" + "0" * 48, "sk_machine_" + "0" * 60, "x"])
def test_who_has_no_key_is_not_signed_in(world: World, key: str) -> None:
    refused = world.ask("POST", "/v1/login", None, {"key": key})
    assert code_of(refused) == (401, "unauthorized")
    assert "Set-Cookie" not in refused.headers


def test_who_signs_out_is_out(page: Page) -> None:
    out = page.ask("DELETE", "/v1/login", x_csrf_token=page.csrf)
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert code_of(page.ask("GET", "/v1/agents")) == (401, "unauthorized")


def test_a_cookie_ends_with_its_time_and_with_its_key(ada: Person) -> None:
    """Catches a browser that stays in after the key that let it in was revoked."""
    page, other = Page(ada), Page(ada.key())
    ada.world.clock.time += COOKIE_TTL_S - 1
    assert page.ask("GET", "/v1/agents").status_code == 200
    ada.world.clock.time += 2
    assert code_of(page.ask("GET", "/v1/agents")) == (401, "unauthorized")
    fresh_key = ada.key()
    fresh = Page(fresh_key)
    assert answer(ada.ask("DELETE", f"/v1/api_keys/{fresh_key.key_id}"))
    assert code_of(fresh.ask("GET", "/v1/agents")) == (401, "unauthorized")
    assert code_of(other.ask("GET", "/v1/agents")) == (401, "unauthorized")


def test_a_cookie_may_no_more_than_its_key(ada: Person) -> None:
    page = Page(ada.colleague("viewer"))
    assert page.ask("GET", "/v1/agents").status_code == 200
    refused = page.ask("POST", "/v1/agents", {"name": "x"}, x_csrf_token=page.csrf)
    assert code_of(refused) == (403, "role_not_allowed")


# ---- tickets


@pytest.fixture
def sessions(ada: Person, laptop: Laptop) -> list[str]:
    agent = ada.agent(laptop.runtime_id)
    return [ada.session(agent["id"])["id"] for _ in range(2)]


def connect(world: World, ticket: str, connection_id: str) -> int:
    """Opens a browser's WebSocket by a ticket; the status of the handshake."""
    opened = world.ws("$connect", connection_id, queryStringParameters={"ticket": ticket}, headers={})
    return int(opened["statusCode"])


def attach(world: World, session_id: str, connection_id: str) -> Any:
    """Asks to follow a session; what the plane says."""
    frame = {"type": "attach", "session_id": session_id, "after": "0"}
    world.ws("$default", connection_id, body=json.dumps(frame))
    return world.said_to(connection_id)


def test_a_ticket_opens_one_session_and_no_other(ada: Person, sessions: list[str]) -> None:
    made = ada.post(f"/v1/sessions/{sessions[0]}/tickets", {})
    assert made["ws_url"].endswith(f"?ticket={made['ticket']}")
    world = ada.world
    assert connect(world, made["ticket"], "view-1=") == 200
    assert attach(world, sessions[0], "view-1=")[0]["type"] == "attached"
    (refused,) = attach(world, sessions[1], "view-1=")
    assert (refused["type"], refused["code"]) == ("error", "session_not_found")


def test_a_ticket_is_no_key(ada: Person, sessions: list[str]) -> None:
    made = ada.post(f"/v1/sessions/{sessions[0]}/tickets", {})
    assert code_of(ada.world.ask("GET", "/v1/agents", made["ticket"])) == (403, "wrong_principal")
    assert connect(ada.world, ada.secret, "view-1=") == 401, "a key in an address ends up in logs"


def test_a_ticket_ends_with_its_time_and_with_its_key(ada: Person, sessions: list[str]) -> None:
    key = ada.key()
    late = key.post(f"/v1/sessions/{sessions[0]}/tickets", {})["ticket"]
    ada.world.clock.time += TICKET_TTL_S + 1
    assert connect(ada.world, late, "view-1=") == 401
    opened, unused = (key.post(f"/v1/sessions/{sessions[0]}/tickets", {})["ticket"] for _ in range(2))
    assert connect(ada.world, opened, "view-2=") == 200
    answer(ada.ask("DELETE", f"/v1/api_keys/{key.key_id}"))
    assert connect(ada.world, unused, "view-3=") == 401
    assert "view-2=" in ada.world.sockets.gone


def test_nobody_gets_a_ticket_to_another_teams_session(world: World, sessions: list[str]) -> None:
    stranger = world.tenant()
    foreign = stranger.ask("POST", f"/v1/sessions/{sessions[0]}/tickets", {})
    assert code_of(foreign) == (404, "session_not_found")
