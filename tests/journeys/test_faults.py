"""What befalls a laptop in a month: it freezes, its disk fills, a file rots, its network crawls, its token is revoked.

Killed processes, cut and half-open connections, frames that are lost or doubled, rotation and takeover have journeys of
their own. In all of them nothing that was acknowledged is lost, nothing runs twice, and the receipts tell the truth.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stage import enrol

from .ground import Ground, House, Laptop, Session, assert_completed
from .hostile_network import HostileNetwork, Profile
from .waiting import PATIENCE_S, eventually
from .watching import of_type

pytestmark = pytest.mark.xdist_group("journeys of faults")

FROZEN_S = 30
LATENCY = Profile(latency_ms=5000)
QUEUED = 500
EXIT_REFUSED = 5
DISK_MB = 6


@pytest.fixture(scope="module")
def exposed(ground: Ground) -> Iterator[House]:
    """A plane of these journeys' own: one of them kills it."""
    made = House(ground, "exposed", "--data", str(ground.folder / "exposed-tables"))
    yield made
    made.stop()


@pytest.fixture
def laptop(exposed: House, request: pytest.FixtureRequest) -> Iterator[Laptop]:
    """A laptop of the test's own; its daemon is not started."""
    made = exposed.laptop(request.node.name[:60])
    yield made
    made.stop()


def log_of(laptop: Laptop) -> str:
    return (laptop.home / "daemon.log").read_text()


def assert_once_and_in_order(session: Session) -> None:
    """The log holds every event once, and the live reader had it as it is."""
    listed = session.pages()
    assert len({event["id"] for event in listed}) == len(listed)
    assert [event for event in session.reader.events if event["processed_at"] is not None] == listed


def test_a_daemon_that_is_frozen_for_half_a_minute_goes_on_where_it_was(exposed: House, laptop: Laptop) -> None:
    """Catches a turn given up too early, one run twice after the thaw, and a message that never expires meanwhile."""
    daemon = laptop.start().daemon
    assert daemon is not None
    with laptop.session() as session:
        held = session.say("/hold")
        session.until_speaking("holding")
        daemon.process.send_signal(signal.SIGSTOP)
        # The half minute is the plane's own: this one waits behind the held turn for as long, and no longer.
        brief = session.say("/count", expires_in=FROZEN_S)
        kept = session.say("/count")
        board = session.reader.board
        board.wait("the brief one expires", lambda: "expired" in session.receipts(brief), 3 * PATIENCE_S)
        assert session.receipts(held)[-1] in ("sent", "on_machine", "started")
        daemon.process.send_signal(signal.SIGCONT)
        (laptop.folder(session.id) / "release").touch()
        session.reader.until_settled(held)
        session.reader.until_settled(kept)
        assert_completed(session.receipts(kept))
        assert session.said() == ["holding", "This session has seen 2 prompts."]
        session.reader.until(of_type("session.status_idle"), "idle again")
        assert_once_and_in_order(session)


def test_a_network_of_five_seconds_each_way_is_slow_and_no_more(exposed: House, laptop: Laptop) -> None:
    """Catches a deadline shorter than a bad satellite link, after which daemon or plane begin again for ever."""
    with HostileNetwork(exposed.ws_url, seed=3) as network:
        network.stand_before(laptop)
        laptop.start()
        network.profile = LATENCY
        with laptop.session() as session:
            message_id = session.say('Hello.\n/tool read {"path": "a"}\nGood bye.')
            ended = session.reader.board
            ended.wait("the slow turn ends", lambda: session.receipts(message_id)[-1:] == ["completed"], 3 * PATIENCE_S)
            assert session.said() == ["You said: Hello.", "You said: Good bye."]
            assert network.befallen["cut"] == 0
            network.calm()
            assert session.ask("/count") == ["This session has seen 2 prompts."]


def test_a_journal_that_rotted_is_put_aside_and_the_laptop_goes_on(exposed: House, laptop: Laptop) -> None:
    """Catches a daemon that does not start any more, one that runs a turn again, and a message that never ends."""
    laptop.start()
    with laptop.session() as session:
        assert session.ask("/count") == ["This session has seen 1 prompts."]
        cut = session.say("/hold")
        session.until_speaking("holding")
        laptop.kill()
        (journal,) = laptop.home.glob("journal-*.sqlite")
        for beside in laptop.home.glob("journal-*.sqlite-*"):
            beside.unlink()
        with journal.open("r+b") as file:
            file.write(b"\xff" * 4096)
        laptop.start()
        session.reader.until_settled(cut, "unknown")
        # Which conversation of the agent's was this session's stood in the journal, too.
        assert session.ask("/count") == ["This session has seen 1 prompts."]
        notes = [event["kind"] for event in session.reader.events if event["type"] == "mooring.note"]
        assert notes == ["context_lost"]
        assert len(list(laptop.home.glob("journal-*.sqlite*"))) > 1, "the rotten one is kept for whoever wants to look"
        assert "moved to" in log_of(laptop)
        session.reader.until(of_type("session.status_idle"), "idle again", 3)
        assert_once_and_in_order(session)


@contextlib.contextmanager
def small_disk(home: Path) -> Iterator[None]:
    """A laptop's home on a disk of its own that is soon full.

    The agents' folders and the log are elsewhere: what an agent makes of a full disk is its own affair.
    """
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small disk.")
    aside = home.with_name(f"{home.name} aside")
    home.rename(aside)
    home.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "none", home], capture_output=True, check=False
    )
    if mounted.returncode:
        home.rmdir()
        aside.rename(home)
        pytest.skip("Nothing can be mounted here.")
    try:
        for path in aside.iterdir():
            shutil.copy2(path, home)
        for name in ("sessions", "logs"):
            (aside / name).mkdir()
            (home / name).symlink_to(aside / name)
        (home / "daemon.log").symlink_to(aside / "daemon.log")
        yield
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


def test_a_disk_that_is_full_loses_nothing_that_was_acknowledged(exposed: House, laptop: Laptop) -> None:
    """Catches an event that is acknowledged to nobody's journal, and a daemon that never recovers from a full disk."""
    (laptop.home / "config.toml").write_text("min_free_mb = 0\n")
    with small_disk(laptop.home):
        laptop.start()
        with laptop.session() as session:
            assert session.ask("Hello.") == ["You said: Hello."]
            held = session.say("/hold\nGood bye.")
            session.until_speaking("holding")
            ballast = laptop.home / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
            (laptop.folder(session.id) / "release").symlink_to("/dev/null")
            eventually("the daemon says that its disk is full", lambda: "disk_full" in log_of(laptop))
            assert session.receipts(held)[-1] in ("sent", "on_machine", "started")
            ballast.unlink()
            session.reader.until_settled(held)
            assert session.said()[-1].endswith("Good bye.")
            assert session.ask("/count") == ["This session has seen 3 prompts."]
            assert_once_and_in_order(session)
        assert laptop.stop() == 0


def test_a_token_revoked_in_mid_turn_ends_the_daemon_at_once_and_for_good(exposed: House, laptop: Laptop) -> None:
    """Catches a socket that outlives its token, a daemon that dials on and on, and a turn that hangs after it."""
    daemon = laptop.start().daemon
    assert daemon is not None
    with laptop.session() as session:
        held = session.say("/hold")
        session.until_speaking("holding")
        path = f"/v1/runtimes/{laptop.runtime_id}/tokens"
        (token,) = exposed.api.ok("GET", path)["tokens"]
        dialed = log_of(laptop).count(" dialing")
        exposed.api.ok("DELETE", f"{path}/{token['id']}")
        assert daemon.process.wait(PATIENCE_S) == EXIT_REFUSED
        log = log_of(laptop)
        said = [line for line in log.splitlines() if "moor setup" in line]
        assert len(said) == 2, "the remedy is said once in the log, and once to whoever started the daemon"
        assert log.count(" dialing") - dialed == 1, "it asks once whether the token is refused"
        laptop.daemon = None
        assert laptop.status == "offline"

        assert enrol(exposed.api, laptop.home, exposed.ground.env) == laptop.runtime_id
        laptop.start()
        board = session.reader.board
        board.wait("the held turn ends", lambda: session.receipts(held)[-1] in ("unknown", "cancelled", "failed"))
        assert session.ask("Hello.") == ["You said: Hello."]
        session.reader.until(of_type("session.status_idle"), "idle again", 2)
        assert_once_and_in_order(session)


def test_five_hundred_events_wait_for_a_plane_that_is_away(exposed: House, laptop: Laptop) -> None:
    """Catches an outbox that drops, doubles or reorders what gathered while nobody listened."""
    laptop.start()
    with laptop.session() as session:
        calls = "\n".join(f'/tool probe {{"n": {number}}}' for number in range(QUEUED // 2))
        message_id = session.say(f"/hold\n{calls}")
        session.until_speaking("holding")
        before = session.reader
        exposed.kill_plane()
        before.until_over()
        (laptop.folder(session.id) / "release").touch()
        eventually(
            "the turn ends here", lambda: f"session={session.id}" in (log := log_of(laptop)) and " ended: " in log
        )
        exposed.restart_plane()
        session.reader = session.follow(last_event_id=before.cursor)
        session.reader.until_settled(message_id)
        session.reader.until(of_type("session.status_idle"), "idle again")
        events = session.pages()
        uses = [event for event in events if event["type"] == "agent.tool_use"]
        results = [event for event in events if event["type"] == "agent.tool_result"]
        assert [event["input"]["n"] for event in uses] == list(range(QUEUED // 2))
        assert [event["tool_use_id"] for event in results] == [event["id"] for event in uses]
        assert len({event["id"] for event in events}) == len(events)
        assert session.ask("/count") == ["This session has seen 2 prompts."]
