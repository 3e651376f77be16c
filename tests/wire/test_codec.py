"""The codec is total: whatever bytes a stranger sends, the answer is a frame, ``UnknownFrame`` or ``BadFrame``."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.wire import codec, frames
from chalicelib.wire import events as ev
from chalicelib.wire.codec import BadFrame, UnknownFrame
from chalicelib.wire.ids import EventId, RuntimeId, SessionId, TurnId
from chalicelib.wire.limits import MAX_NESTING
from tests.wire.said import DIALECTS, members

DECODERS: list[Callable[[Any], object]] = [
    codec.decode_daemon_up,
    codec.decode_daemon_down,
    codec.decode_viewer_up,
    codec.decode_viewer_down,
]
ACCEPTED = frames.SessionAccepted(
    runtime_id=RuntimeId("rt_1"), session_id=SessionId("sesn_1"), turn_id=TurnId("turn_1")
)
MESSAGE = b'{"type":"agent.message","id":"sevt_1","turn_id":"turn_1","content":[{"type":"text","text":"Hi"}]}'


def nested(depth: int, inside: bytes = b"") -> bytes:
    return b"[" * depth + inside + b"]" * depth


def accepted(**changes: object) -> bytes:
    said = {"type": "session.accepted", "runtime_id": "rt_1", "session_id": "sesn_1", "turn_id": "turn_1", **changes}
    return json.dumps({name: value for name, value in said.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("raw", "code", "kind", "field"),
    [
        (b"", "not_json", "", ""),
        (b"hello", "not_json", "", ""),
        (b'{"type":"ping"', "not_json", "", ""),
        (b'{"type":"ping",}', "not_json", "", ""),
        (b"\xef\xbb\xbf{}", "not_json", "", ""),
        (b"[]", "bad_frame", "", ""),
        (b"null", "bad_frame", "", ""),
        (b"7", "bad_frame", "", ""),
        (b"{}", "bad_frame", "", "type"),
        (b'{"Type":"ping"}', "bad_frame", "", "type"),
        (b'{"type":7}', "bad_frame", "", "type"),
        (b'{"type":null}', "bad_frame", "", "type"),
        (accepted(turn_id=...), "bad_frame", "session.accepted", "turn_id"),
        (accepted(turn_id=7), "bad_frame", "session.accepted", "turn_id"),
        (accepted(turn_id=None), "bad_frame", "session.accepted", "turn_id"),
        (b'{"type":"ping","runtime_id":"rt_1","active":["turn_1",2]}', "bad_frame", "ping", "active[1]"),
        (
            b'{"type":"hello","runtime_id":"r","instance":"i","outbox":"o","agents":[{}]}',
            "bad_frame",
            "hello",
            "agents[0]",
        ),
        (
            b'{"type":"hello","runtime_id":"","instance":"","outbox":"' + b"o" * 65 + b'"}',
            "bad_frame",
            "hello",
            "outbox",
        ),
        (nested(100_000), "bad_frame", "", ""),
        (b'{"type":' + nested(100_000) + b"}", "not_json", "", ""),
        (b'{"type":"ping","runtime_id":"\\ud800"}', "not_json", "", ""),
        (b'{"type":"ping","runtime_id":"\xff"}', "not_json", "ping", ""),
        (b'{"type":"p\xffng","runtime_id":"rt_1"}', "not_json", "", ""),
        (b'{"type":"ping","runtime_id":"a\x00b"}', "not_json", "", ""),
        (b"\x00", "not_json", "", ""),
        ('{"type":"ping","runtime_id":"\ud800"}', "not_json", "", ""),
    ],
)
def test_what_is_no_frame_is_named_with_its_code_type_and_field(
    raw: bytes | str, code: str, kind: str, field: str
) -> None:
    """Catches a decoder that raises, or blames the wrong field."""
    bad = codec.decode_daemon_up(raw)
    assert isinstance(bad, BadFrame)
    assert (bad.code, bad.type, bad.field) == (code, kind, field)
    assert bad.why


def test_of_a_field_said_twice_the_last_one_counts() -> None:
    assert codec.decode_daemon_up(accepted().replace(b"{", b'{"turn_id":"turn_0",')) == ACCEPTED


def test_a_frame_that_says_two_types_is_none() -> None:
    """Catches a frame that is checked as one type and used as another."""
    bad = codec.decode_daemon_up(accepted().replace(b"{", b'{"type":"session.disposed",'))
    assert isinstance(bad, BadFrame)
    assert bad.field == "type"


def test_an_escaped_nul_in_a_text_is_a_character_like_any_other() -> None:
    found = codec.decode_daemon_up(accepted(turn_id="a\x00b"))
    assert isinstance(found, frames.SessionAccepted)
    assert found.turn_id == "a\x00b"


@pytest.mark.parametrize("decode", DECODERS)
def test_a_frame_of_a_newer_peer_is_unknown_and_not_bad(decode: Callable[[bytes], object]) -> None:
    assert decode(b'{"type":"session.dream","runtime_id":7}') == UnknownFrame("session.dream")


def test_a_frame_of_another_dialect_is_unknown() -> None:
    """Catches one decoder for all: a viewer must not speak as a daemon."""
    assert codec.decode_viewer_up(accepted()) == UnknownFrame("session.accepted")
    assert codec.decode_daemon_up(b'{"type":"attach","session_id":"sesn_1"}') == UnknownFrame("attach")


@pytest.mark.parametrize(
    ("raw", "speaks"),
    [
        (accepted(), True),
        (b'{"runtime_id":null}', True),
        (b'{"type":"attach","session_id":"sesn_1"}', False),
        (b'["runtime_id"]', False),
        (b"nonsense", False),
        (b"\xff", False),
        ('{"runtime_id":"\ud800"}', False),
        (b'{"runtime_id":' + nested(100_000) + b"}", False),
    ],
)
def test_only_who_names_a_runtime_speaks_the_daemons_dialect(raw: bytes | str, speaks: bool) -> None:
    assert codec.speaks_for_runtime(raw) is speaks


def test_text_and_bytes_are_read_alike() -> None:
    assert codec.decode_daemon_up(codec.encode(ACCEPTED).decode()) == codec.decode_daemon_up(codec.encode(ACCEPTED))


def test_digest_is_sha256_in_lower_case_hex() -> None:
    assert codec.digest(b"abc") == sha256(b"abc").hexdigest()


# ---- batches


def test_a_batch_is_read_as_its_events() -> None:
    found = codec.decode_batch(b"[" + MESSAGE + b"]")
    assert found == (ev.AgentMessage(id=EventId("sevt_1"), turn_id=TurnId("turn_1"), content=(ev.TextBlock("Hi"),)),)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "events"),
        (b"{}", "events"),
        (b"[]", "events"),
        (b"[" + MESSAGE, "events"),
        (nested(100_000), "events"),
        (b"[7]", "events[0]"),
        (b"[" + MESSAGE + b",{}]", "events[1].type"),
        (b'[{"type":"agent.message"}]', "events[0].id"),
        (b'[{"type":7,"id":"sevt_1"}]', "events[0]"),
        (b'[{"type":"agent.message","id":7}]', "events[0]"),
        (b'[{"type":"agent.image","id":""}]', "events[0].id"),
        (b'[{"type":"agent.image","id":"' + b"i" * 65 + b'"}]', "events[0].id"),
        (b'[{"type":"agent.message","id":"sevt_1","content":[]}]', "events[0].turn_id"),
        (MESSAGE.replace(b'"Hi"', b"7").join([b"[", b"]"]), "events[0].content[0].text"),
        (MESSAGE.replace(b"Hi", b"\xff").join([b"[", b"]"]), "events[0]"),
        (b'[{"type":"user.message","id":"sevt_1","content":[]}]', "events[0].type"),
        (b'[{"type":"session.status_idle","id":"sevt_1"}]', "events[0].type"),
        (b'[{"type":"session.of_tomorrow","id":"sevt_1"}]', "events[0].type"),
        (b'[{"type":"mooring.receipt","id":"sevt_1"}]', "events[0].type"),
        (b'[{"type":"mooring.message_placed","id":"sevt_1","accepted_n":1}]', "events[0].type"),
    ],
)
def test_what_a_daemon_may_not_write_is_refused_with_its_place(raw: bytes, field: str) -> None:
    """Catches a daemon that writes what is the plane's to write, such as a user's message or a receipt."""
    bad = codec.decode_batch(raw)
    assert isinstance(bad, BadFrame)
    assert (bad.code, bad.type, bad.field) == ("bad_frame", "session.event", field)


@pytest.mark.parametrize("kind", ["agent.image", "mooring.of_tomorrow"])
def test_an_event_of_a_newer_daemon_is_kept_as_it_came(kind: str) -> None:
    body = f'{{"type":"{kind}","id":"sevt_1","pixels":[1,2]}}'
    assert codec.decode_batch(f"[{body}]".encode()) == (ev.Opaque(id=EventId("sevt_1"), of=kind, body=body),)


@pytest.mark.parametrize("inside", [b'"\xff"', b'{"a":"\xc3("}', b"1e999", nested(MAX_NESTING)])
def test_an_event_of_a_newer_daemon_that_nobody_could_show_is_refused(inside: bytes) -> None:
    """Catches an opaque event taken into the log unread: it would then break every later reading of the log."""
    bad = codec.decode_batch(b'[{"type":"agent.image","id":"sevt_1","pixels":' + inside + b"}]")
    assert isinstance(bad, BadFrame)


@pytest.mark.parametrize("of", ["user.message", "session.deleted", "mooring.receipt", "mooring.spilled", "nonsense"])
def test_a_daemon_cannot_hide_an_event_of_the_planes_in_one_that_was_put_aside(of: str) -> None:
    """Catches forgery: readers are shown what is put aside under the type it says it is of."""
    spilled = ev.Spilled(id=EventId("sevt_1"), of=of, n_bytes=9, sha256="0" * 64)
    bad = codec.decode_batch(b"[" + codec.encode(spilled) + b"]")
    assert isinstance(bad, BadFrame)
    assert bad.field == "events[0].of"


def test_a_daemon_cannot_write_the_planes_wrapping_of_unknown_events_itself() -> None:
    """Catches forgery: a wrapped body is shown to readers as it stands, whatever type it claims."""
    wrapped = ev.Opaque(id=EventId("sevt_1"), of="user.message", body="no JSON at all")
    bad = codec.decode_batch(b"[" + codec.encode(wrapped) + b"]")
    assert isinstance(bad, BadFrame)
    assert bad.field == "events[0].type"


@pytest.mark.parametrize("of", ["agent.tool_result", "agent.of_tomorrow"])
def test_a_daemon_may_refer_to_an_event_that_it_has_uploaded(of: str) -> None:
    spilled = ev.Spilled(id=EventId("sevt_1"), of=of, n_bytes=9, sha256="0" * 64)
    assert codec.decode_batch(b"[" + codec.encode(spilled) + b"]") == (spilled,)


def test_an_event_nested_deeper_than_can_be_written_again_is_refused() -> None:
    """Catches a batch that can be read and not stored: its daemon would send it for ever."""

    def used(depth: int) -> bytes:
        return b'[{"type":"mooring.usage","id":"sevt_1","turn_id":"t","usage":{"a":' + nested(depth) + b"}}]"

    bad = codec.decode_batch(used(MAX_NESTING))
    assert isinstance(bad, BadFrame)
    assert bad.field == "events"
    fits = codec.decode_batch(used(MAX_NESTING - 3))
    assert not isinstance(fits, BadFrame)
    text = b'\\"' + b"[" * 5 * MAX_NESTING
    assert not isinstance(codec.decode_batch(b"[" + MESSAGE.replace(b"Hi", text) + b"]"), BadFrame)


@pytest.mark.parametrize(
    ("raw", "good"),
    [
        (MESSAGE, True),
        (b'{"type":"agent.image","id":"sevt_1"}', True),
        (b'{"type":"user.message","id":"sevt_1","content":[],"expires_at":0}', False),
        (b'{"type":"mooring.spilled","id":"sevt_1","of":"agent.message","n_bytes":1,"sha256":""}', False),
        (nested(100_000), False),
        (b"\xff", False),
    ],
)
def test_what_a_daemon_uploads_is_one_whole_event_of_its_own(raw: bytes, good: bool) -> None:
    """Catches an upload that is no event, the plane's own event, or only a reference to another upload."""
    found = codec.decode_upload(raw)
    assert isinstance(found, BadFrame) is not good


def test_a_stored_event_is_read_back() -> None:
    placed = ev.MessagePlaced(id=EventId("sevt_1"), accepted_n=4)
    assert codec.decode_stored_event(codec.encode(placed)) == placed
    with pytest.raises(msgspec.ValidationError):
        codec.decode_stored_event(b'{"type":"nonsense"}')


# ---- whatever comes

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted({field for d in DIALECTS for one in members(d).values() for field in one.__struct_fields__} | {"type"})
TAGS = sorted({str(one.__struct_config__.tag) for dialect in DIALECTS for one in members(dialect).values()})
NEARLY = st.dictionaries(st.sampled_from(FIELDS), ANY_JSON | st.sampled_from(TAGS), max_size=8).flatmap(
    lambda said: st.sampled_from(TAGS).map(lambda kind: {**said, "type": kind})
)


@given(st.binary() | st.text(alphabet=st.characters()) | (ANY_JSON | NEARLY).map(json.dumps))
def test_whatever_comes_the_codec_answers_and_never_raises(raw: bytes | str) -> None:
    for decode in DECODERS:
        found = decode(raw)
        assert isinstance(found, msgspec.Struct)
    assert codec.speaks_for_runtime(raw) in (True, False)


@given(
    st.binary()
    | (ANY_JSON | st.lists(NEARLY | ANY_JSON, max_size=3) | NEARLY).map(lambda said: json.dumps(said).encode())
)
def test_whatever_a_batch_holds_the_answer_is_events_or_what_is_wrong_with_it(raw: bytes) -> None:
    for found in (codec.decode_batch(raw), codec.decode_upload(raw)):
        if isinstance(found, BadFrame):
            assert found.code == "bad_frame"
            assert found.field.startswith("events")
        else:
            stored = found if isinstance(found, tuple) else (found,)
            assert all(codec.decode_stored_event(codec.encode(one)) == one for one in stored)
