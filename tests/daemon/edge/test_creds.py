"""Credentials: who may read them, what they show, and whose server gets which key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mooring.edge.creds import (
    Credentials,
    Login,
    NotLoggedIn,
    NotSetUp,
    Paths,
    make_home,
    paths,
    read_credentials,
    read_login,
    read_machine_id,
    write_credentials,
    write_login,
)
from mooring.errors import MoorError

CREDENTIALS = Credentials(
    server_url="https://plane.example",
    ws_url="wss://ws.example",
    runtime_id="rt_1",
    token="sk_machine_secret",
    machine_id="m-1",
    created_at=1.0,
)
LOGIN = Login(server_url="https://plane.example", api_key="moor_secret")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_for_their_user_alone(home: Paths) -> None:
    write_credentials(home, CREDENTIALS)
    write_login(home, LOGIN)
    assert (mode(home.home), mode(home.credentials), mode(home.login)) == (0o700, 0o600, 0o600)
    assert read_credentials(home) == CREDENTIALS
    assert read_login(home, {}) == LOGIN


def test_a_home_open_to_others_is_closed(home: Paths) -> None:
    home.home.mkdir(mode=0o755)
    make_home(home)
    assert mode(home.home) == 0o700


def test_credentials_are_replaced_whole_and_leave_nothing_beside_them(home: Paths) -> None:
    write_credentials(home, CREDENTIALS)
    write_credentials(home, CREDENTIALS)
    assert [one.name for one in home.home.iterdir()] == ["credentials.json"]


def test_nothing_that_is_shown_holds_a_secret() -> None:
    assert "secret" not in f"{CREDENTIALS!r} {LOGIN!r} {[CREDENTIALS, LOGIN]}"


def test_a_laptop_without_credentials_is_told_to_set_up(home: Paths) -> None:
    with pytest.raises(NotSetUp, match="moor setup"):
        read_credentials(home)
    with pytest.raises(NotLoggedIn, match="moor login"):
        read_login(home, {})


def test_credentials_that_can_not_be_read_are_named(home: Paths) -> None:
    make_home(home)
    home.credentials.write_text("{")
    with pytest.raises(MoorError, match="credentials_unreadable"):
        read_credentials(home)


def test_a_home_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MoorError, match="home_unusable"):
        make_home(Paths(tmp_path / "file" / "home"))


def test_the_machine_id_stays_the_same(home: Paths) -> None:
    first = read_machine_id(home)
    assert len(first) == 36
    assert read_machine_id(home) == first
    assert mode(home.machine_id) == 0o600


def test_the_environment_names_key_and_server(home: Paths) -> None:
    found = read_login(home, {"MOOR_API_KEY": "moor_env", "MOOR_SERVER": "https://other.example/"})
    assert found == Login(server_url="https://other.example", api_key="moor_env")


def test_a_key_from_the_environment_goes_to_the_server_of_login_or_setup(home: Paths) -> None:
    with pytest.raises(NotLoggedIn):
        read_login(home, {"MOOR_API_KEY": "moor_env"})
    write_credentials(home, CREDENTIALS)
    assert read_login(home, {"MOOR_API_KEY": "moor_env"}).server_url == "https://plane.example"
    write_login(home, Login(server_url="https://login.example", api_key="moor_stored"))
    found = read_login(home, {"MOOR_API_KEY": "moor_env"})
    assert found == Login(server_url="https://login.example", api_key="moor_env")


def test_a_stored_key_is_never_sent_to_another_server(home: Paths) -> None:
    write_login(home, LOGIN)
    with pytest.raises(NotLoggedIn):
        read_login(home, {"MOOR_SERVER": "https://evil.example"})
    assert read_login(home, {"MOOR_SERVER": "https://plane.example/"}) == LOGIN


def test_the_home_is_the_platforms_unless_it_is_named() -> None:
    assert paths({"MOOR_HOME": "/somewhere"}).home == Path("/somewhere")
    assert paths({}).home.name == "mooring"
