"""The follower: what a reader that polls gets, once and in order, and when the daemon knows that it watches."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from chalicelib.actors import follower as follower_room
from chalicelib.actors.follower import ATTACHED_S, Follower, Out
from chalicelib.wire import frames
from chalicelib.wire.ids import SessionId
from tests.actors.plane import C1, C2, LIVED, SESSION, TENANT, V1, Plane, conversation, text, texts
from tests.fakes import FakeAttachments

NONE = SessionId("sesn_none")


BOTH = ("agent.message", "agent.thinking")


def follow(
    plane: Plane, after: str | None = None, *, deltas: Collection[str] = ("agent.message",), ours: bool = False
) -> Follower:
    return plane.actors.reading.follow(TENANT, SESSION, after=after, ours=ours, deltas=deltas)


def wholes(out: list[Out]) -> list[str]:
    return [one.body["id"] for one in out if one.kind == "event"]


def pieces(out: list[Out]) -> list[tuple[str, str]]:
    return [(one.body["event_id"], one.body["delta"]["content"]["text"]) for one in out if one.kind == "delta"]


def starts(out: list[Out]) -> list[str]:
    return [one.body["event"]["id"] for one in out if one.kind == "delta_start"]


def attached(plane: Plane) -> int:
    assert isinstance(plane.stores.attachments, FakeAttachments)
    return len(plane.stores.attachments.rows)


def test_a_follower_from_the_beginning_gets_the_past_and_then_what_comes(live: Plane) -> None:
    conversation(live)
    follower = follow(live, "0")
    past = follower.poll()
    assert texts([one.body for one in past]) == LIVED
    live.batch(live.said("sevt_9", "more"))
    assert wholes(follower.poll()) == ["sevt_9"]
    assert follower.poll() == []


def test_a_follower_without_a_cursor_begins_now(live: Plane) -> None:
    conversation(live)
    follower = follow(live)
    assert follower.poll() == []
    live.batch(live.said("sevt_9"))
    assert wholes(follower.poll()) == ["sevt_9"]


def test_a_follower_goes_on_after_any_events_cursor_without_gap_or_double(live: Plane) -> None:
    """Catches a cursor that is only a record's number: what came after the event in the same record would be lost."""
    conversation(live, waiting=0)
    everything = follow(live, "0").poll()
    for k, one in enumerate(everything):
        assert wholes(follow(live, one.cursor).poll()) == wholes(everything)[k + 1 :]


def test_a_follower_attaches_before_it_reads_and_renews_before_that_lapses(running: Plane) -> None:
    running.io.clear()
    follower = follow(running)
    assert running.io.index("attachments.put") < len(running.io) - running.io[::-1].index("objects.newest") - 1
    assert attached(running) == 1
    for _ in range(10):
        running.clock.time += ATTACHED_S / 3
        follower.poll()
        assert running.actors.sessions.followers(SESSION)[0]
    running.clock.time += ATTACHED_S
    assert not running.actors.sessions.followers(SESSION)[0]


def test_a_live_follower_sees_a_waiting_message_twice_first_without_a_time(running: Plane) -> None:
    follower = follow(running)
    running.post(text("later"))
    (first,) = follower.poll()
    running.batch(running.ended())
    again = [one for one in follower.poll() if one.body["type"] == "user.message"]
    assert first.body["processed_at"] is None
    assert [one.body["id"] for one in again] == [first.body["id"]]
    assert again[0].body["processed_at"] is not None


def test_only_whole_events_have_a_cursor(running: Plane) -> None:
    follower = follow(running)
    running.delta(1, 0, "Hel")
    running.batch(running.said("sevt_y"))
    out = follower.poll()
    assert {one.kind for one in out} == {"event", "delta_start", "delta"}
    assert all((one.cursor is not None) == (one.kind == "event") for one in out)


def test_a_sentence_is_followed_piece_by_piece_and_then_replaced_by_the_whole(running: Plane) -> None:
    follower = follow(running)
    running.delta(1, 0, "Hel")
    first = follower.poll()
    assert (starts(first), pieces(first)) == (["sevt_x"], [("sevt_x", "Hel")])
    running.delta(2, 3, "lo")
    second = follower.poll()
    assert (starts(second), pieces(second)) == ([], [("sevt_x", "lo")])
    assert follower.poll() == []
    running.batch(running.said("sevt_x", "Hello"))
    assert wholes(follower.poll()) == ["sevt_x"]
    running.delta(3, 5, "!")
    assert pieces(follower.poll()) == []


def test_pieces_that_overlap_come_twice_or_in_any_order_are_told_once_and_in_order(running: Plane) -> None:
    follower = follow(running)
    out = []
    told = [(2, 3, "lo "), (1, 0, "Hel"), (1, 0, "Hel"), (3, 0, "Hello wor"), (5, 11, "!"), (4, 9, "ld")]
    for counter, offset, said in told:
        running.delta(counter, offset, said)
        out += follower.poll()
    assert starts(out) == ["sevt_x"]
    assert "".join(said for _, said in pieces(out)) == "Hello world!"


def test_a_follower_in_the_middle_of_a_sentence_gets_all_that_was_written_of_it(running: Plane) -> None:
    running.viewer(V1)
    running.delta(1, 0, "Hel")
    running.delta(2, 3, "lo")
    out = follow(running).poll()
    assert "".join(said for _, said in pieces(out)) == "Hello"


def test_a_piece_whose_beginning_was_never_seen_waits_for_the_whole(running: Plane) -> None:
    """Catches an event that starts in the middle: an SDK would show half a sentence as if it were one."""
    running.delta(5, 30, "end")
    out = follow(running).poll()
    assert (starts(out), pieces(out)) == ([], [])


def test_when_all_of_an_open_event_is_said_again_it_goes_on_from_there(running: Plane) -> None:
    follower = follow(running)
    running.delta(5, 30, "tail")
    assert follower.poll() == []
    running.delta(6, 0, "x" * 30 + "tail and more")
    out = follower.poll()
    assert "".join(said for _, said in pieces(out)) == "x" * 30 + "tail and more"


def test_pieces_of_the_next_turn_are_seen_though_their_numbers_begin_anew(running: Plane) -> None:
    """Catches a place in one turn's pieces used for another's: the second answer would come all at once."""
    follower = follow(running)
    for k in range(20):
        running.delta(k + 1, k, "x")
    follower.poll()
    running.post()
    running.batch(running.said("sevt_x"), running.ended())
    follower.poll()
    running.delta(1, 0, "new", "sevt_new")
    assert pieces(follower.poll()) == [("sevt_new", "new")]


def test_pieces_after_a_reconnect_are_seen_though_their_numbers_begin_anew(running: Plane) -> None:
    follower = follow(running)
    running.delta(9, 0, "Hel")
    follower.poll()
    running.laptop(C2)
    running.delta(1, 3, "lo", connection_id=C2)
    assert pieces(follower.poll()) == [("sevt_x", "lo")]


def test_while_a_follower_catches_up_it_is_told_no_pieces_of_what_comes_later(
    running: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the running turn's first words told in the middle of yesterday's."""
    monkeypatch.setattr(follower_room, "PAGE_RECORDS", 2)
    running.batch(running.said("sevt_1"))
    running.delta(1, 0, "now")
    follower = follow(running, "0")
    first, second = follower.poll(), follower.poll()
    assert pieces(first) == []
    assert wholes(second)[-1] == "sevt_1"
    assert pieces(second) == [("sevt_x", "now")]


def test_who_wants_no_deltas_is_told_none(running: Plane) -> None:
    follower = follow(running, deltas=())
    running.delta(1, 0, "Hel")
    assert follower.poll() == []


@pytest.mark.parametrize(
    ("deltas", "ours", "begun", "told"),
    [
        (("agent.message",), False, ["sevt_x"], ["Hel"]),
        (("agent.thinking",), False, ["sevt_y"], []),
        (BOTH, False, ["sevt_x", "sevt_y"], ["Hel"]),
        (BOTH, True, ["sevt_x", "sevt_y"], ["Hel", "Hm"]),
    ],
)
def test_a_follower_is_told_of_the_types_that_it_asked_for_and_thoughts_are_ours(
    running: Plane, deltas: Collection[str], ours: bool, begun: list[str], told: list[str]
) -> None:
    """Catches what an SDK did not ask for, and a text that its types have no place for."""
    follower = follow(running, deltas=deltas, ours=ours)
    running.delta(1, 0, "Hel", "sevt_x")
    running.delta(2, 0, "Hm", "sevt_y", event_type="agent.thinking")
    out = follower.poll()
    assert (starts(out), [said for _, said in pieces(out)]) == (begun, told)


def test_the_daemon_is_told_when_a_follower_comes_and_when_the_last_one_goes(running: Plane) -> None:
    one, two = follow(running), follow(running)
    assert [each.window_ms for each in running.heard_of(C1, frames.SessionWatch)] == [100, 100]
    one.close()
    assert running.heard(C1) == []
    two.close()
    assert [each.window_ms for each in running.heard_of(C1, frames.SessionWatch)] == [None]
    assert attached(running) == 0


def test_a_follower_without_deltas_comes_and_goes_unnoticed(running: Plane) -> None:
    follow(running, deltas=()).close()
    assert running.heard(C1) == []


def test_two_followers_are_two(running: Plane) -> None:
    follow(running)
    follow(running)
    assert attached(running) == 2


def test_a_deletion_ends_the_stream(running: Plane) -> None:
    follower = follow(running)
    running.actors.sessions.delete(TENANT, SESSION)
    out = follower.poll()
    assert [one.body["type"] for one in out] == ["session.deleted"]
    assert follower.ended
    assert follower.poll() == []
    follower.close()
    assert attached(running) == 0


def test_an_archived_sessions_stream_ends_when_all_was_read(live: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a reader that waits for ever for what can't come."""
    monkeypatch.setattr(follower_room, "PAGE_RECORDS", 2)
    conversation(live, waiting=0)
    live.batch(live.ended())
    before = follow(live)
    live.actors.sessions.archive(TENANT, SESSION)
    assert [one.body["type"] for one in before.poll()] == ["session.status_terminated"]
    assert before.ended
    late = follow(live)
    assert (late.poll(), late.ended) == ([], True)
    everything, past = follow(live, "0"), []
    while not everything.ended:
        past += everything.poll()
    assert texts([one.body for one in past]) == LIVED[:6]
    assert past[-1].body["type"] == "session.status_terminated"


def test_polls_are_frequent_while_a_turn_runs_and_rarer_the_longer_nothing_moves(live: Plane) -> None:
    follower = follow(live)
    assert follower.idle_s == 0.25
    for _ in range(120):
        follower.poll()
    assert follower.idle_s == 1.0
    live.post()
    follower.poll()
    assert follower.idle_s == 0.1
    live.batch(live.ended())
    follower.poll()
    assert follower.idle_s == 0.25


def test_what_a_quiet_poll_costs(live: Plane) -> None:
    follower = follow(live)
    cost = live.cost(follower.poll)
    assert (cost.puts, cost.reads) == (0, 1)
    live.post()
    follower.poll()
    cost = live.cost(follower.poll)
    assert (cost.puts, cost.reads) == (0, 2)
