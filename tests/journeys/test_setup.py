"""A laptop's life with its plane: connected, repaired, connected anew, its token renewed, taken out again."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from infra.local.stage import bind_agent, moor

from . import user_manager
from .ground import House, Session
from .waiting import PATIENCE_S, eventually

pytestmark = [
    pytest.mark.xdist_group("journeys"),
    pytest.mark.skipif(sys.platform != "linux", reason="The stand-in for a service manager is systemd's."),
]

MOOR = str(Path(sys.executable).with_name("moor"))
DAY_S = 24 * 3600


class Newcomer:
    """Somebody with a key who has just installed `moor`, on a machine that keeps services running."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.home, self.config = house, folder / "home", folder / "config"
        programs = folder / "bin"
        programs.mkdir()
        user_manager.install(programs)
        path = f"{Path(MOOR).parent}:{programs}:{house.ground.env['PATH']}"
        self.env = {**house.ground.env, "PATH": path, "XDG_CONFIG_HOME": str(self.config), "MOOR_HOME": str(self.home)}

    def runs(self, *command: str) -> dict[str, Any]:
        """Runs a command that must succeed. Returns the last line of JSON."""
        done = moor(self.home, *command, "--json", env=self.env)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def connects(self, approve: Callable[[dict[str, Any]], None], *options: str) -> dict[str, Any]:
        """Runs `moor setup`, has a person approve what it shows, and waits for its end. Returns its result."""
        command = [MOOR, "setup", "--json", *options]
        with subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                approve(json.loads(process.stdout.readline()))
                out, _ = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        assert process.returncode == 0, out
        found: dict[str, Any] = json.loads(out)
        return found

    def in_browser(self, shown: dict[str, Any]) -> None:
        """Does what the plane's page does when its reader says yes."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(shown["url"]).query).items()}
        wanted = {"state": asked["state"], "code_challenge": asked["code_challenge"]}
        code = self.house.api.ok("POST", "/v1/runtimes/connect-runtime", wanted)["code"]
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", f"{asked['redirect_uri']}?code={code}&state={asked['state']}", retries=False)
        assert b"You may close this window" in answer.data

    def on_another_device(self, shown: dict[str, Any]) -> None:
        """Types the code in on another device."""
        told = {"user_code": shown["user_code"], "decision": "approved"}
        self.house.api.ok("POST", "/v1/runtimes/answer-device", told)

    def at_terminal(self, answers: dict[str, str], *command: str) -> str:
        """Runs a command at a terminal, and answers what it asks. Returns all that was shown.

        Args:
            answers: what is typed, by words of the question.
            command: after `moor`.
        """
        master, slave = pty.openpty()
        shown, left = "", dict(answers)
        with subprocess.Popen([MOOR, *command], env=self.env, stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            try:
                with contextlib.suppress(OSError):  # Linux says so when nobody holds the other end any more.
                    while select.select([master], [], [], PATIENCE_S)[0]:
                        shown += os.read(master, 4096).decode()
                        for words in [one for one in left if one in " ".join(shown.split()) and "[y/n]" in shown]:
                            os.write(master, f"{left.pop(words)}\n".encode())
                assert process.wait(PATIENCE_S) == 0, shown
            finally:
                process.kill()
                os.close(master)
        assert left == {}, shown
        return shown

    @property
    def credentials(self) -> dict[str, Any]:
        """What the laptop has."""
        found: dict[str, Any] = json.loads((self.home / "credentials.json").read_text())
        return found

    def opens(self, token: str) -> bool:
        """Whether the plane takes a token."""
        with urllib3.PoolManager() as pool:
            headers = {"authorization": f"Bearer {token}"}
            answer = pool.request("GET", f"{self.house.plane.url}/agents/runtime/me", headers=headers)
        assert answer.status in (200, 401)
        return answer.status == 200

    def files(self) -> list[str]:
        """All files of its home and of its services."""
        return [str(path) for folder in (self.home, self.config) for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def newcomer(house: House, tmp_path: Path) -> Iterator[Newcomer]:
    made = Newcomer(house, tmp_path)
    yield made
    moor(made.home, "uninstall", "--yes", env=made.env)


def test_a_newcomers_laptop_is_connected_repaired_renewed_and_taken_out_again(newcomer: Newcomer) -> None:
    """Catches a setup that ends before the laptop can be reached, and an uninstall that leaves anything behind.

    Between them: a second setup that makes another runtime or a second daemon, a new token of which the running daemon
    hears nothing, and one that is due and is not renewed.
    """
    house, before = newcomer.house, newcomer.files()
    first = newcomer.connects(newcomer.in_browser, "--server", house.plane.url)
    runtime_id, token = first["runtime_id"], newcomer.credentials["token"]
    assert (first["is_new"], first["service"]) == (True, "mooring.service")
    assert newcomer.runs("status")["plane"]["runtime"]["status"] == "online"
    pid = newcomer.runs("status")["daemon"]["pid"]

    again = newcomer.runs("setup")
    assert (again["is_new"], again["runtime_id"]) == (False, runtime_id)
    assert newcomer.credentials["token"] == token

    anew = newcomer.connects(newcomer.on_another_device, "--device-code", "--force")
    assert (anew["is_new"], anew["runtime_id"]) == (True, runtime_id)
    assert newcomer.runs("status")["daemon"]["pid"] == pid
    assert (newcomer.opens(token), newcomer.opens(newcomer.credentials["token"])) == (False, True)
    agent = bind_agent(house.api, runtime_id, "echo", name="echo of a newcomer")
    with Session(house, house.api.ok("POST", "/v1/sessions", {"agent": agent["id"]})["id"]) as session:
        assert session.ask("Hello.") == ["You said: Hello."]

        token = newcomer.credentials["token"]
        aged = {"created_at": time.time() - 80 * DAY_S, "expires_at": time.time() + 10 * DAY_S}
        (newcomer.home / "credentials.json").write_text(json.dumps({**newcomer.credentials, **aged}))
        newcomer.runs("service", "restart")
        eventually("another token", lambda: newcomer.credentials["token"] != token)
        assert newcomer.credentials["expires_at"] > time.time() + 80 * DAY_S
        assert (newcomer.opens(token), newcomer.opens(newcomer.credentials["token"])) == (True, True)
        assert session.ask("Again.") == ["You said: Again."]

    token = newcomer.credentials["token"]
    gone = newcomer.runs("uninstall", "--yes")
    assert (gone["service"], gone["revoked"]) == ("mooring.service", True)
    assert not newcomer.opens(token)
    assert newcomer.files() == before == []
    assert not newcomer.home.exists()


def test_an_agent_of_the_service_has_the_key_that_its_owner_let_it_have(newcomer: Newcomer) -> None:
    """Catches a key that is taken unasked, shown, or never reaches the agent of a service that no shell has started."""
    house = newcomer.house
    newcomer.home.mkdir(mode=0o700)
    echo = Path(MOOR).with_name("moor-echo-agent")
    (newcomer.home / "config.toml").write_text(f"[agents.opencode]\ncommand = {json.dumps(str(echo))}\n")
    newcomer.env["ANTHROPIC_API_KEY"] = "sk-ant-of-a-newcomer"
    code = house.api.ok("POST", "/v1/runtimes/connect-runtime", {"state": "a-newcomers-state"})["code"]
    grant = ("--server", house.plane.url, "--code", code, "--state", "a-newcomers-state")
    shown = newcomer.at_terminal({"ANTHROPIC_API_KEY": "y", "may cost money": "n"}, "setup", *grant)
    assert "sk-ant-of-a-newcomer" not in shown
    agent = bind_agent(house.api, newcomer.credentials["runtime_id"], "opencode", name="agent of a newcomer")
    with Session(house, house.api.ok("POST", "/v1/sessions", {"agent": agent["id"]})["id"]) as session:
        assert session.ask("/env ANTHROPIC_API_KEY") == ["ANTHROPIC_API_KEY is set."]
    newcomer.runs("uninstall", "--yes")
    assert newcomer.files() == [str(newcomer.home / "config.toml")], "what its owner wrote stays, the key does not"
