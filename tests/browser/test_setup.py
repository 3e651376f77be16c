"""The `moor` command and the plane's pages together: `moor setup` on one side, a person with a browser on the other."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import PATIENCE_S, Window
from tests.knocking import Person

pytestmark = pytest.mark.xdist_group("browser")


class Moor:
    """One `moor` command, which says what it does in lines of JSON."""

    def __init__(self, home: Path, *arguments: str) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MOOR_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mooring", *arguments, "--json"],
            env={**env, "MOOR_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> Any:
        """Its next line."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ends(self) -> int:
        """Its exit status."""
        return self.process.wait(PATIENCE_S)


StartMoor = Callable[..., Moor]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def moor(home: Path) -> Iterator[StartMoor]:
    started: list[Moor] = []

    def start(*arguments: str) -> Moor:
        started.append(Moor(home, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def test_setup_and_page_connect_a_laptop_and_uninstall_ends_its_token(
    window: Window, site: str, ada: Person, moor: StartMoor
) -> None:
    """Catches a command and a page that keep two different promises to one another."""
    setup = moor("setup", "--server", site, "--no-service", "--no-browser")
    window.open(setup.says()["url"])
    window.sign_in(ada.secret)
    window.see(socket.gethostname())
    window.button("Approve").click()
    assert setup.ends() == 0
    (runtime,) = ada.get("/v1/runtimes")["runtimes"]
    assert (runtime["hostname"], runtime["owner"]) == (socket.gethostname(), ada.user_id)
    assert moor("uninstall", "--yes").ends() == 0
    (token,) = ada.get(f"/v1/runtimes/{runtime['id']}/tokens")["tokens"]
    assert token["revoked_at"] is not None


def test_setup_without_a_browser_is_approved_by_the_code_that_it_shows(
    window: Window, site: str, ada: Person, moor: StartMoor
) -> None:
    setup = moor("setup", "--server", site, "--no-service", "--device-code")
    shown = setup.says()
    window.open(shown["verification_uri_complete"])
    window.sign_in(ada.secret)
    window.button("Continue").click()
    window.see(socket.gethostname())
    window.see(shown["user_code"])
    window.button("Approve").click()
    window.see("Approved")
    assert setup.ends() == 0
    assert len(ada.get("/v1/runtimes")["runtimes"]) == 1


def test_a_denied_setup_says_so_and_connects_nothing(
    window: Window, site: str, ada: Person, moor: StartMoor, home: Path
) -> None:
    setup = moor("setup", "--server", site, "--no-service", "--no-browser")
    window.open(setup.says()["url"])
    window.sign_in(ada.secret)
    window.button("Deny").click()
    assert setup.ends() != 0
    assert ada.get("/v1/runtimes") == {"runtimes": []}
    assert not list(home.rglob("credentials.json"))
