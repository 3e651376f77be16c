"""Delivery: at least once, and a connection found closed is an input to its room or the end of an attachment."""

from __future__ import annotations

from collections import Counter

import pytest

from chalicelib.core.session import ConfirmationIn, InterruptIn
from chalicelib.wire import events as ev
from chalicelib.wire import frames
from chalicelib.wire.ids import ConnectionId, EventId
from chalicelib.wire.limits import MAX_DOWN_BYTES
from tests.actors.plane import C1, C2, RUNTIME, SESSION, TENANT, V1, V2, B, Plane, text
from tests.fakes import FakeAttachments


def attached(plane: Plane) -> set[str]:
    assert isinstance(plane.stores.attachments, FakeAttachments)
    return {reader for _, reader in plane.stores.attachments.rows}


# ---- to followers


def test_every_record_is_pushed_to_everybody_who_follows_visible_events_or_not(running: Plane) -> None:
    """Catches a push left out because nobody would see anything: the viewer would take the next one for a gap."""
    running.viewer(V1)
    running.viewer(V2, include=("mooring",))
    noted = ev.Noted(id=EventId("sevt_n"), turn_id=running.turn_id, kind="context_lost")
    running.batch(noted)
    (plain,) = running.heard(V1)
    (ours,) = running.heard(V2)
    assert (plain.n, plain.events) == (running.log()[-1].n, ())
    assert [one["event"]["type"] for one in ours.events] == ["mooring.receipt", "mooring.note"]


def test_a_record_too_large_for_a_frame_is_pushed_in_parts(running: Plane) -> None:
    running.post(text("x" * 15_800))
    running.viewer()
    running.batch(running.said("sevt_y", "y" * 15_000), running.said("sevt_z", "z"), running.ended())
    parts = running.heard(V1)
    assert len(parts) == 2
    assert [(one.part, one.parts) for one in parts] == [(k + 1, len(parts)) for k in range(len(parts))]
    assert [len(event["event"]["content"][0]["text"]) for one in parts for event in one.events] == [15_000, 1, 15_800]


def test_a_follower_that_is_gone_loses_its_attachment_and_nobody_else_anything(running: Plane) -> None:
    running.viewer(V1)
    running.viewer(V2)
    running.sockets.gone.add(V1)
    running.batch(running.said())
    assert attached(running) == {V2}
    assert running.heard(V2)


def test_a_record_is_pushed_after_it_was_committed_and_the_followers_are_read_in_between(running: Plane) -> None:
    """Catches a list of followers read before the commit: whoever attached meanwhile would see the record nowhere."""
    running.viewer()
    running.io.clear()
    running.batch(running.said())
    order = [running.io.index(one) for one in ("objects.append", "attachments.of_session", "sockets.post")]
    assert order == sorted(order)


def test_a_message_that_is_placed_is_read_once_for_all_who_follow(running: Plane) -> None:
    running.post()
    for k in range(5):
        running.viewer(ConnectionId(f"v{k}"))
    cost = running.cost(lambda: running.batch(running.ended()))
    assert Counter(cost.io)["objects.get"] <= 2
    assert cost.reads <= 5


# ---- to the daemon


def test_an_interrupt_is_sent_at_once_and_again_until_the_end_is_in_the_log(running: Plane) -> None:
    cancel = frames.SessionCancel(session_id=SESSION, turn_id=running.turn_id, order=1)
    running.post(InterruptIn())
    assert running.heard(C1) == [cancel]
    running.ping()
    assert cancel in running.heard(C1)
    running.batch(running.ended("cancelled"))
    running.heard(C1)
    running.ping()
    assert cancel not in running.heard(C1)


def test_a_verdict_is_sent_with_what_was_said_and_again_until_it_is_settled(running: Plane) -> None:
    running.batch(running.asks())
    running.heard(C1)
    running.post(ConfirmationIn(EventId("sevt_ask"), "deny", "Not on Fridays."))
    (sent,) = running.heard(C1)
    assert (sent.tool_use_id, sent.result, sent.deny_message) == (EventId("sevt_ask"), "deny", "Not on Fridays.")
    assert isinstance(sent, frames.PermissionVerdict)
    running.ping()
    assert len(running.heard_of(C1, frames.PermissionVerdict)) == 1
    running.batch(
        ev.PermissionSettled(
            id=EventId("sevt_s"), turn_id=running.turn_id, tool_use_id=EventId("sevt_ask"), outcome="deny"
        )
    )
    running.heard(C1)
    running.ping()
    assert running.heard_of(C1, frames.PermissionVerdict) == []


def test_a_prompt_too_large_for_a_frame_comes_without_content(live: Plane) -> None:
    live.post(text("x" * MAX_DOWN_BYTES))
    (prompt,) = live.heard(C1)
    assert prompt.content is None


@pytest.mark.parametrize("size", [1000, MAX_DOWN_BYTES - 1400, MAX_DOWN_BYTES - 1100, MAX_DOWN_BYTES - 900, 60_000])
def test_no_frame_of_the_planes_is_larger_than_it_may_be(live: Plane, size: int) -> None:
    live.viewer()
    live.post(text("x" * size))
    live.batch(live.said(body="y" * size))
    posted = [one for said in live.sockets.posted.values() for one in said]
    assert posted
    assert max(map(len, posted)) <= MAX_DOWN_BYTES


def test_the_messages_of_one_post_are_prompted_together(live: Plane) -> None:
    live.post(text("one"), text("two"))
    (prompt,) = live.heard(C1)
    assert [block.text for block in prompt.content] == ["one", "two"]


def test_a_prompt_says_whether_the_session_is_watched(live: Plane) -> None:
    live.viewer(V1)
    live.post()
    (prompt,) = live.heard(C1)
    assert prompt.window_ms == 100


def test_who_wants_no_deltas_does_not_make_the_session_watched(live: Plane) -> None:
    live.viewer(V1, deltas=False)
    live.post()
    (prompt,) = live.heard(C1)
    assert prompt.window_ms is None


# ---- a connection found closed


def test_a_connection_found_closed_is_told_to_its_room_and_the_message_waits_for_the_next_one(live: Plane) -> None:
    live.sockets.gone.add(C1)
    live.post()
    room = live.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.connection_id is None
    live.connect(C2)
    live.hello(C2)
    assert len(live.heard_of(C2, frames.SessionPrompt)) == 1


def test_what_failed_on_a_closed_connection_is_tried_once_on_a_newer_one(live: Plane) -> None:
    """The room was read before the newer connection said hello; its hello came and went before the work began."""
    live.sockets.gone.add(C1)
    live.when("attachments.of_session", "after", lambda: live.laptop(C2))
    live.post()
    assert len(live.heard_of(C2, frames.SessionPrompt)) == 1
    room = live.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.connection_id == C2


def test_a_second_closed_connection_is_given_up_until_the_next_hello(live: Plane) -> None:
    live.sockets.gone |= {C1}

    def comes_and_goes() -> None:
        live.laptop(C2)
        live.sockets.gone.add(C2)

    live.when("attachments.of_session", "after", comes_and_goes)
    live.post()
    room = live.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.connection_id is None


def test_nothing_is_sent_to_a_runtime_that_is_away(running: Plane) -> None:
    running.frames.disconnected(C1)
    running.post(InterruptIn())
    assert running.heard(C1) == []


def test_a_turn_is_not_sent_to_a_machine_that_took_over(running: Plane) -> None:
    running.post(InterruptIn())
    running.heard(C1)
    running.laptop(C2, instance="inst_2", outbox=B)
    assert running.heard_of(C2, frames.SessionCancel) == []


def test_the_content_of_a_turn_is_read_whole(live: Plane) -> None:
    live.post(text("x" * 40_000), text("end"))
    turn = live.state.turn
    assert turn is not None
    blocks = live.actors.reading.prompt(TENANT, SESSION, turn.turn_id, RUNTIME)
    assert blocks == (ev.TextBlock("x" * 40_000), ev.TextBlock("end"))
