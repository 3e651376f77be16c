"""`moor` as its users type it: a person who asks, and the owner of a laptop."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from infra.local.stage import enrol, moor

from .ground import House, Laptop
from .waiting import PATIENCE_S

pytestmark = pytest.mark.xdist_group("journeys")

MOOR = str(Path(sys.executable).with_name("moor"))
EXIT_FAILED, EXIT_NOT_SET_UP, EXIT_INTERRUPTED = 1, 3, 130


class Person:
    """Somebody with a key and a home of their own, on a machine that is no runtime."""

    def __init__(self, house: House, home: Path) -> None:
        self.home = home
        self.env = {**house.ground.env, "MOOR_SERVER": house.plane.url, "MOOR_API_KEY": house.api.key}

    def runs(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return moor(self.home, *command, env=self.env)

    @contextmanager
    def starts(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Starts a command whose standard output can be read along; it does not outlive the block."""
        env = {**self.env, "MOOR_HOME": str(self.home)}
        with subprocess.Popen(
            [MOOR, *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def person(house: House, tmp_path: Path) -> Person:
    return Person(house, tmp_path)


@pytest.fixture
def own(house: House, tmp_path: Path) -> Iterator[Laptop]:
    """A laptop whose owner is about to take it out again."""
    made = house.laptop(tmp_path.name)
    yield made
    made.stop()


def read_until(stream: IO[str], text: str) -> str:
    """Reads what a process prints until it has printed ``text``."""
    deadline = time.monotonic() + PATIENCE_S
    seen = ""
    while text not in seen:
        assert select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0], f"{text!r} not in {seen!r}"
        piece = os.read(stream.fileno(), 4096).decode()
        assert piece, f"it ended before {text!r}: {seen!r}"
        seen += piece
    return seen


def summary_of(stdout: str) -> dict[str, Any]:
    """The last of the lines of JSON."""
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert all(line["type"] != "summary" for line in lines[:-1])
    found: dict[str, Any] = lines[-1]
    return found


def test_ask_shows_the_answer_while_it_is_written(laptop: Laptop, person: Person) -> None:
    """Catches an answer that is shown only when it is whole, and one that is shown twice."""
    with person.starts("ask", "/slow 3 30", "--agent", laptop.agent()) as asking:
        assert asking.stdout is not None
        seen = read_until(asking.stdout, "piece 3 ")
        assert "piece 30 " not in seen
        rest, _ = asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == 0
    assert (seen + rest).startswith("".join(f"piece {number} " for number in range(1, 31)) + "\n")
    assert (seen + rest).count("piece 30 ") == 1


def test_ask_tells_programs_every_event_and_a_summary_and_goes_on_in_the_same_session(
    laptop: Laptop, person: Person
) -> None:
    """Catches a change in what scripts read, or in the status that they test."""
    done = person.runs("ask", "Hello.", "--agent", laptop.agent(), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = summary_of(done.stdout)
    assert summary.keys() == {"type", "session_id", "message_id", "turn_id", "outcome", "text", "errors"}
    assert (summary["type"], summary["outcome"]) == ("summary", "completed")
    assert (summary["text"], summary["errors"]) == ("You said: Hello.", [])
    events = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
    assert {"user.message", "agent.message", "session.status_idle"} <= {event["type"] for event in events}

    failed = person.runs("ask", "/fail boom", "--session", summary["session_id"], "--json")
    assert failed.returncode == EXIT_FAILED
    told = summary_of(failed.stdout)
    assert (told["session_id"], told["outcome"]) == (summary["session_id"], "failed")
    assert "boom" in told["errors"][0]["message"]

    nobody = person.runs("ask", "Hello.", "--agent", "nobody", "--json")
    assert nobody.returncode == EXIT_FAILED
    assert json.loads(nobody.stdout)["error"]["code"] == "agent_not_found"


def test_ask_without_anybody_there_denies_and_with_allow_says_yes(laptop: Laptop, person: Person) -> None:
    """Catches a script that waits forever for an answer, and one that says yes unasked."""
    agent = ("--agent", laptop.agent("always_ask"), "--json")
    assert summary_of(person.runs("ask", "/ask write {}", *agent).stdout)["text"] == "write was denied."
    allowed = person.runs("ask", "/ask write {}", "--allow", *agent)
    assert allowed.returncode == 0
    assert "write ran with" in allowed.stdout


def test_ctrl_c_stops_the_agent_and_not_only_the_command(laptop: Laptop, person: Person) -> None:
    """Catches an agent that works on although its person has stopped it."""
    session_id = laptop.house.api.ok("POST", "/v1/sessions", {"agent": laptop.agent()})["id"]
    with person.starts("ask", "/hold", "--session", session_id) as asking:
        assert asking.stdout is not None
        read_until(asking.stdout, "holding")
        asking.send_signal(signal.SIGINT)
        asking.communicate(timeout=PATIENCE_S)
    assert asking.returncode == EXIT_INTERRUPTED
    listed = laptop.house.api.ok("GET", f"/v1/sessions/{session_id}/events?include=mooring&order=desc")["data"]
    assert next(event["status"] for event in listed if event["type"] == "mooring.receipt") == "cancelled"
    assert laptop.house.api.ok("GET", f"/v1/sessions/{session_id}")["status"] == "idle"


def test_status_tells_what_runs_and_what_the_plane_sees(laptop: Laptop, person: Person) -> None:
    """Catches a status that is guessed from files, and a change in what scripts read."""
    done = moor(laptop.home, "status", "--json", env=laptop.house.ground.env)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert laptop.daemon is not None
    assert told["daemon"] == {"running": True, "pid": laptop.daemon.process.pid, "taken_over_at": None}
    assert (told["set_up"], told["runtime_id"]) == (True, laptop.runtime_id)
    assert (told["plane"]["reachable"], told["plane"]["runtime"]["status"]) == (True, "online")
    assert "echo" in [one["id"] for one in told["agents"]]

    bare = person.runs("status", "--json")
    assert bare.returncode == EXIT_NOT_SET_UP
    assert json.loads(bare.stdout)["set_up"] is False


def test_setup_again_and_setup_after_uninstall_give_the_same_runtime(own: Laptop) -> None:
    """Catches a laptop that becomes another runtime, whose agents and sessions would be nobody's."""
    env = own.house.ground.env
    assert enrol(own.house.api, own.home, env) == own.runtime_id

    own.start()
    with own.session() as session:
        assert session.ask("Hello.") == ["You said: Hello."]
        refused = moor(own.home, "uninstall", "--yes", "--json", env=env)
        assert refused.returncode == EXIT_FAILED
        assert json.loads(refused.stdout)["error"]["code"] == "daemon_running"
        assert own.folder(session.id).is_dir()
    assert own.stop() == 0

    done = moor(own.home, "uninstall", "--yes", "--keep-id", "--json", env=env)
    assert done.returncode == 0
    assert str(own.home / "credentials.json") in json.loads(done.stdout)["removed"]
    assert not (own.home / "sessions").exists()
    again = moor(own.home, "uninstall", "--yes", "--keep-id", "--json", env=env)
    assert (again.returncode, json.loads(again.stdout)["removed"]) == (0, [])
    assert moor(own.home, "daemon", env=env).returncode == EXIT_NOT_SET_UP

    assert enrol(own.house.api, own.home, env) == own.runtime_id
