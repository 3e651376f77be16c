"""Credentials: who may read them, what they show, and whose server gets which key."""

from __future__ import annotations

import json
import queue
import stat
import threading
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

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
    renew_credentials,
    write_credentials,
    write_login,
    write_secret,
)
from mooring.edge.lock import waited_for
from mooring.errors import EXIT_USAGE, MoorError
from tests.daemon.fake_plane import WAIT_S

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
    assert sorted(one.name for one in home.home.iterdir()) == ["credentials.json", "credentials.lock"]


def test_credentials_of_an_older_version_are_read(home: Paths) -> None:
    """Catches a laptop that must be paired again because its file does not say when its token ends."""
    write_credentials(home, CREDENTIALS)
    older = {name: value for name, value in json.loads(home.credentials.read_text()).items() if name != "expires_at"}
    home.credentials.write_text(json.dumps(older))
    assert read_credentials(home) == CREDENTIALS


def test_new_credentials_tell_whose_place_they_take(home: Paths) -> None:
    """Catches a setup that revokes the token it read at its start instead of the one that it replaces."""
    assert write_credentials(home, CREDENTIALS) is None
    assert write_credentials(home, replace(CREDENTIALS, token="sk_machine_2")) == CREDENTIALS
    home.credentials.write_text("{")
    assert write_credentials(home, CREDENTIALS) is None


def test_a_renewed_token_takes_the_place_of_its_own_predecessor_only(home: Paths) -> None:
    """Catches a daemon that overwrites what a setup has put there, or that brings back what was removed."""
    renewed = replace(CREDENTIALS, token="sk_machine_2", expires_at=9.0)
    with pytest.raises(NotSetUp):
        renew_credentials(home, CREDENTIALS.token, renewed)
    assert not home.home.exists()
    write_credentials(home, CREDENTIALS)
    assert renew_credentials(home, CREDENTIALS.token, renewed)
    assert read_credentials(home) == renewed
    assert not renew_credentials(home, CREDENTIALS.token, CREDENTIALS)
    assert read_credentials(home) == renewed


def test_two_who_write_credentials_wait_for_each_other(home: Paths) -> None:
    """Catches a daemon and a setup that write at the same moment, of which one is lost."""
    write_credentials(home, CREDENTIALS)
    told: queue.Queue[Credentials | None] = queue.Queue()
    second = replace(CREDENTIALS, token="sk_machine_2")
    writing = threading.Thread(target=lambda: told.put(write_credentials(home, second)))
    with waited_for(home.credentials_lock):
        writing.start()
        first = replace(CREDENTIALS, token="sk_machine_1")
        write_secret(home, home.credentials, msgspec.json.encode(first))
    assert told.get(timeout=WAIT_S) == first
    writing.join(WAIT_S)
    assert read_credentials(home) == second


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


def test_a_profile_is_a_home_of_its_own() -> None:
    """Catches two planes that share a token, a journal or a laptop's id."""
    found = paths({"MOOR_HOME": "/somewhere", "MOOR_PROFILE": "work"})
    assert (found.home, found.profile) == (Path("/somewhere/profiles/work"), "work")
    assert found.machine_id.parent == found.credentials.parent == found.lock.parent == found.home
    assert paths({"MOOR_HOME": "/somewhere", "MOOR_PROFILE": ""}) == paths({"MOOR_HOME": "/somewhere"})


@pytest.mark.parametrize("name", ["..", "a/b", "Work", "-x", "x" * 33, "a b", "x\n", "é"])
def test_a_profile_is_named_so_that_every_platform_can_keep_it(name: str) -> None:
    """Catches a profile that leads out of the home, or that is another one's on a disk that ignores capitals."""
    with pytest.raises(MoorError, match="bad_profile") as caught:
        paths({"MOOR_PROFILE": name})
    assert caught.value.exit_code == EXIT_USAGE


def test_what_setup_and_daemon_make_is_known_and_the_owners_files_are_not_in_it(home: Paths) -> None:
    """Catches an uninstall that leaves something behind, or that removes what its owner wrote."""
    write_credentials(home, CREDENTIALS)
    read_machine_id(home)
    write_login(home, LOGIN)
    home.config.write_text("")
    home.journal("rt_1").write_text("")
    assert set(home.home.iterdir()) - set(home.made) == {home.login, home.config}
