"""The plane dies, at the worst moments: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ground import Ground, House, Laptop, Session, assert_completed
from .waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.xdist_group("journeys of crashes and strangers")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mortal(ground: Ground) -> Iterator[Laptop]:
    """A laptop of a plane that keeps its tables over its own death."""
    house = House(ground, "mortal", "--data", str(ground.folder / "mortal-tables"))
    yield house.laptop("laptop").start()
    house.stop()


def run(house: House, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a module of ours as a second process of the plane."""
    env = house.plane_env
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S
    )


def kill_and_restart(session: Session, while_dead: str = "") -> None:
    """Kills the gateway, has the agent end if wanted, starts the gateway again and resumes the session's reader."""
    house, before = session.house, session.reader
    house.kill_plane()
    before.until_over()
    if while_dead:
        log = house.folder / "laptop" / "daemon.log"
        (house.folder / "laptop" / "sessions" / session.id / "release").touch()
        ends = (f"session={session.id}", while_dead)
        eventually(
            "the daemon goes on alone",
            lambda: any(all(word in line for word in ends) for line in log.read_text().splitlines()),
        )
    house.restart_plane()
    session.reader = session.follow(last_event_id=before.cursor)


def assert_whole(session: Session) -> None:
    """The log is intact, and as it was written."""
    verified = run(session.house, "infra.admin", "verify", session.id)
    assert (verified.returncode, verified.stderr) == (0, ""), verified.stdout
    assert "intact" in verified.stdout


def test_a_plane_killed_between_commit_and_send_loses_nothing_and_runs_the_turn_once(mortal: Laptop) -> None:
    """Catches an accepted message whose prompt was never sent, and one that is run again when it is sent again."""
    with mortal.session() as session:
        house = mortal.house
        assert session.ask("/count") == ["This session has seen 1 prompts."]
        known = {event["id"] for event in session.pages()}
        died = run(house, "tests.journeys.dying_plane", house.tenant_id, session.id, "/count")
        assert died.returncode == -signal.SIGKILL, died.stderr
        (message,) = [e for e in session.pages() if e["type"] == "user.message" and e["id"] not in known]
        kill_and_restart(session)
        session.reader.until_settled(message["id"])
        # From the log: its beginning may have been told before the plane was killed, or not at all.
        assert_completed([e["status"] for e in session.pages() if message["id"] in e.get("event_ids", ())])
        assert session.ask("/count") == ["This session has seen 3 prompts."], "it ran once, and before this one"
        assert_whole(session)


def test_a_plane_killed_in_mid_turn_gets_the_rest_when_it_is_back_and_viewers_go_on_where_they_were(
    mortal: Laptop,
) -> None:
    """Catches a daemon that stops with its plane, an event lost or doubled by the cut, and a log that is torn."""
    with mortal.session() as session:
        message_id = session.say("/hold")
        session.until_speaking("holding")
        before = session.reader
        kill_and_restart(session, while_dead="ended: completed")
        session.reader.until_settled(message_id)
        session.reader.until(lambda event: event["type"] == "session.status_idle", "idle again")
        assert [event for _, event in before.whole + session.reader.whole] == session.pages()
        assert session.said() == ["holding"]
        viewer = session.view(after=before.cursor)
        viewer.until_at(viewer.attached["head"])
        assert viewer.whole == session.reader.whole
        assert_whole(session)
