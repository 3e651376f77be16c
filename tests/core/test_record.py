"""Records: their bytes are their identity, and a log that was touched shows it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.making import Making, MakingState
from chalicelib.core.record import (
    FIRST_PREV,
    Flaw,
    Record,
    RequestRecord,
    RoomRecord,
    SessionRecord,
    open_request,
    open_room,
    open_session,
    seal,
    verify,
)
from chalicelib.core.repeats import Try
from chalicelib.core.runtime_room import RoomState
from chalicelib.wire import events as ev
from chalicelib.wire.codec import digest
from chalicelib.wire.ids import ConnectionId, EventId, RuntimeId, SessionId, TenantId
from tests.core.playing import START, Play, fresh


def log(count: int = 5) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    prev = FIRST_PREV
    for n in range(1, count + 1):
        told = (ev.UserInterrupt(id=EventId(f"sevt_{n}")),)
        body = seal(SessionRecord(n=n, at=START + n, prev=prev, state=fresh(epoch=n), events=told))
        found.append((n, body))
        prev = digest(body)
    return found


def places(flaws: list[Flaw]) -> list[int]:
    return [one.n for one in flaws]


def test_a_sessions_record_is_read_back_from_its_bytes() -> None:
    play = Play()
    play.post()
    for record in play.log:
        assert open_session(seal(record)) == record
        assert seal(open_session(seal(record))) == seal(record)


def test_a_rooms_record_is_read_back_from_its_bytes() -> None:
    room = RoomState(runtime_id=RuntimeId("rt_1"), tenant_id=TenantId("ten_1"), epoch=2)
    told = (ev.RuntimeDetached(connection_id=ConnectionId("c1")),)
    record: RoomRecord = Record(n=2, at=START, prev=FIRST_PREV, state=room, events=told, cause="k", cause_digest="d")
    assert open_room(seal(record)) == record


def test_a_requests_record_comes_back_as_it_was() -> None:
    one = Making(session_id=SessionId("sesn_1"), at=START, digest="b", attempt=Try("b", 1, 5))
    record: RequestRecord = Record(n=1, at=START, prev=FIRST_PREV, state=MakingState((one,)))
    assert open_request(seal(record)) == record


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        open_session(b"{}")
    for open_it in (open_room, open_request):
        with pytest.raises(msgspec.ValidationError):
            open_it(b"[]")


def test_an_intact_log_has_no_flaw() -> None:
    whole = log()
    assert verify(whole) == []
    assert verify(whole, (5, digest(whole[4][1]))) == []
    assert verify(whole, (3, digest(whole[2][1]))) == []
    assert verify([]) == []


@given(st.data())
def test_a_byte_changed_anywhere_but_in_the_newest_record_shows(data: st.DataObject) -> None:
    """Catches a chain over a record's content as we read it, instead of over the bytes as they are stored."""
    whole = log()
    n, body = whole[data.draw(st.integers(0, 3))]
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))
    whole[n - 1] = (n, body[:at] + bytes([other]) + body[at + 1 :])
    assert {n, n + 1} & set(places(verify(whole)))


@given(st.data())
def test_a_byte_changed_in_the_newest_record_shows_to_whoever_kept_its_hash(data: st.DataObject) -> None:
    whole = log()
    n, body = whole[4]
    at = data.draw(st.integers(0, len(body) - 1))
    whole[4] = (n, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
    assert n in places(verify(whole, (5, digest(body))))


@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_a_missing_record_shows(gone: int) -> None:
    whole = log()
    del whole[gone - 1]
    assert places(verify(whole)) == [gone]


def test_a_cut_tail_shows_to_whoever_kept_the_head() -> None:
    whole = log()
    kept = (5, digest(whole[4][1]))
    assert verify(whole[:3]) == []
    assert places(verify(whole[:3], kept)) == [4]
    assert places(verify([], kept)) == [1]


def test_records_that_changed_places_show() -> None:
    whole = log()
    whole[1], whole[2] = (2, whole[2][1]), (3, whole[1][1])
    flaws = verify(whole)
    assert {2, 3} <= set(places(flaws))
    assert any("says that it is record 3" in one.why for one in flaws)


def test_a_log_written_anew_from_somewhere_on_shows_to_whoever_kept_a_later_hash() -> None:
    whole = log()
    forged = log(2)
    prev = digest(forged[1][1])
    for n in (3, 4, 5):
        body = seal(SessionRecord(n=n, at=START, prev=prev, state=fresh()))
        forged.append((n, body))
        prev = digest(body)
    assert verify(forged) == []
    assert places(verify(forged, (4, digest(whole[3][1])))) == [4]


def test_a_first_record_that_claims_another_before_it_shows() -> None:
    body = seal(SessionRecord(n=1, at=START, prev="1" * 64, state=fresh()))
    assert places(verify([(1, body)])) == [1]


def test_an_unreadable_record_shows_and_does_not_stop_the_check() -> None:
    whole = log()
    whole[1] = (2, b"\xff")
    assert places(verify(whole)) == [2, 2]
