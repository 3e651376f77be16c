"""The one shape of errors: whoever made them, whatever they are, and never more than a stranger may know."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.core.errors import Busy
from tests.knocking import Laptop, Person, World


def told(response: Any, status: int, code: str, kind: str) -> Any:
    body = response.json_body
    assert response.status_code == status, body
    assert (body["type"], body["error"]["code"], body["error"]["type"]) == ("error", code, kind)
    assert set(body) == {"type", "error", "request_id"}
    assert set(body["error"]) == {"type", "code", "message", "param"}
    assert re.fullmatch(r"req_\w{20,}", body["request_id"])
    assert response.headers["request-id"] == body["request_id"]
    return body["error"]


PRIVATE = [
    ("GET", "/v1/runtimes"),
    ("POST", "/v1/runtimes/connect-runtime"),
    ("GET", "/v1/agents"),
    ("POST", "/v1/agents"),
    ("GET", "/v1/agents/agent_1"),
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions/sesn_1"),
    ("DELETE", "/v1/sessions/sesn_1"),
    ("POST", "/v1/sessions/sesn_1/events"),
    ("GET", "/v1/sessions/sesn_1/events"),
    ("GET", "/v1/sessions/sesn_1/events/stream"),
    ("GET", "/v1/sessions/sesn_1/events/sevt_1"),
]
LAPTOPS = [
    ("GET", "/agents/runtime/me"),
    ("GET", "/agents/runtime/sessions/sesn_1/bundle"),
    ("GET", "/agents/runtime/sessions/sesn_1/turns/turn_1"),
    ("PUT", "/agents/runtime/sessions/sesn_1/events/sevt_1"),
]


@pytest.mark.parametrize(("method", "path"), PRIVATE + LAPTOPS)
@pytest.mark.parametrize("secret", [None, "moor_" + "0" * 48, "sk_machine_" + "0" * 60, "moor_st_x", "x"])
def test_nothing_is_answered_to_nobody(world: World, method: str, path: str, secret: str | None) -> None:
    error = told(world.ask(method, path, secret), 401, "unauthorized", "authentication_error")
    assert secret is None or len(secret) < 5 or secret not in error["message"]


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_a_laptop_is_no_person(laptop: Laptop, method: str, path: str) -> None:
    told(laptop.ask(method, path), 403, "wrong_principal", "permission_error")


@pytest.mark.parametrize(("method", "path"), LAPTOPS)
def test_a_person_is_no_laptop(ada: Person, method: str, path: str) -> None:
    told(ada.ask(method, path), 403, "wrong_principal", "permission_error")


def test_either_header_names_the_key(ada: Person) -> None:
    assert ada.world.ask("GET", "/v1/agents", None, x_api_key=ada.secret).status_code == 200
    assert ada.world.ask("GET", "/v1/agents", None, authorization=f"bearer  {ada.secret}").status_code == 200


def test_a_revoked_secret_is_nobodys(ada: Person, laptop: Laptop) -> None:
    stores = ada.world.stores
    (runtime,) = stores.runtimes.runtimes.values()  # type: ignore[attr-defined]  # The fakes' own.
    stores.runtimes.revoke_tokens(runtime.tenant_id, runtime.runtime_id, ada.world.clock.now())
    told(laptop.ask("GET", "/agents/runtime/me"), 401, "unauthorized", "authentication_error")
    (key_hash,) = stores.tenants.keys  # type: ignore[attr-defined]  # The fakes' own.
    stores.tenants.revoke_key(key_hash, ada.world.clock.now())
    told(ada.ask("GET", "/v1/agents"), 401, "unauthorized", "authentication_error")


def test_chalices_own_refusals_have_our_shape(ada: Person) -> None:
    wrong_method = ada.ask("PUT", "/v1/agents", {})
    told(wrong_method, 405, "method_not_allowed", "invalid_request_error")
    assert "POST" in wrong_method.headers["Allow"]
    form = ada.ask("POST", "/v1/agents", b"name=a", content_type="application/x-www-form-urlencoded")
    told(form, 415, "unsupported_media_type", "invalid_request_error")


def test_a_bug_is_logged_and_not_shown(ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str, _phase: str) -> None:
        if name == "agents.list":
            raise RuntimeError("secret detail")

    ada.world.stores.agents.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    response = ada.ask("GET", "/v1/agents")
    told(response, 500, "internal_error", "api_error")
    assert b"secret detail" not in response.body
    assert "secret detail" in caplog.text
    assert response.headers["request-id"] in caplog.text


def test_a_busy_object_says_when_to_come_back(ada: Person) -> None:
    def fail(name: str, _phase: str) -> None:
        if name == "agents.list":
            raise Busy("object_busy", "Try again.", retry_after_s=1)

    ada.world.stores.agents.on_io = fail  # type: ignore[attr-defined]  # The fakes' own.
    response = ada.ask("GET", "/v1/agents")
    told(response, 503, "object_busy", "overloaded_error")
    assert response.headers["Retry-After"] == "1"
    assert "x-should-retry" not in response.headers


def test_a_success_names_its_request_too(ada: Person) -> None:
    assert ada.ask("GET", "/v1/agents").headers["request-id"].startswith("req_")
