"""User codes: letters that nobody takes for others, read however somebody types them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.devices import LETTERS, read_user_code, user_code_of


@given(st.integers(0, 2**192 - 1))
def test_every_user_code_is_read_as_it_was_made(chance: int) -> None:
    code = user_code_of(f"{chance:048x}")
    assert len(code) == 9
    assert set(code.replace("-", "")) <= set(LETTERS)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' – ')} ", " ".join(code)):
        assert read_user_code(typed) == code


def test_as_much_chance_gives_as_many_codes() -> None:
    """Catches letters that follow from one another."""
    assert len({user_code_of(f"{n:048x}") for n in range(20_000)}) == 20_000
    assert user_code_of(f"{20**8:048x}") == user_code_of("0") == "BBBB-BBBB"
    assert user_code_of(f"{20**8 - 1:048x}") == "ZZZZ-ZZZZ"


@pytest.mark.parametrize("typed", ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "BCDF/GHJK", "BCDF-GHJЖ"])
def test_what_is_no_user_code_is_none(typed: str) -> None:
    assert read_user_code(typed) is None
