"""Every route that takes JSON, given what it should not take: refused, in one shape, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from chalice.test import HTTPResponse

from chalicelib import wiring
from tests.knocking import World

from .scene import JSON_BODIES, ROUTES, WITH_IDS, Team, team, told

DEEP: Final = 20_000


@pytest.fixture(scope="module")
def ours() -> Iterator[Team]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        yield team(World())
        wiring.reset()


def send(ours: Team, name: str, body: bytes) -> tuple[int, str]:
    """What a route says to these bytes."""
    return told(ours.person.world.ask(ROUTES[name].method, ours.path(name), ours.person.secret, body))


RAW: Final[dict[str, bytes]] = {
    "no JSON": b"name=reviewer",
    "half of it": b'{"name":',
    "two of it": b"{}{}",
    "not UTF-8": b'{"name":"\xff\xfe"}',
    "a lone surrogate": b'{"name":"\\ud800"}',
    "a list": b"[]",
    "a string": b'"name"',
    "null": b"null",
    "a number": b"1e999",
    "not a number": b'{"name":NaN}',
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep lists": b"[" * DEEP + b"]" * DEEP,
}


@pytest.mark.parametrize("what", RAW)
@pytest.mark.parametrize("name", JSON_BODIES)
def test_what_is_no_object_is_refused(ours: Team, name: str, what: str) -> None:
    status, code = send(ours, name, RAW[what])
    assert (status, code) in ((400, "not_json"), (400, "bad_request"))


@pytest.mark.parametrize("name", JSON_BODIES)
def test_a_body_over_its_size_is_refused(ours: Team, name: str) -> None:
    body = json.dumps({**ours.body(name), "filler": "x" * ROUTES[name].max_bytes}).encode()
    assert send(ours, name, body) == (413, "content_too_large")


def spoilt(body: Any, how: Any) -> Iterator[tuple[str, Any]]:
    """The body with one value after another spoilt, each with where that is."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield key, {**body, key: how}
            for where, inner in spoilt(value, how):
                yield f"{key}.{where}", {**body, key: inner}
    elif isinstance(body, list):
        for index, value in enumerate(body):
            for where, inner in spoilt(value, how):
                yield f"{index}.{where}", [*body[:index], inner, *body[index + 1 :]]


WRONG: Final[dict[str, Any]] = {
    "a wrong type": {"of": ["another", {"kind": None}]},
    "a NUL": "a\0b",
    "ten thousand": ["x"] * 10_000,
    "a huge number": 10**400,
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", JSON_BODIES)
def test_a_wrong_value_is_refused_wherever_it_stands(ours: Team, name: str, what: str) -> None:
    """Catches a traceback (500), and a value that is believed although it can't be right."""
    for where, body in spoilt(ours.body(name), WRONG[what]):
        status, code = send(ours, name, json.dumps(body).encode())
        assert 400 <= status < 500, (where, status, code)


@pytest.mark.parametrize("name", JSON_BODIES)
def test_a_key_that_comes_twice_counts_once_and_breaks_nothing(ours: Team, name: str) -> None:
    body = ours.body(name)
    first = next(iter(body))
    twice = f'{{"{first}":7,{json.dumps(body)[1:]}'.encode()
    response = ours.person.world.ask(ROUTES[name].method, ours.path(name), ours.person.secret, twice)
    assert response.status_code < 500


HEADERS: Final = ["a\r\nSet-Cookie: b=1", "a\nx-evil: 1", "\0", "é" * 300]
NAMES: Final = [
    "anthropic-version",
    "authorization",
    "content-type",
    "cookie",
    "idempotency-key",
    "last-event-id",
    "range",
    "sec-fetch-site",
    "x-api-key",
    "x-csrf-token",
    "x-forwarded-proto",
    "x-request-id",
    "x-stainless-retry-count",
]
TELLING: Final = ["post_events", "get_login", "sign_out", "download_file", "create_session_token"]
"""Routes that take headers or give some."""


def check_headers(response: HTTPResponse) -> None:
    """No header of an answer is one that the request has put there."""
    assert response.status_code < 500
    for header, value in response.headers.items():
        assert not any(c in f"{header}{value}" for c in "\r\n\0")
        assert header.lower() != "x-evil"
        assert header.lower() != "set-cookie" or value.startswith("moor_session=;")


@pytest.mark.parametrize("value", HEADERS)
@pytest.mark.parametrize("header", NAMES)
def test_a_header_can_not_put_another_into_the_answer(ours: Team, header: str, value: str) -> None:
    for name in TELLING:
        body = b"" if ours.body(name) is None else json.dumps(ours.body(name)).encode()
        sent = {"authorization": f"Bearer {ours.person.secret}", "content-type": "application/json", header: value}
        check_headers(ours.person.world.http.request(ROUTES[name].method, ours.path(name), headers=sent, body=body))


@pytest.mark.parametrize("name", WITH_IDS)
def test_an_id_can_not_put_a_header_into_the_answer(ours: Team, name: str) -> None:
    for value in ("x%0d%0aSet-Cookie:%20b=1", "x%0d%0a%0d%0a<script>", "%00", "%c3%28", "x?x-evil=%0ax-evil:1"):
        check_headers(ours.ask(name, ours.person.secret, dict.fromkeys(ours.ids, value)))


@pytest.mark.parametrize(
    "filename",
    ["a\r\nx-evil: 1.txt", "a\\r\\nSet-Cookie: b=1.txt", 'a";x-evil: 1.txt', "a%0d%0ax-evil: 1.txt", "é.txt"],
)
def test_a_files_name_can_not_put_a_header_into_the_answer(ours: Team, filename: str) -> None:
    parts = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\nabc\r\n--b--\r\n'
    person, kind = ours.person, "multipart/form-data; boundary=b"
    made = person.ask("POST", "/v1/files", parts.encode(), content_type=kind)
    check_headers(made)
    if made.status_code == 200:
        check_headers(person.ask("GET", f"/v1/files/{made.json_body['id']}/content"))
