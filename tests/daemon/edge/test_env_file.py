"""`service.env`: what is written is what is read, whatever the values hold."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.edge.creds import Paths
from mooring.edge.env_file import read_env_file, write_env_file
from mooring.errors import MoorError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
# What `os.environ` may hold: any text but NUL, and bytes that are no UTF-8 as lone low surrogates.
CHARACTERS = st.one_of(st.characters(codec="utf-8"), st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
VALUES = st.text(CHARACTERS.filter(lambda character: character != "\0"))


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """A home that nothing is in."""
    return Paths(tmp_path / "home")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(variables=st.dictionaries(NAMES, VALUES, max_size=6))
def test_variables_come_back_as_they_were_written(home: Paths, variables: dict[str, str]) -> None:
    """Catches quoting that a newline, a quote, a `#`, Unicode or bytes that are no text can break."""
    write_env_file(home, variables)
    assert read_env_file(home) == variables


def test_the_file_is_its_users_alone_and_shows_no_value_in_an_error(home: Paths) -> None:
    """Catches a file of keys that others can read, and an error that would put a key into the log."""
    write_env_file(home, {"ANTHROPIC_API_KEY": "sk-1 2"})
    assert stat.S_IMODE(home.service_env.stat().st_mode) == 0o600
    for broken in ("sk-secret\n", 'A="sk-secret\n', "9A=sk-secret\n", 'A="sk"secret\n'):
        home.service_env.write_text(f"# a comment\n\n{broken}")
        with pytest.raises(MoorError, match="line 3") as caught:
            read_env_file(home)
        assert caught.value.code == "bad_env_file"
        assert "secret" not in str(caught.value)


def test_what_a_person_writes_is_read(home: Paths) -> None:
    """Catches a reader that knows only what was written by us."""
    home.home.mkdir()
    home.service_env.write_text('# mine\n\n  A=plain words # and this\nB=\r\nC="two\\nlines"\n')
    assert read_env_file(home) == {"A": "plain words # and this", "B": "", "C": "two\nlines"}


@pytest.mark.parametrize("variables", [{"A B": "x"}, {"A\nB": "x"}, {"": "x"}, {"A": "x\0y"}])
def test_a_variable_that_no_line_can_hold_is_refused_before_anything_is_written(
    home: Paths, variables: dict[str, str]
) -> None:
    """Catches a name that would begin a second variable."""
    with pytest.raises(MoorError) as caught:
        write_env_file(home, variables)
    assert caught.value.code == "bad_variable"
    assert not home.service_env.exists()


def test_without_variables_there_is_no_file(home: Paths) -> None:
    """Catches an empty file, or keys that stay when nothing is to be kept any more."""
    write_env_file(home, {"A": "x"})
    write_env_file(home, {})
    assert not home.service_env.exists()
    assert read_env_file(home) == {}


def test_a_file_that_cannot_be_read_is_told(home: Paths) -> None:
    """Catches a traceback, or a daemon that starts without its keys and does not say why."""
    home.home.mkdir()
    home.service_env.write_bytes(b"A=\xff\n")
    with pytest.raises(MoorError, match="not UTF-8"):
        read_env_file(home)
    home.service_env.unlink()
    home.service_env.mkdir()
    with pytest.raises(MoorError, match="can't be read"):
        read_env_file(home)
