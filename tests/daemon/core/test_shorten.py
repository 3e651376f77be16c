"""Whatever an agent says can be encoded, fits, and says so where it was cut."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core.shorten import MARK, MAX_DEPTH, clean, cut, fitting, head, json_bytes, plain

anything: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@given(anything)
def test_plain_data_of_anything_can_be_encoded(value: Any) -> None:
    msgspec.json.encode(plain(value))


def test_plain_keeps_what_is_json_already() -> None:
    value: dict[str, Any] = {"a": [1, -1.5, True, None, "x", {"b": []}]}
    assert plain(value) == value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("\ud83d", "?"),
        (2**70, str(2**70)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        ((1, 2), [1, 2]),
        ({1: b"x"}, {"1": "b'x'"}),
    ],
)
def test_plain_turns_the_rest_into_the_nearest(value: Any, found: Any) -> None:
    assert plain(value) == found


def test_plain_ends_at_a_depth() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    assert json_bytes(plain(value)) == 2 * (MAX_DEPTH + 1) + len('"[nested too deep]"')


def test_half_a_character_is_replaced_and_whole_ones_are_kept() -> None:
    assert clean("a\ud83db") == "a?b"
    assert clean("💡") == "💡"


@given(st.text(max_size=300), st.integers(100, 400))
def test_cut_text_fits_and_says_so(text: str, max_bytes: int) -> None:
    """Catches a bound counted in characters, or without the quotes and escapes."""
    found = cut(text, max_bytes)
    assert json_bytes(found) <= max_bytes
    if found != text:
        assert found.endswith(MARK)
        assert json_bytes(text) > max_bytes


@given(st.text(max_size=50), st.integers(2, 60))
def test_head_is_the_longest_beginning_that_fits(text: str, max_bytes: int) -> None:
    found = head(text, max_bytes)
    assert text.startswith(found)
    assert json_bytes(found) <= max_bytes
    assert found == text or json_bytes(text[: len(found) + 1]) > max_bytes


def test_arguments_that_fit_stay_whole() -> None:
    assert fitting({"a": "x" * 100}, 200) == {"a": "x" * 100}


def test_long_strings_are_cut_first_so_that_the_rest_stays_readable() -> None:
    found = fitting({"path": "a.txt", "lines": [{"content": "x" * 50_000}, 7]}, 20_000)
    assert found["path"] == "a.txt"
    assert found["lines"][0]["content"].endswith(MARK)
    assert found["lines"][1] == 7


def test_arguments_of_many_parts_become_the_beginning_of_their_json() -> None:
    found = fitting({str(k): "x" * 100 for k in range(1000)}, 20_000)
    assert list(found) == ["shortened"]
    assert json_bytes(found) <= 20_000
    assert found["shortened"].startswith('{"0":"xxx')
