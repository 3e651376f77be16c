"""Repeats: tries of one request are known for that, and requests that merely say the same are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.repeats import KEPT, WINDOW_MS, Tried, Try, is_repeat, repeated, still_repeatable

T0 = 1_790_000_000_000


def a_try(count: int, after_ms: int = 0, body: str = "b1") -> Try:
    return Try(body, count, T0 + after_ms)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (a_try(0), a_try(1, 400), True),
        (a_try(0), a_try(2, WINDOW_MS), True),
        (a_try(0), a_try(1, 0), True),
        (a_try(1), a_try(2, 900), True),
        (a_try(0), a_try(1, WINDOW_MS + 1), False),
        (a_try(0), a_try(0, 400), False),
        (a_try(1), a_try(1, 400), False),
        (a_try(1), a_try(0, 400), False),
        (a_try(0), a_try(1, 400, "b2"), False),
    ],
)
def test_tries_of_one_request_have_other_counts_and_came_in_their_order(one: Try, other: Try, same: bool) -> None:
    assert is_repeat(one, other) == is_repeat(other, one) == same


def test_a_try_is_answered_with_the_newest_record_of_its_request() -> None:
    tried = (Tried(2, a_try(0)), Tried(5, a_try(0, 5000)), Tried(7, a_try(0, 6000, "b2")))
    assert repeated(tried, a_try(1, 6000)) == 5
    assert repeated(tried, a_try(1, 4000)) == 2
    assert repeated(tried, a_try(0, 6000)) is None
    assert repeated((), a_try(1)) is None


def test_no_try_is_forgotten_while_another_one_may_come_by_a_function_that_is_late() -> None:
    tried = (Tried(2, a_try(0)), Tried(3, a_try(0, 1000)))
    over_s = (T0 + 2 * WINDOW_MS) / 1000
    assert still_repeatable(tried, over_s) == tried
    assert still_repeatable(tried, over_s + 0.5) == tried[1:]
    assert still_repeatable(tried, over_s + 1.5) == ()


def test_of_many_tries_the_newest_are_kept() -> None:
    tried = tuple(Tried(n, a_try(0, n)) for n in range(KEPT + 3))
    assert still_repeatable(tried, T0 / 1000) == tried[3:]


TRIES = st.builds(Try, st.sampled_from(["b1", "b2"]), st.integers(0, 3), st.integers(T0, T0 + 2 * WINDOW_MS))


@given(TRIES, TRIES)
def test_being_a_repeat_is_mutual_and_no_try_repeats_itself(one: Try, other: Try) -> None:
    assert is_repeat(one, other) == is_repeat(other, one)
    assert not is_repeat(one, one)
