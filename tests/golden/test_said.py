"""The wire is append-only: what was once said is read, and said again, for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from chalicelib.wire import codec
from tests.wire.said import DIALECTS, EVERYTHING, read

from .frozen import HERE, LEAST, as_then, found, spelled_out

SAID = [path for folder in ("frames", "events", "bundle") for path in found(f"{folder}/*.json")]
WHOLE = [path for path in SAID if not path.endswith(LEAST)]
AT_LEAST = [path for path in SAID if path.endswith(LEAST)]


def name_of(path: str) -> str:
    """What it is that a golden file says."""
    name = Path(path).name.removesuffix(LEAST).removesuffix(".json")
    return "bundle" if "/bundle/" in path else name


def content(path: str) -> Any:
    return json.loads((HERE / path).read_bytes())


@pytest.mark.parametrize("path", WHOLE)
def test_what_was_said_is_read_as_what_it_is_and_said_again_with_all_of_it(path: str) -> None:
    """Catches a field renamed, dropped, made stricter or given another type, and a type taken out of its dialect."""
    said = read(name_of(path), (HERE / path).read_bytes())
    assert type(said) is EVERYTHING[name_of(path)]
    assert isinstance(said, Struct)
    assert as_then(json.loads(codec.encode(said)), content(path)) == content(path)


@pytest.mark.parametrize("path", AT_LEAST)
def test_what_was_not_said_means_what_it_meant(path: str) -> None:
    """Catches a field that an older peer does not send and that is required now, and a default that was changed.

    An event leaves out what is as the default says: with another default, old events would tell something else.
    """
    pair = content(path)
    read_now = spelled_out(read(name_of(path), json.dumps(pair["said"]).encode()))
    assert as_then(read_now, pair["read"]) == pair["read"]


@pytest.mark.parametrize("path", WHOLE)
def test_a_field_of_a_newer_peer_is_ignored(path: str) -> None:
    """Catches ``forbid_unknown_fields``, which would make every new field a break."""
    newer = msgspec.json.encode({**content(path), "of_tomorrow": {"a": [1]}})
    assert spelled_out(read(name_of(path), newer)) == spelled_out(read(name_of(path), (HERE / path).read_bytes()))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_no_two_members_of_a_dialect_share_a_tag(dialect: str) -> None:
    tags = [one.__struct_config__.tag for one in DIALECTS[dialect][0].__args__]
    assert len(tags) == len(set(tags))
