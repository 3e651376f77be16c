"""Viewers: whenever somebody attaches, the past and the pushes together are the whole log, and doubles show."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.actors import viewers
from chalicelib.core.catalog import LivePiece
from chalicelib.wire import frames
from chalicelib.wire.ids import ConnectionId, SessionId, TurnId
from tests.actors.plane import C1, OTHER, SESSION, TENANT, V1, V2, Plane, text
from tests.fakes import FakeAttachments


def numbers(said: list[Any]) -> list[int]:
    return [one.n for one in said if isinstance(one, frames.RecordFrame)]


def shown(said: list[Any]) -> list[tuple[str, str]]:
    """Cursor and type of every event heard."""
    return [
        (item["cursor"], item["event"]["type"])
        for one in said
        if isinstance(one, frames.RecordFrame)
        for item in one.events
    ]


def attached(plane: Plane) -> set[tuple[str, str]]:
    assert isinstance(plane.stores.attachments, FakeAttachments)
    return set(plane.stores.attachments.rows)


def errors(said: list[Any]) -> list[str]:
    return [one.code for one in said if isinstance(one, frames.ErrorFrame)]


# ---- attaching


def test_an_attachment_is_confirmed_with_the_head_and_whether_the_laptop_is_online(running: Plane) -> None:
    (told,) = running.viewer()
    assert told == frames.Attached(session_id=SESSION, head=running.log()[-1].n, status="running", online=True)
    running.frames.disconnected(C1)
    (told,) = running.attach()
    assert not told.online


def test_without_a_cursor_a_viewer_follows_from_now(running: Plane) -> None:
    assert numbers(running.viewer()) == []
    running.batch(running.said())
    assert numbers(running.heard(V1)) == [running.log()[-1].n]


def test_from_the_beginning_a_viewer_gets_every_record(running: Plane) -> None:
    running.batch(running.said())
    said = running.viewer(after="0")
    assert numbers(said) == [1, 2, 3, 4]
    assert isinstance(said[0], frames.Attached)


@pytest.mark.parametrize(
    ("after", "first"), [("2", "4.1"), ("4.0", "4.1"), ("4.1", "4.2"), ("4.3", "5.1"), ("4", "5.1")]
)
def test_a_viewer_goes_on_after_its_cursor(running: Plane, after: str, first: str) -> None:
    """Catches an event repeated or left out where a record was seen in part."""
    running.batch(running.said("sevt_1"), running.said("sevt_2"))
    running.batch(running.said("sevt_3"))
    found = [cursor for cursor, _ in shown(running.viewer(after=after, include=("mooring",)))]
    assert next(one for one in found if one >= "4") == first


def test_a_viewer_ahead_of_the_log_hears_what_comes(running: Plane) -> None:
    assert numbers(running.viewer(after="999")) == []


@pytest.mark.parametrize(
    ("point", "phase"),
    [
        ("attachments.put", "before"),
        ("attachments.put", "after"),
        ("objects.read", "before"),
        ("objects.read", "after"),
    ],
)
def test_a_late_viewer_gets_log_then_live_without_gap(running: Plane, point: str, phase: Any) -> None:
    """Catches an attachment written after the log was read: what is appended in between would reach nobody."""
    running.when(point, phase, lambda: running.batch(running.said("sevt_between")))
    said = running.viewer(after="0")
    running.batch(running.said("sevt_later"))
    said += running.heard(V1)
    assert set(numbers(said)) == set(range(1, running.log()[-1].n + 1))
    doubles = len(numbers(said)) - len(set(numbers(said)))
    assert doubles <= 1, "a record may be read and pushed; its number says so"


def test_a_viewer_that_sees_a_gap_reads_again_from_its_cursor(running: Plane) -> None:
    running.viewer()
    running.batch(running.said("sevt_1"))
    running.heard(V1)
    running.batch(running.said("sevt_2"))
    running.heard(V1)
    running.batch(running.said("sevt_3"))
    (pushed,) = running.heard(V1)
    again = running.attach(after="4")
    assert pushed.n == 6
    assert numbers(again) == [5, 6]


def test_an_attachment_made_again_is_one(running: Plane) -> None:
    running.viewer()
    running.attach()
    running.batch(running.said())
    assert len(running.heard(V1)) == 1


def test_a_message_that_waits_is_shown_so_and_again_in_its_place(running: Plane) -> None:
    running.viewer()
    running.post(text("later"))
    (record,) = running.heard(V1)
    assert record.events[0]["event"]["processed_at"] is None
    running.batch(running.ended())
    (record,) = running.heard(V1)
    placed = [one["event"] for one in record.events if one["event"]["type"] == "user.message"]
    assert [one["processed_at"] is None for one in placed] == [False]
    said = running.viewer(V2, after="0")
    messages = [one for r in said if isinstance(r, frames.RecordFrame) for one in r.events]
    seen = [one["event"]["processed_at"] for one in messages if one["event"]["type"] == "user.message"]
    assert len(seen) == 2
    assert None not in seen


def test_a_message_that_still_waits_is_shown_to_a_late_viewer(running: Plane) -> None:
    running.post(text("later"))
    said = running.viewer(after="0")
    seen = [item["event"] for one in said[1:] for item in one.events if item["event"]["type"] == "user.message"]
    assert [one["processed_at"] is None for one in seen] == [False, True]


def test_our_own_events_are_shown_on_request(running: Plane) -> None:
    plain = {kind for _, kind in shown(running.viewer(V1, after="0"))}
    ours = {kind for _, kind in shown(running.viewer(V2, after="0", include=("mooring",)))}
    assert plain == {"user.message", "session.status_running"}
    assert {"mooring.receipt", "mooring.turn_started", "mooring.session_created"} < ours


def test_a_viewer_too_far_behind_gets_what_a_lambda_can_send_and_sees_the_gap(
    running: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "CATCH_UP_RECORDS", 200)
    monkeypatch.setattr(viewers, "_PAGE", 100)
    for k in range(300):
        running.batch(running.said(f"sevt_{k}"))
    said = running.viewer(after="0")
    assert numbers(said) == list(range(1, 201))
    assert said[0].head == 303
    rest = running.attach(after="200")
    assert numbers(rest) == list(range(201, 304))


# ---- who may


def test_a_foreign_session_answers_like_an_absent_one(running: Plane) -> None:
    running.connect(V1, None, OTHER)
    running.connect(V2, None, TENANT)
    running.say(V1, frames.Attach(session_id=SESSION))
    running.say(V2, frames.Attach(session_id=SessionId("sesn_none")))
    (theirs,), (absent,) = running.heard(V1), running.heard(V2)
    assert theirs.code == absent.code == "session_not_found"
    assert theirs.message.replace(SESSION, "_") == absent.message.replace("sesn_none", "_")
    assert attached(running) == set()


def test_a_deleted_session_cannot_be_attached_to(running: Plane) -> None:
    running.actors.sessions.delete(TENANT, SESSION)
    assert errors(running.viewer()) == ["session_not_found"]


def test_a_ticket_is_good_for_its_session_only(running: Plane) -> None:
    running.session(session_id=SessionId("sesn_2"))
    running.connect(V1, None, only_session_id=SessionId("sesn_2"))
    running.say(V1, frames.Attach(session_id=SESSION))
    running.say(V1, frames.ViewerPing(session_id=SESSION))
    assert errors(running.heard(V1)) == ["session_not_found"] * 2
    running.say(V1, frames.Attach(session_id=SessionId("sesn_2")))
    assert errors(running.heard(V1)) == []


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "-1", "", "1." + "9" * 5000])
def test_what_is_no_cursor_is_refused_before_anything_is_attached(running: Plane, cursor: str) -> None:
    assert errors(running.viewer(after=cursor)) == ["bad_cursor"]
    assert attached(running) == set()


# ---- pings, and the end


def test_a_ping_is_answered_with_the_head_so_that_a_lost_last_push_is_noticed(running: Plane) -> None:
    running.viewer()
    running.say(V1, frames.ViewerPing(session_id=SESSION))
    running.say(V1, frames.ViewerPing())
    running.say(V1, frames.ViewerPing(session_id=SessionId("sesn_none")))
    named, unnamed, absent = running.heard(V1)
    assert (named.head, unnamed.head, absent.code) == (running.log()[-1].n, None, "session_not_found")


def test_who_detaches_hears_nothing_more(running: Plane) -> None:
    running.viewer()
    running.say(V1, frames.Detach(session_id=SESSION))
    running.batch(running.said())
    assert running.heard(V1) == []


def test_when_the_connection_ends_all_its_attachments_end(running: Plane) -> None:
    running.session(session_id=SessionId("sesn_2"))
    running.viewer()
    running.say(V1, frames.Attach(session_id=SessionId("sesn_2")))
    assert len(attached(running)) == 2
    running.frames.disconnected(V1)
    assert attached(running) == set()


def test_an_attachment_ends_with_its_connections_time(running: Plane) -> None:
    running.viewer()
    running.clock.time += 7200
    running.batch(running.said())
    assert running.heard(V1) == []


# ---- watching


def test_the_daemon_is_told_when_watching_begins_and_when_it_ends(running: Plane) -> None:
    running.viewer(V1)
    running.viewer(V2)
    assert [one.window_ms for one in running.heard(C1)] == [100, 100]
    running.say(V1, frames.Detach(session_id=SESSION))
    assert running.heard(C1) == []
    running.frames.disconnected(V2)
    assert [one.window_ms for one in running.heard(C1)] == [None]


def test_a_daemon_without_a_turn_is_told_nothing(live: Plane) -> None:
    live.viewer()
    live.say(V1, frames.Detach(session_id=SESSION))
    assert live.heard(C1) == []


def test_a_viewer_without_deltas_makes_nobody_write_them(running: Plane) -> None:
    running.viewer(deltas=False)
    assert running.heard(C1) == []


def test_a_viewer_in_the_middle_of_a_sentence_gets_what_was_written_of_it(running: Plane) -> None:
    running.viewer(V1)
    running.delta(1, 0, "Hel")
    running.delta(2, 3, "lo")
    pieces = [one for one in running.viewer(V2) if isinstance(one, frames.DeltaFrame)]
    assert [(one.offset, one.text) for one in pieces] == [(0, "Hel"), (3, "lo")]


def test_what_was_written_of_an_event_that_is_whole_is_not_shown_again(running: Plane) -> None:
    running.viewer(V1)
    running.delta(1, 0, "Hello", "sevt_1")
    running.delta(2, 0, "Wor", "sevt_2")
    running.batch(running.said("sevt_1", "Hello"), live_from=2)
    pieces = [one for one in running.viewer(V2) if isinstance(one, frames.DeltaFrame)]
    assert [one.event_id for one in pieces] == ["sevt_2"]


def test_pieces_of_a_connection_before_the_last_are_read_from_where_they_began(running: Plane) -> None:
    """Catches a key without the epoch: the counter of a new connection may begin anew."""
    running.viewer(V1)
    running.delta(7, 0, "Hel")
    running.laptop(ConnectionId("c2"))
    running.delta(1, 3, "lo", connection_id=ConnectionId("c2"))
    pieces = [one for one in running.viewer(V2) if isinstance(one, frames.DeltaFrame)]
    assert [one.text for one in pieces] == ["Hel", "lo"]


def test_a_live_piece_longer_than_a_frame_is_several(running: Plane) -> None:
    piece = LivePiece(epoch=1, counter=1, event_id="sevt_x", event_type="agent.message", offset=3, text="x" * 10_000)
    found = list(viewers.delta_frames(SESSION, TurnId("turn_1"), piece))
    assert [(one.offset, len(one.text)) for one in found] == [(3, 4096), (4099, 4096), (8195, 1808)]
    (empty,) = viewers.delta_frames(SESSION, TurnId("turn_1"), LivePiece(**{**_fields(piece), "text": ""}))
    assert empty.text == ""


def _fields(piece: LivePiece) -> dict[str, Any]:
    return {name: getattr(piece, name) for name in piece.__struct_fields__}


def test_a_deletion_is_the_last_that_a_viewer_sees(running: Plane) -> None:
    running.viewer()
    running.actors.sessions.delete(TENANT, SESSION)
    assert [kind for _, kind in shown(running.heard(V1))] == ["session.deleted"]
