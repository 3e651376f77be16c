"""An old daemon's home is the new daemon's home: its secrets, its settings, its journal, its sessions' folders."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from mooring.daemon.desk import Desk
from mooring.daemon.ports import Identity
from mooring.edge.config import read_config
from mooring.edge.creds import Paths, read_credentials, read_login, read_machine_id, write_credentials
from mooring.edge.folder import Folders
from mooring.edge.journal import Journal
from mooring.edge.journal_rows import Continuation, TurnRow
from mooring.wire import frames
from mooring.wire.bundle import Bundle
from mooring.wire.ids import RuntimeId, SessionId
from tests.daemon.daemon.laptop import ScriptedRunner
from tests.daemon.fake_plane import WAIT_S, FakePlane
from tests.daemon.machine import Line, bundles, spawn

from .frozen import HERE, LEAST, as_then, found, spelled_out
from .home import HALF_RUN, REFUSED, RESUMED

HOMES = [HERE / Path(path).parent for path in found("daemon/credentials.json")]
BUNDLES = [HERE / path for path in found("bundle/*.json") if not path.endswith(LEAST)]


@pytest.fixture(params=HOMES, ids=lambda folder: folder.parent.name)
def old(request: pytest.FixtureRequest, home: Paths) -> Paths:
    """A home as an old daemon left it."""
    shutil.copytree(request.param, home.home)
    return home


@pytest.fixture
def written(old: Paths) -> dict[str, list[dict[str, Any]]]:
    """What is in the journal, as SQLite itself tells it: the rows by table, in the order of their writing."""
    with closing(sqlite3.connect(journal_file(old))) as db:
        db.row_factory = sqlite3.Row
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {one: [dict(row) for row in db.execute(f"SELECT * FROM {one} ORDER BY rowid")] for one in tables}


@pytest.fixture
def journal(old: Paths, written: dict[str, list[dict[str, Any]]]) -> Iterator[Journal]:
    """The same journal, opened by the code of today."""
    count = itertools.count(1)
    with closing(Journal(str(journal_file(old)), lambda: f"{next(count):032x}")) as opened:
        yield opened


def journal_file(old: Paths) -> Path:
    return old.journal(read_credentials(old).runtime_id)


def test_old_secrets_and_settings_are_read(old: Paths) -> None:
    """Catches a field of a file that was renamed or became required: every laptop would have to be set up again."""
    for read, file in ((read_credentials(old), old.credentials), (read_login(old, {}), old.login)):
        then = json.loads(file.read_bytes())
        assert as_then(spelled_out(read), then) == then
    assert read_machine_id(old) == old.machine_id.read_text().strip()
    settings = tomllib.loads(old.config.read_text())
    assert as_then(spelled_out(read_config(old.config)), settings) == settings


def test_an_old_journal_knows_its_sessions_and_turns(
    journal: Journal, written: dict[str, list[dict[str, Any]]]
) -> None:
    """Catches a migration that forgets: a turn run twice, a session that comes back after it was removed."""
    assert journal.moved_aside is None
    assert [{"key": "outbox", "value": journal.outbox}] == written["meta"]
    for row in written["sessions"]:
        session_id = row["session_id"]
        kept = Continuation(row["agent_id"], row["continuation"]) if row["continuation"] else None
        assert journal.continuation(session_id) == kept
        assert journal.highest_order(session_id) == row["highest_order"]
        assert journal.is_buried(session_id) == (row["buried_at"] is not None)
        assert journal.highest_batch(session_id) == row["next_batch"] - 1
        assert journal.head(session_id) == (row["head_n"], row["head_hash"])
    for row in written["turns"]:
        assert journal.turn(row["session_id"], row["turn_id"]) == TurnRow(
            session_id=row["session_id"],
            turn_id=row["turn_id"],
            order=row["turn_order"],
            state=row["state"],
            stop=bool(row["stop"]),
            prompt=row["prompt"],
        )


def test_what_an_old_journal_holds_for_the_plane_is_sent_with_the_same_bytes(
    journal: Journal, written: dict[str, list[dict[str, Any]]]
) -> None:
    """Catches a batch made anew: the plane, which may have it already, would answer that its bytes are others."""
    sent: list[Any] = []
    runtime_id = RuntimeId("rt_1")
    identity = Identity(runtime_id=runtime_id, instance="later")
    desk = Desk(journal, ScriptedRunner(), sent.append, identity, dice=lambda: "0" * 32, clock=lambda: 2e9)
    desk.connected()
    desk.frame(frames.Welcome(runtime_id=runtime_id, epoch=9))
    in_flight = {row["session_id"]: (row["batch"], row["events"]) for row in written["batches"]}
    numbers = {row["session_id"]: row["next_batch"] for row in written["sessions"]}
    events: dict[str, list[bytes]] = {}
    for row in written["pending"]:
        events.setdefault(row["session_id"], []).append(row["event"])
    waiting = {session: (numbers[session], b"[" + b",".join(each) + b"]") for session, each in events.items()}
    assert batches(sent) == waiting | in_flight
    assert {one.live_from for one in sent if isinstance(one, frames.SessionEvent)} >= {
        row["live_from"] for row in written["batches"]
    }
    sent.clear()
    for session_id, (number, _) in in_flight.items():
        desk.frame(frames.SessionAck(session_id=SessionId(session_id), outbox=journal.outbox, batch=number, head_n=99))
    assert batches(sent) == {session: waiting[session] for session in in_flight}


def batches(sent: list[Any]) -> dict[str, tuple[int, bytes]]:
    """Number and bytes of the batch among what was sent, by session."""
    return {one.session_id: (one.batch, bytes(one.events)) for one in sent if isinstance(one, frames.SessionEvent)}


def test_a_daemon_starts_in_an_old_home_and_goes_on_with_what_is_there(
    plane: FakePlane, old: Paths, written: dict[str, list[dict[str, Any]]]
) -> None:
    """Catches a home that no daemon starts in any more, and a conversation that its agent no longer finds."""
    write_credentials(old, replace(read_credentials(old), server_url=plane.url, ws_url=plane.ws_url))
    bundles(plane)
    with spawn(old, "daemon") as daemon:
        try:
            line = Line(plane.socket())
            hello = line.welcome()
            assert hello["runtime_id"] == read_credentials(old).runtime_id
            assert hello["outbox"] == written["meta"][0]["value"]
            [in_flight] = [row for row in written["batches"] if row["session_id"] == HALF_RUN]
            batch = line.take_batch(HALF_RUN)
            assert (batch["batch"], batch["events"]) == (in_flight["batch"], json.loads(in_flight["events"]))
            assert line.event("mooring.turn_ended", HALF_RUN)["outcome"] == "unknown"
            assert line.event("mooring.turn_ended", REFUSED)["outcome"] == "cancelled"
            assert line.said(RESUMED) == "Remember me."
            assert line.event("mooring.turn_ended", RESUMED)["outcome"] == "completed"
        finally:
            daemon.terminate()
        daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_an_old_planes_bundle_makes_a_folder(home: Paths, path: Path) -> None:
    """Catches a bundle that the laptop can no longer read: a plane is not upgraded together with its laptops."""
    folder = Folders(home).make(SessionId("sesn_1"), "echo", msgspec.json.decode(path.read_bytes(), type=Bundle))
    for file in json.loads(path.read_bytes())["files"]:
        assert (folder / file["path"]).read_text() == file["content"]
