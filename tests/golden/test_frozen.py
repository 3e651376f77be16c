"""The golden files themselves: everything has one, none was edited, and making new ones touches none of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from msgspec import defstruct
from msgspec.structs import fields
from pynamodb.attributes import UnicodeAttribute

from chalicelib.core.runtime_room import RoomState
from chalicelib.stores import table
from chalicelib.stores.table import Records
from chalicelib.wire.frames import Pong
from mooring.edge import journal_file
from tests.wire.said import EVERYTHING

from . import grammar, kinds, make
from .frozen import HERE, SUMS, files, found, versions
from .grammar import Kind
from .kinds import frozen, wanted

HOW = """Freeze it in the next version's folder. A frame or an event is written there by hand, with every field. A row
or a record is written by tests/golden/history.py and read by tests/golden/rows.py, a table of the journal is filled by
tests/golden/home.py. Then: python -m tests.golden.make v3"""


def pinned(folder: Path) -> dict[str, str]:
    """The hashes that a version's list gives."""
    listed = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in listed)}


def digests(folder: Path) -> dict[str, str]:
    """The hashes of what is there."""
    return {name: hashlib.sha256(body).hexdigest() for name, body in files(folder).items()}


@pytest.mark.parametrize("folder", versions(), ids=lambda folder: folder.name)
def test_no_frozen_file_was_edited_added_or_taken_away(folder: Path) -> None:
    """Catches a golden file that was made to fit the code, where the code must fit the golden file."""
    assert digests(folder) == pinned(folder)


def test_everything_that_is_said_or_written_down_has_a_golden_file() -> None:
    """Catches what was added and could be changed unseen: a frame, an event, a row, a table of the journal, a field."""
    assert wanted() - frozen(versions()) == set(), HOW


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_every_field_that_is_said_has_a_golden_file(name: str) -> None:
    """Catches a field added to a frame, an event or the bundle that could be renamed unseen."""
    said = [set(json.loads((HERE / path).read_bytes())) for path in found(f"*/{name}.json")]
    assert {one.encode_name for one in fields(EVERYTHING[name])} - set().union(*said) == set(), HOW


def test_a_kind_without_a_golden_file_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list of kinds that does not follow the code: each of these additions must be asked for."""
    before = wanted()
    monkeypatch.setitem(EVERYTHING, "daemon_up-of.tomorrow", Pong)
    grown = {**grammar.kinds(), "records/vault": Kind("records", "<tenant>", "vault#<vault>")}
    monkeypatch.setattr(grammar, "kinds", lambda: grown)
    monkeypatch.setitem(Records.get_attributes(), "mood", UnicodeAttribute(attr_name="mood"))
    moody = defstruct("Moody", [("mood", str, "good")], bases=(RoomState,), frozen=True, kw_only=True)
    monkeypatch.setitem(kinds._STATES, "room", moody)
    schema = f"{journal_file._SCHEMA} CREATE TABLE notes (id TEXT) STRICT;"
    monkeypatch.setattr(journal_file, "_SCHEMA", schema)
    assert wanted() - before == {
        "frames/daemon_up-of.tomorrow.json",
        "frames/daemon_up-of.tomorrow.least.json",
        "rows/records/vault.jsonl",
        "rows/records:mood",
        "records/room:mood",
        "daemon/journal:notes",
    }


def test_the_kinds_of_rows_are_those_of_the_key_grammar() -> None:
    """Catches a grammar read wrongly: a line that goes on, a second pattern, two kinds that would have one name."""
    text = (table.__doc__ or "").replace(
        "``agent#<agent>``         ", "``agent#<agent>``,        \n" + " " * 45 + "``agent#<agent>#<version>``"
    )
    added = set(grammar.kinds(text).items()) - set(grammar.kinds().items())
    assert added == {("records/agent-version", Kind("records", "<tenant>", "agent#<agent>#<version>"))}
    assert {"objects/room", "bodies/part", "records/runtime", "secrets/token", "codes/hash"} <= set(grammar.kinds())


def test_making_fills_a_new_version_and_touches_nothing_in_it_again(tmp_path: Path) -> None:
    """Catches a generator that writes over what is frozen, and a history that no longer writes everything down."""
    made = make.written_by_the_code()
    folder = tmp_path / "v9"
    assert make.freeze(folder, made) == []
    missing = wanted() - frozen([folder])
    assert {name.partition("/")[0] for name in missing} == {"frames", "events", "bundle"}
    assert digests(folder) == pinned(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make.freeze(folder, {"rows/new.jsonl": b"", **made}) == list(made)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps


def test_what_is_said_at_least_is_made_of_what_was_written_by_hand_with_every_field(tmp_path: Path) -> None:
    """Catches a golden file that leaves an optional field out: its name could then change without a test failing."""
    (tmp_path / "events").mkdir()
    by_hand = tmp_path / "events" / "event-mooring.note.json"
    said = {"type": "mooring.note", "id": "sevt_1", "turn_id": "turn_1", "kind": "k", "text": "t"}
    by_hand.write_text(json.dumps(said))
    [(name, body)] = make.said_at_least(tmp_path)
    assert name == "events/event-mooring.note.least.json"
    least = {key: value for key, value in said.items() if key != "text"}
    assert json.loads(body) == {"said": least, "read": {**least, "text": ""}}
    by_hand.write_text(json.dumps(least))
    with pytest.raises(AssertionError, match="leaves {'text'} out"):
        list(make.said_at_least(tmp_path))


@pytest.mark.parametrize("folder", versions(), ids=lambda folder: folder.name)
def test_each_version_holds_what_it_says(folder: Path) -> None:
    """Catches a pattern that finds no file, and with it tests over golden files that test nothing."""
    for pattern in ("events/*.json", "bundle/*.json", "daemon/*", "records/**/*.json", "rows/*/*.jsonl"):
        assert any(path.startswith(f"{folder.name}/") for path in found(pattern)), pattern
