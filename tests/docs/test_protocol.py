"""`docs/protocol.md` says what the code does: every frame, field, event and limit, and examples that can be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT, Struct

from chalicelib.actors import frames as frames_actor
from chalicelib.actors import viewers as viewers_actor
from chalicelib.core import errors
from chalicelib.wire import codec, events, frames, limits
from mooring.core.transcript import SPILL_BYTES
from mooring.daemon.outbox import RESEND_S
from tests.docs.pages import ROOT, blocks, codes, page, rows, section, subsections

PROTOCOL = page("protocol.md")

DIALECTS: dict[str, tuple[Any, Callable[[bytes], object]]] = {
    "Daemon to plane": (frames.DaemonUp, codec.decode_daemon_up),
    "Plane to daemon": (frames.DaemonDown, codec.decode_daemon_down),
    "Viewer to plane": (frames.ViewerUp, codec.decode_viewer_up),
    "Plane to viewer": (frames.ViewerDown, codec.decode_viewer_down),
}

FRAMES = {
    f"{dialect}: {said.__struct_config__.tag}": (dialect, said)
    for dialect, (union, _) in DIALECTS.items()
    for said in union.__args__
}


def tags(union: Any) -> set[str]:
    return {str(one.__struct_config__.tag) for one in union.__args__}


def described(name: str) -> tuple[str, type[Struct]]:
    dialect, said = FRAMES[name]
    return subsections(section(PROTOCOL, dialect))[str(said.__struct_config__.tag)], said


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_every_frame_of_a_dialect_is_described_and_no_other(dialect: str) -> None:
    assert set(subsections(section(PROTOCOL, dialect))) == tags(DIALECTS[dialect][0])


@pytest.mark.parametrize("name", list(FRAMES))
def test_every_field_of_a_frame_is_described_with_its_default(name: str) -> None:
    text, said = described(name)
    told = {field: how for field, how, *_ in rows(text)}
    assert list(told) == [field.encode_name for field in msgspec.structs.fields(said)]
    for field in msgspec.structs.fields(said):
        default = field.default if field.default is not NODEFAULT else None
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        if field.required:
            assert told[field.encode_name] == "required"
        else:
            assert told[field.encode_name] == f"default {msgspec.json.encode(default).decode()}"


@pytest.mark.parametrize("name", list(FRAMES))
def test_every_example_is_read_as_its_frame_and_says_nothing_else(name: str) -> None:
    text, said = described(name)
    examples = blocks(text, "json")
    assert examples
    for example in examples:
        found = DIALECTS[FRAMES[name][0]][1](example.encode())
        assert type(found) is said
        assert set(msgspec.json.decode(example)) <= {field.encode_name for field in msgspec.structs.fields(said)} | {
            "type"
        }
        if isinstance(found, frames.SessionEvent):
            assert not isinstance(codec.decode_batch(bytes(found.events)), codec.BadFrame)


def test_there_is_no_example_that_nobody_reads() -> None:
    assert len(blocks(PROTOCOL, "json")) == sum(len(blocks(described(name)[0], "json")) for name in FRAMES)


def test_every_limit_is_told_with_its_value() -> None:
    told = {name: float(value) for name, value, *_ in rows(section(PROTOCOL, "Limits", 3))}
    assert told == {name: float(value) for name, value in vars(limits).items() if name.isupper()}


def test_every_event_is_described_with_its_fields() -> None:
    told = {kind: codes(fields) for kind, fields, *_ in rows(section(PROTOCOL, "Events"))}
    kinds: dict[str, Any] = {str(one.__struct_config__.tag): one for one in events.Event.__args__}
    assert set(told) == set(kinds)
    for kind, fields in told.items():
        assert fields == [one.encode_name for one in msgspec.structs.fields(kinds[kind]) if one.name != "id"], kind


def test_what_a_daemon_writes_is_told_apart_from_what_the_plane_writes() -> None:
    daemons = section(PROTOCOL, "Events").partition("Types that the plane writes")[0]
    assert {kind for kind, *_ in rows(daemons)} == tags(events.DaemonEvent) - {"mooring.opaque"}


def test_every_error_code_is_one_that_the_plane_says() -> None:
    told = {code for code, *_ in rows(section(PROTOCOL, "Error codes"))}
    source = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    assert {code for code in told if f'"{code}"' not in source} == set()
    refused = (ROOT / "chalicelib" / "actors" / "frames.py").read_text()
    assert set(re.findall(r'_refuse\(\s*connection_id,\s*"([a-z_]+)"', refused)) <= told
    raised = (ROOT / "chalicelib" / "actors" / "viewers.py").read_text()
    raised += (ROOT / "chalicelib" / "actors" / "loop.py").read_text()
    kinds = "|".join(name for name, one in vars(errors).items() if isinstance(one, type) and name != "Unprocessable")
    assert set(re.findall(rf'raise (?:{kinds})\(\s*"([a-z_]+)"', raised)) <= told


def test_numbers_in_the_text_are_those_of_the_code() -> None:
    assert f"One attach sends at most {viewers_actor.CATCH_UP_RECORDS} records" in PROTOCOL
    assert f"for {frames_actor.LIVE_TTL_S / 3600:.0f} hours" in PROTOCOL
    assert f"without an answer for {RESEND_S:.0f} s" in PROTOCOL
    assert f"uploads events over {SPILL_BYTES // 1024} KB" in PROTOCOL
