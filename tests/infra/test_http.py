"""The HTTP port of the local gateway: Chalice's routes inside the limits, and the streaming app untouched."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from infra.local.limits import payload_bytes
from tests.infra.conftest import TIMEOUT_S, RunningGateway, StartGateway

MEGABYTE = 1024 * 1024


@contextmanager
def requested(
    gateway: RunningGateway, method: str, path: str, body: bytes | None = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    host = gateway.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(host, timeout=TIMEOUT_S)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        yield connection.getresponse()


def asked(
    gateway: RunningGateway, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    with requested(gateway, method, path, body, **headers) as answer:
        return answer.status, json.loads(answer.read())


def test_route_gets_path_and_query(gateway: RunningGateway) -> None:
    assert asked(gateway, "GET", "/hello/ann?a=1%202") == (200, {"hello": "ann", "query": {"a": "1 2"}})


def test_an_unknown_route_is_refused_in_the_planes_shape_and_repeats_no_secret(gateway: RunningGateway) -> None:
    """Catches Chalice's own answer, which names the Authorization header it was given."""
    with requested(gateway, "GET", "/nowhere", Authorization="Bearer moor_secret") as answer:
        body = json.loads(answer.read())
    assert (answer.status, body["error"]["code"]) == (404, "route_not_found")
    assert answer.headers["request-id"] == body["request_id"]
    assert "secret" not in json.dumps(body)


def test_head_is_the_get_without_its_body(gateway: RunningGateway) -> None:
    with requested(gateway, "HEAD", "/big/17") as answer:
        assert (answer.status, answer.headers["Content-Length"], answer.headers["X-Request-Id"]) == (200, "17", "req_1")
        assert answer.read() == b""


def test_handler_slower_than_the_integration_limit_is_504(start_gateway: StartGateway) -> None:
    gateway = start_gateway(integration_s=0.2)
    assert asked(gateway, "GET", "/slow") == (504, {"message": "Endpoint request timed out"})


def test_request_over_6_mb_is_413(gateway: RunningGateway) -> None:
    largest = b"x" * (6 * MEGABYTE)
    assert asked(gateway, "POST", "/size", largest, content_type="text/plain") == (200, {"bytes": len(largest)})
    assert asked(gateway, "POST", "/size", largest + b"x", content_type="text/plain")[0] == 413


def test_binary_request_counts_as_base64(gateway: RunningGateway) -> None:
    fits, too_large = b"\xff" * (4 * MEGABYTE), b"\xff" * (5 * MEGABYTE)
    assert asked(gateway, "POST", "/size", fits, content_type="application/octet-stream") == (200, {"bytes": len(fits)})
    assert asked(gateway, "POST", "/size", too_large, content_type="application/octet-stream")[0] == 413


def test_answer_over_6_mb_is_502(gateway: RunningGateway) -> None:
    with requested(gateway, "GET", f"/big/{6 * MEGABYTE}") as answer:
        assert (answer.status, len(answer.read())) == (200, 6 * MEGABYTE)
    assert asked(gateway, "GET", f"/big/{6 * MEGABYTE + 1}") == (502, {"message": "Internal server error"})


def test_binary_answer_counts_as_base64(gateway: RunningGateway) -> None:
    with requested(gateway, "GET", f"/bytes/{4 * MEGABYTE}", accept="application/octet-stream") as answer:
        assert (answer.status, answer.read(2)) == (200, b"\xff\xff")
    assert asked(gateway, "GET", f"/bytes/{5 * MEGABYTE}", accept="application/octet-stream")[0] == 502


def test_a_binary_type_is_one_whatever_its_parameters(gateway: RunningGateway) -> None:
    """Catches a form, whose header names its boundary, that counts as text here and as base64 on AWS."""
    too_large = b"x" * (5 * MEGABYTE)
    assert asked(gateway, "POST", "/size", too_large, content_type="application/octet-stream; a=b")[0] == 413
    bytes_of = {"bytes": 3}
    assert asked(gateway, "POST", "/size", b"\xff\0x", content_type="Application/Octet-Stream; a=b") == (200, bytes_of)


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("application/octet-stream;q=0.5, text/html", b"\xff\xff\xff"),
        ("*/*", b"////"),
        ("text/html, application/octet-stream", b"////"),
    ],
)
def test_bytes_are_for_who_accepts_them_before_all_else(gateway: RunningGateway, accept: str, body: bytes) -> None:
    """Catches a download that works here and is base64 on AWS."""
    with requested(gateway, "GET", "/bytes/3", accept=accept) as answer:
        assert (answer.status, answer.read()) == (200, body)


@pytest.mark.parametrize(
    ("body", "is_binary", "size"), [(b'"a"', False, 5), (b"abcd", True, 8), ("é".encode(), False, 2)]
)
def test_payload_size_counts_escapes_and_base64(body: bytes, is_binary: bool, size: int) -> None:
    assert payload_bytes(body, is_binary=is_binary) == size


def test_stream_arrives_in_pieces(gateway: RunningGateway) -> None:
    with requested(gateway, "GET", "/stream") as answer:
        assert answer.readline() == b"first\n"
        gateway.small.gates["stream"].set()
        assert answer.read() == b"second\n"


def test_stream_hears_that_its_client_left(gateway: RunningGateway) -> None:
    with requested(gateway, "GET", "/stream?until-left") as answer:
        assert answer.readline() == b"first\n"
    assert gateway.small.stream_left.wait(TIMEOUT_S)


def test_stop_reports_a_function_that_still_runs(start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.gateway.STOP_TIMEOUT_S", 0.1)
    gateway = start_gateway(integration_s=0.1)
    assert asked(gateway, "GET", "/slow")[0] == 504
    gateway.request_stop()
    gateway.join()
    assert gateway.still_running == 1
