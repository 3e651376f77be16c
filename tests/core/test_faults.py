"""Faults: one shape for every error, with what an SDK needs to know whether to try again."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import (
    REFUSALS,
    Busy,
    Conflicting,
    MooringError,
    NotFound,
    Refused,
    TooMany,
    Unprocessable,
    raise_refusal,
)
from chalicelib.core.faults import LATER_S, fault_of, internal_fault, plain_fault


def test_an_error_is_told_with_its_kind_code_field_and_the_requests_id() -> None:
    fault = fault_of(NotFound("session_not_found", "There is no session sesn_1.", field="session_id"), "req_1")
    assert fault.status == 404
    assert fault.body == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "code": "session_not_found",
            "message": "There is no session sesn_1.",
            "param": "session_id",
        },
        "request_id": "req_1",
    }
    assert fault.headers == {}


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (TooMany("queue_full", "Later.", retry_after_s=5), {"Retry-After": "5"}),
        (Busy("object_busy", "Later.", retry_after_s=1), {"Retry-After": "1"}),
        (Busy("ws_url_unknown", "Mend it."), {"Retry-After": str(LATER_S), "x-should-retry": "false"}),
        (TooMany("limit_reached", "Later."), {"Retry-After": str(LATER_S), "x-should-retry": "false"}),
        (NotFound("session_not_found", "No.", retry_after_s=5), {}),
        (Conflicting("already_answered", "No."), {"x-should-retry": "false"}),
        (Unprocessable("idempotency_key_reused", "No."), {"x-should-retry": "false"}),
    ],
)
def test_an_error_says_whether_trying_again_makes_sense(error: MooringError, headers: dict[str, str]) -> None:
    """Catches an SDK that sends a refused request again by itself, since it does so for 409 and 5xx."""
    assert fault_of(error, "req_1").headers == headers


def every(kind: type[MooringError]) -> list[type[MooringError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in every(below))]


@pytest.mark.parametrize("kind", every(MooringError))
@pytest.mark.parametrize("retry_after_s", [None, 0, 7])
def test_whatever_means_later_says_when(kind: type[MooringError], retry_after_s: int | None) -> None:
    """Catches a 429 or 503 without ``Retry-After``, whichever code it has and whoever forgot to say when."""
    told = fault_of(kind("some_code", "Why.", retry_after_s=retry_after_s), "req_1")
    assert ("Retry-After" in told.headers) == (told.status in (429, 503))
    assert {429, 503} <= {one.status for one in every(MooringError)}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_machines_refusal_that_means_later_says_when(code: str) -> None:
    with pytest.raises(REFUSALS[code]) as raised:
        raise_refusal(Refused(code, "Why."))
    told = fault_of(raised.value, "req_1")
    assert (raised.value.code, "Retry-After" in told.headers) == (code, told.status in (429, 503))


def test_a_bug_of_ours_tells_a_stranger_only_where_to_look() -> None:
    fault = internal_fault("req_1")
    assert (fault.status, fault.body["error"]["code"]) == (500, "internal_error")
    assert "req_1" in fault.body["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "not_found_error"), (405, "invalid_request_error"), (502, "api_error")]
)
def test_a_request_that_reached_no_view_is_answered_in_the_same_shape(status: int, kind: str) -> None:
    fault = plain_fault(status, "method_not_allowed", "No.", "req_1", {"allow": "GET"})
    assert (fault.body["error"]["type"], fault.headers) == (kind, {"allow": "GET"})
    assert plain_fault(status, "c", "m", "r").headers == {}
