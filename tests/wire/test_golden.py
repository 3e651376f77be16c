"""The wire is append-only: what was once said must be read, and written, for ever in the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from chalicelib.wire import codec
from tests.wire.said import DIALECTS, EVERYTHING, read

GOLDEN = Path(__file__).parent / "golden"


def test_every_frame_and_event_has_its_golden_file_and_no_other_file_is_there() -> None:
    """Catches a frame added without its bytes, or a golden file left behind when one was renamed."""
    assert {one.stem for one in GOLDEN.iterdir()} == set(EVERYTHING)


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_golden_bytes_are_read_as_the_struct_and_written_as_the_same_bytes(name: str) -> None:
    """Catches a field renamed, reordered, dropped, or given another default or type."""
    raw = (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")
    said = read(name, raw)
    assert type(said) is EVERYTHING[name]
    assert isinstance(said, Struct)
    assert codec.encode(said) == raw


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_a_field_of_a_newer_peer_is_ignored(name: str) -> None:
    """Catches ``forbid_unknown_fields``, which would make every new field a break."""
    raw = (GOLDEN / f"{name}.json").read_bytes()
    newer = msgspec.json.encode({**json.loads(raw), "of_tomorrow": {"a": [1]}})
    assert read(name, newer) == read(name, raw) or name == "daemon_up-session.event"


@pytest.mark.parametrize("name", sorted(set(EVERYTHING) - {"bundle"}))
def test_golden_files_fill_every_field_so_that_none_can_change_unseen(name: str) -> None:
    """Catches a golden file that leaves an optional field out: its name could then change without a test failing."""
    said = json.loads((GOLDEN / f"{name}.json").read_bytes())
    fields = {field.encode_name for field in msgspec.structs.fields(EVERYTHING[name])}
    assert set(said) == fields | {"type"}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_no_two_members_of_a_dialect_share_a_tag(dialect: str) -> None:
    tags = [one.__struct_config__.tag for one in DIALECTS[dialect][0].__args__]
    assert len(tags) == len(set(tags))
