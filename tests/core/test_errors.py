"""Errors: stable codes, a status each, and refusals of machines mapped onto them."""

from __future__ import annotations

import pytest

from chalicelib.core import errors
from chalicelib.core.errors import REFUSALS, MooringError, Refused, raise_refusal

TREE = {
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflicting: 409,
    errors.TooLarge: 413,
    errors.Unprocessable: 422,
    errors.TooMany: 429,
    errors.Busy: 503,
}


def test_every_error_has_its_status_and_the_docstrings_tree_names_it() -> None:
    assert {one: one.status for one in MooringError.__subclasses__()} == TREE
    for one, status in TREE.items():
        assert f"{one.__name__} " in (errors.__doc__ or "")
        assert f" {status} " in (errors.__doc__ or "")


def test_an_error_says_its_code_and_its_sentence() -> None:
    error = errors.TooMany("queue_full", "Send again later.", field="events", retry_after_s=5)
    assert str(error) == "queue_full: Send again later."
    assert (error.code, error.message, error.field, error.retry_after_s) == (
        "queue_full",
        "Send again later.",
        "events",
        5,
    )


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_machines_refusal_becomes_its_error(code: str) -> None:
    with pytest.raises(REFUSALS[code]) as raised:
        raise_refusal(Refused(code, "Why."))
    assert raised.value.code == code
    assert (raised.value.retry_after_s is not None) == (raised.value.status == 429)


def test_a_bug_of_ours_is_no_error_that_a_caller_may_see() -> None:
    assert not issubclass(errors.IllegalTransition, MooringError)
