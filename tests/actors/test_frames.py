"""Frames: who is believed, what is answered, and what each of them costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chalicelib.actors.frames import LIVE_TTL_S
from chalicelib.core.errors import Busy
from chalicelib.core.pace import FRAMES_AT_ONCE
from chalicelib.wire import events as ev
from chalicelib.wire import frames
from chalicelib.wire.ids import ConnectionId, EventId, RuntimeId, SessionId, TurnId
from chalicelib.wire.limits import LEASE_S, MAX_DOWN_BYTES
from tests.actors.plane import C1, C2, OTHER, RUNTIME, SESSION, TENANT, V1, V2, A, B, Plane
from tests.fakes import FakeConnections, FakeLive

STRANGER = ConnectionId("c9")
THEIRS = RuntimeId("rt_2")


def errors(plane: Plane, connection_id: ConnectionId = C1) -> list[tuple[str, str | None]]:
    return [(one.code, one.of) for one in plane.heard_of(connection_id, frames.ErrorFrame)]


# ---- what can't be read


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", ("not_json", None)),
        ("hello", ("not_json", None)),
        ("[]", ("bad_frame", None)),
        ("{}", ("bad_frame", None)),
        ('{"type":"attach"}', ("bad_frame", "attach")),
        ('{"type":"ping","runtime_id":"rt_1","active":7}', ("bad_frame", "ping")),
        ('{"type":"session.event","runtime_id":"rt_1","session_id":"sesn_1"}', ("bad_frame", "session.event")),
        ('{"type":"dream","runtime_id":"rt_1"}', ("unknown_frame", "dream")),
        ('{"type":"' + "d" * 999 + '"}', ("unknown_frame", "d" * 40)),
        ('{"type":"ping","runtime_id":"\ud800"}', ("not_json", None)),
        ('{"runtime_id":' + "[" * 100_000, ("not_json", None)),
    ],
)
def test_what_is_no_frame_is_answered_with_its_error_and_the_connection_lives_on(
    live: Plane, body: str, error: tuple[str, str | None]
) -> None:
    live.frames.on_message(C1, body)
    assert errors(live) == [error]
    live.ping()
    assert live.heard_of(C1, frames.Pong)


@given(st.text(alphabet=st.characters()) | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps))
def test_whatever_a_stranger_sends_is_answered_and_never_raises(body: str) -> None:
    plane = Plane()
    plane.frames.on_message(STRANGER, body)
    assert len(plane.sockets.posted[STRANGER]) == 1


@pytest.mark.parametrize("events", [b"[]", b"[{}]", b"{}", b'[{"type":"user.message","id":"sevt_1","content":[]}]'])
def test_a_batch_of_what_a_daemon_may_not_write_is_refused_and_names_its_session(running: Plane, events: bytes) -> None:
    before = len(running.log())
    running.say(C1, frames.SessionEvent(runtime_id=RUNTIME, session_id=SESSION, outbox=A, batch=1, events=Raw(events)))
    (error,) = running.heard(C1)
    assert (error.code, error.of, error.session_id) == ("bad_frame", "session.event", SESSION)
    assert len(running.log()) == before


@pytest.mark.parametrize(
    "frame",
    [
        frames.Attach(session_id=SessionId("s" * 100_000)),
        frames.Attach(session_id=SESSION, after="c" * 100_000),
        frames.SessionAccepted(runtime_id=RUNTIME, session_id=SessionId("s" * 100_000), turn_id=TurnId("turn_1")),
        frames.Ping(runtime_id=RuntimeId("r" * 100_000)),
    ],
)
def test_a_refusal_does_not_repeat_what_was_too_long(live: Plane, frame: Any) -> None:
    """Catches an answer that the gateway refuses, because it quotes as much as a stranger sent."""
    connection_id = V1 if isinstance(frame, frames.Attach) else C1
    live.connect(V1, None)
    live.say(connection_id, frame)
    (raw,) = live.sockets.posted[connection_id]
    assert len(raw) < 2048


# ---- sleep


def test_who_says_goodnight_is_asleep_and_hung_up_on(running: Plane) -> None:
    """Catches a laptop whose system waits for an answer that never comes, and a close that makes it offline."""
    with running.warm() as costs:
        running.say(C1, frames.RuntimeSleep(runtime_id=RUNTIME))
    assert (costs[0].puts, costs[0].reads) == (1, 1)
    assert C1 in running.sockets.gone
    running.frames.disconnected(C1)
    room = running.actors.rooms.view(RUNTIME)
    assert room is not None
    assert (room.presence(running.clock.time), room.asleep_since) == ("asleep", running.clock.time)
    running.laptop(C2)
    running.say(C1, frames.RuntimeSleep(runtime_id=RUNTIME))
    room = running.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.presence(running.clock.time) == "online", "a goodnight that comes late puts nobody to sleep"


# ---- who is believed


def every_frame(plane: Plane, runtime_id: RuntimeId = RUNTIME, session_id: SessionId = SESSION) -> list[Any]:
    names: dict[str, Any] = {"runtime_id": runtime_id, "session_id": session_id}
    said = b'[{"type":"agent.message","id":"sevt_1","turn_id":"turn_1","content":[]}]'
    piece: dict[str, Any] = {"counter": 1, "event_id": EventId("sevt_1"), "event_type": "agent.message"}
    piece |= {"offset": 0, "text": "x"}
    return [
        frames.Ping(runtime_id=runtime_id),
        frames.RuntimeSleep(runtime_id=runtime_id),
        frames.SessionEvent(**names, outbox=A, batch=1, events=Raw(said)),
        frames.SessionDelta(**names, turn_id=TurnId("turn_1"), **piece),
        frames.SessionAccepted(**names, turn_id=TurnId("turn_1")),
        frames.SessionDisposed(**names),
    ]


def tags(said: list[Any]) -> list[str]:
    return [str(one.__struct_config__.tag) for one in said]


def snapshot(plane: Plane) -> dict[Any, int]:
    return {key: len(log) for key, log in plane.objects.logs.items()}


def test_a_connection_that_is_too_fast_is_told_so_once_a_second_and_costs_nothing_more(live: Plane) -> None:
    """Catches a laptop or a page gone wild that has every frame of its read and answered."""
    live.connect(V1, runtime_id=None)
    for _ in range(int(FRAMES_AT_ONCE)):
        live.say(V1, frames.ViewerPing())
    assert set(tags(live.heard(V1))) == {"pong"}
    with live.warm() as cost:
        for _ in range(50):
            live.say(V1, frames.ViewerPing())
    assert cost[0].io == ()
    assert errors(live, V1) == [("too_many_frames", None)]
    live.say(C1, frames.Ping(runtime_id=RUNTIME))
    assert tags(live.heard(C1)) == ["pong"], "others are heard"
    live.clock.time += 1.0
    live.say(V1, frames.ViewerPing())
    assert tags(live.heard(V1)) == ["pong"]


def test_a_connection_that_is_not_the_runtimes_own_is_refused_whatever_it_says(running: Plane) -> None:
    """Catches a frame believed for the runtime that it names: any daemon could then speak for any other."""
    running.actors.rooms.open(OTHER, THEIRS)
    running.connect(STRANGER, THEIRS, OTHER)
    running.say(STRANGER, frames.Hello(runtime_id=THEIRS, instance="i", seq=1, outbox=B))
    running.heard(STRANGER)
    before = snapshot(running)
    said = [frames.Hello(runtime_id=RUNTIME, instance="i", seq=2, outbox=A), *every_frame(running)]
    for one in said:
        running.say(STRANGER, one)
    assert errors(running, STRANGER) == [("foreign_runtime", tag) for tag in tags(said)]
    assert snapshot(running) == before


def test_a_runtime_that_does_not_exist_is_answered_like_another_ones(running: Plane) -> None:
    running.connect(STRANGER, THEIRS)
    said = [frames.Hello(runtime_id=THEIRS, instance="i", seq=1, outbox=A), *every_frame(running, THEIRS)]
    for one in said:
        running.say(STRANGER, one)
    assert errors(running, STRANGER) == [("foreign_runtime", tag) for tag in tags(said)]


def test_a_connection_that_nobody_opened_is_refused(running: Plane) -> None:
    for one in [*every_frame(running), frames.Attach(session_id=SESSION)]:
        running.say(STRANGER, one)
    assert {code for code, _ in errors(running, STRANGER)} == {"foreign_runtime", "not_a_viewer"}


def test_a_daemon_does_not_follow_and_a_viewer_does_not_speak_for_a_runtime(running: Plane) -> None:
    running.say(C1, frames.Attach(session_id=SESSION))
    assert errors(running) == [("not_a_viewer", "attach")]
    running.connect(V1, None)
    running.say(V1, frames.Hello(runtime_id=RUNTIME, instance="i", seq=9, outbox=A))
    assert errors(running, V1) == [("foreign_runtime", "hello")]


def test_a_session_of_another_runtime_answers_like_one_that_is_absent(running: Plane) -> None:
    running.actors.rooms.open(TENANT, THEIRS)
    running.connect(STRANGER, THEIRS)
    running.say(STRANGER, frames.Hello(runtime_id=THEIRS, instance="i", seq=1, outbox=A))
    running.heard(STRANGER)
    told = []
    for session_id in (SESSION, SessionId("sesn_none")):
        before = snapshot(running)
        for one in every_frame(running, THEIRS, session_id)[2:]:
            running.say(STRANGER, one)
        told.append([(one.code, one.of, one.message.replace(session_id, "_")) for one in running.heard(STRANGER)])
        assert snapshot(running) == before
    assert told[0] == told[1]
    assert {code for code, _, _ in told[0]} == {"session_not_found"}


def test_who_speaks_before_its_hello_is_asked_to_say_it_first(plane: Plane) -> None:
    plane.connect(C1)
    for one in every_frame(plane):
        plane.say(C1, one)
    assert {code for code, _ in errors(plane)} == {"hello_first"}


def test_a_replaced_connection_is_told_so_whatever_it_says(running: Plane) -> None:
    running.laptop(C2, instance="inst_2")
    running.sockets.gone.clear()
    running.heard(C1)
    for one in every_frame(running):
        running.say(C1, one)
    assert running.heard(C1) == [frames.Replaced(instance="inst_2")] * len(every_frame(running))


def test_a_batch_that_crosses_its_own_connections_next_hello_is_not_taken_for_a_replaced_ones(running: Plane) -> None:
    """Catches the current connection told that it was replaced: its daemon would leave a living connection."""
    running.when("objects.newest", "after", lambda: running.hello(C1, B))
    running.batch(running.said())
    assert running.heard_of(C1, frames.Replaced) == []


# ---- the room


def test_a_hello_is_welcomed_and_what_the_laptop_says_of_itself_is_passed_on(plane: Plane) -> None:
    plane.connect(C1)
    plane.hello()
    (welcome,) = plane.heard(C1)
    assert welcome == frames.Welcome(runtime_id=RUNTIME, epoch=1, now=plane.clock.time)
    assert [(tenant_id, hello.runtime_id) for tenant_id, hello in plane.described] == [(TENANT, RUNTIME)]


def test_a_repeated_hello_is_welcomed_again_under_the_same_epoch(plane: Plane) -> None:
    plane.laptop()
    plane.say(C1, frames.Hello(runtime_id=RUNTIME, instance="inst_1", seq=1, outbox=A))
    assert [one.epoch for one in plane.heard_of(C1, frames.Welcome)] == [1]


def test_a_newer_connection_always_wins_and_the_older_one_is_told_and_closed(live: Plane) -> None:
    live.connect(C2)
    live.hello(C2)
    assert live.heard(C1) == [frames.Replaced(instance="inst_1")]
    assert C1 in live.sockets.gone
    live.frames.disconnected(C1)
    room = live.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.online(live.clock.time)


def test_a_hello_that_comes_after_its_daemons_next_one_is_not_answered(live: Plane) -> None:
    live.laptop(C2)
    live.heard(C1)
    live.sockets.gone.clear()
    live.say(C1, frames.Hello(runtime_id=RUNTIME, instance="inst_1", seq=1, outbox=A))
    assert live.heard(C1) == []
    live.ping(C2)
    assert live.heard_of(C2, frames.Pong)


def test_a_hello_of_a_connection_that_is_closed_already_leaves_the_runtime_away(plane: Plane) -> None:
    plane.connect(C1)
    plane.sockets.gone.add(C1)
    plane.hello()
    room = plane.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.connection_id is None


@pytest.mark.parametrize(("protocol", "spoken"), [(0, None), (1, 1), (2, 1)])
def test_the_plane_speaks_its_protocol_or_the_daemons_if_that_is_older(
    plane: Plane, protocol: int, spoken: int | None
) -> None:
    plane.connect(C1)
    plane.say(C1, frames.Hello(runtime_id=RUNTIME, instance="i", seq=1, outbox=A, protocol=protocol))
    (answer,) = plane.heard(C1)
    assert getattr(answer, "protocol", None) == spoken
    assert (spoken is None) == isinstance(answer, frames.ErrorFrame)


def test_a_ping_is_answered_and_renews_the_lease(live: Plane) -> None:
    live.clock.time += LEASE_S - 1
    live.ping()
    assert live.heard(C1) == [frames.Pong(now=live.clock.time)]
    live.clock.time += LEASE_S - 1
    room = live.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.online(live.clock.time)


def test_the_end_of_the_current_connection_means_that_the_laptop_is_away(live: Plane) -> None:
    live.frames.disconnected(C1)
    live.post()
    assert live.state.phase == "rescheduling"
    assert isinstance(live.stores.connections, FakeConnections)
    assert live.stores.connections.rows == {}


def test_the_end_of_a_connection_that_nobody_knows_is_nothing(plane: Plane) -> None:
    plane.frames.disconnected(STRANGER)


# ---- a secret that opens nothing any more


def test_what_a_key_opened_is_closed_and_nothing_reaches_it_any_more(running: Plane) -> None:
    """Catches a viewer who goes on following with a key that was taken from them."""
    running.viewer(V1)
    running.viewer(V2)
    running.frames.hang_up(TENANT, "key_1")
    assert running.sockets.gone == {V1, V2}
    running.batch(running.said())
    assert running.heard(V1) == running.heard(V2) == []
    running.sockets.gone.clear()
    running.say(V1, frames.Attach(session_id=SESSION, after="0"))
    assert errors(running, V1) == [("not_a_viewer", "attach")], "one that could not be closed has lost its row"


def test_what_another_key_or_tenant_opened_stays_open(running: Plane) -> None:
    running.viewer(V1)
    for tenant_id, holder in ((OTHER, "key_1"), (TENANT, "key_2"), (TENANT, "key_"), (OTHER, RUNTIME)):
        running.frames.hang_up(tenant_id, holder)
    assert running.sockets.gone == set()


def test_a_laptop_whose_token_is_revoked_is_away(live: Plane) -> None:
    live.frames.hang_up(TENANT, RUNTIME)
    assert live.sockets.gone == {C1}
    live.post()
    assert live.state.phase == "rescheduling"


def test_hanging_up_again_does_nothing_to_what_has_ended(running: Plane) -> None:
    running.viewer(V1)
    running.frames.disconnected(V1)
    running.frames.hang_up(TENANT, "key_1")
    assert running.sockets.gone == set()


def test_a_viewer_whose_key_has_ended_is_told_and_closed(running: Plane) -> None:
    """Catches a key that was good for a minute and reads the log for two hours."""
    running.viewer(V1)
    row = running.stores.connections.get(V1)
    assert row is not None
    running.clock.time = row.expires_at
    running.say(V1, frames.Attach(session_id=SESSION, after="0"))
    assert errors(running, V1) == [("unauthorized", "attach")]
    assert running.sockets.gone == {V1}


# ---- sessions


def test_a_batch_is_acknowledged_with_the_head_of_the_log(running: Plane) -> None:
    running.batch(running.said())
    (ack,) = running.heard(C1)
    assert (ack.outbox, ack.batch, ack.verdict, ack.head_n) == (A, 1, "ok", running.log()[-1].n)
    running.batch(running.said("sevt_y"))
    assert running.log()[-1].prev == ack.head_hash


def test_a_batch_sent_again_is_acknowledged_again_and_says_nothing_about_who_watches(running: Plane) -> None:
    """Catches a repeat that tells the daemon to stop its deltas: its ack carries no newer word on that."""
    running.viewer()
    running.batch(running.said())
    running.heard(C1)
    before = len(running.log())
    running.send_batch(running.said(), number=1)
    (ack,) = running.heard(C1)
    assert (ack.batch, ack.verdict, ack.as_of) == (1, "ok", 0.0)
    assert len(running.log()) == before


def test_what_the_numbers_of_a_restored_disk_are_answered(running: Plane) -> None:
    running.batch(running.said())
    running.heard(C1)
    running.send_batch(running.said("sevt_other"), number=1)
    running.send_batch(running.said("sevt_other"), number=3)
    assert [(one.verdict, one.batch) for one in running.heard(C1)] == [("conflict", 1), ("gap", 1)]


def test_a_batch_of_another_outbox_than_the_rooms_waits_for_the_hello_it_crossed(running: Plane) -> None:
    before = len(running.log())
    running.send_batch(running.said(), number=1, outbox=B)
    assert running.heard(C1) == []
    assert len(running.log()) == before


def test_a_batch_for_a_deleted_session_is_answered_with_the_dispose(running: Plane) -> None:
    said = running.said()
    running.actors.sessions.delete(TENANT, SESSION)
    running.heard(C1)
    running.batch(said)
    assert running.heard(C1) == [frames.SessionDispose(session_id=SESSION)]


def test_the_ack_tells_whether_the_session_is_watched(running: Plane) -> None:
    running.batch(running.said())
    (ack,) = running.heard(C1)
    assert (ack.window_ms, ack.as_of) == (None, running.clock.time)
    running.viewer()
    running.heard(C1)
    running.batch(running.said("sevt_y"))
    (ack,) = running.heard(C1)
    assert ack.window_ms == 100


def test_the_end_of_a_turn_prompts_the_next_one(running: Plane) -> None:
    running.post()
    running.batch(running.ended())
    prompt, ack = running.heard(C1)
    assert (prompt.order, ack.batch) == (2, 1)


def test_an_acceptance_is_written_once(running: Plane) -> None:
    before = len(running.log())
    running.accept()
    assert running.heard(C1) == []
    assert len(running.log()) == before


def test_too_many_writers_are_an_error_frame_and_no_exception(running: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise Busy("object_busy", "Try again.", retry_after_s=1)

    monkeypatch.setattr(running.actors.sessions.loop, "act", busy)
    running.batch(running.said())
    (error,) = running.heard(C1)
    assert (error.code, error.of, error.session_id) == ("object_busy", "session.event", SESSION)


# ---- deltas


def test_a_delta_is_kept_and_shown_to_who_wants_them(running: Plane) -> None:
    running.viewer()
    running.viewer(ConnectionId("v2"), deltas=False)
    running.delta(1, 0, "Hel")
    (piece,) = running.heard(V1)
    assert (piece.event_id, piece.offset, piece.text, piece.turn_id) == ("sevt_x", 0, "Hel", running.turn_id)
    assert running.heard(ConnectionId("v2")) == []
    assert isinstance(running.stores.live, FakeLive)
    ((kept, expires_at),) = running.stores.live.turns[TENANT, running.turn_id].values()
    assert (kept.epoch, kept.counter, kept.text) == (1, 1, "Hel")
    assert expires_at == running.clock.time + LIVE_TTL_S


def test_who_follows_is_read_anew_for_every_delta(running: Plane) -> None:
    """Catches a list of followers that outlives them: a viewer that attached just now would see a hole."""
    running.delta(1, 0, "x")
    running.viewer()
    running.delta(2, 1, "y")
    assert [one.text for one in running.heard(V1)] == ["y"]


def test_a_daemon_that_sends_deltas_nobody_wants_is_told_to_stop(running: Plane) -> None:
    running.delta(1, 0, "x")
    assert running.heard(C1) == [frames.SessionWatch(session_id=SESSION, window_ms=None, as_of=running.clock.time)]


def test_a_viewer_found_gone_by_a_delta_is_detached_and_not_tried_again(running: Plane) -> None:
    running.viewer()
    running.sockets.gone.add(V1)
    running.delta(1, 0, "x")
    running.io.clear()
    running.delta(2, 1, "y")
    assert "attachments.of_session" in running.io
    assert "attachments.remove" not in running.io


def test_a_delta_too_large_for_a_frame_reaches_the_viewer_in_pieces(running: Plane) -> None:
    """A daemon may say much at once: when watching begins, it sends all that it has of an event."""
    running.viewer()
    said = 'é\u2028"' * 12_000
    running.delta(1, 5, said)
    pieces = running.heard(V1)
    assert len(pieces) > 1
    assert "".join(one.text for one in pieces) == said
    assert [one.offset for one in pieces] == [5 + sum(len(p.text) for p in pieces[:k]) for k in range(len(pieces))]
    running.delta(2, 5, said)
    assert max(map(len, running.sockets.posted[V1])) <= MAX_DOWN_BYTES


# ---- what it costs


def test_what_a_whole_event_and_its_repeat_cost(running: Plane) -> None:
    running.viewer()
    running.batch(running.said())
    first = running.cost(lambda: running.batch(running.said("sevt_y")))
    assert (first.puts, first.reads, first.summaries) == (1, 3, 0)
    again = running.cost(lambda: running.send_batch(running.said("sevt_y"), number=2))
    assert (again.puts, again.reads) == (0, 2)


def test_what_an_acceptance_costs(live: Plane) -> None:
    live.viewer()
    live.actors.sessions.belongs(TENANT, SESSION, RUNTIME)
    live.post()
    cost = live.cost(live.accept)
    assert (cost.puts, cost.reads, cost.summaries) == (1, 3, 0)


def test_what_the_end_of_a_turn_costs(running: Plane) -> None:
    running.post()
    following = running.cost(lambda: running.batch(running.ended()))
    assert following.puts == 1
    assert following.reads <= 5
    running.accept()
    last = running.cost(lambda: running.batch(running.ended()))
    assert (last.puts, last.summaries) == (2, 1)
    assert last.reads <= 3


def test_what_a_watched_delta_costs(running: Plane) -> None:
    running.viewer()
    first = running.cost(lambda: running.delta(1, 0, "x"))
    assert first.puts == 1
    assert first.reads <= 2
    second = running.cost(lambda: running.delta(2, 1, "y"))
    assert (second.puts, second.reads) == (1, 2)


def test_what_a_ping_costs_while_a_turn_works(running: Plane) -> None:
    running.ping(active=(running.turn_id,))
    cost = running.cost(lambda: running.ping(active=(running.turn_id,)))
    assert cost.puts == 0
    assert cost.reads <= 3


def test_a_question_and_its_answer_reach_each_other_through_the_frames(running: Plane) -> None:
    running.viewer()
    running.batch(running.asks())
    (record,) = running.heard(V1)
    kinds = [one["event"]["type"] for one in record.events]
    assert kinds == ["agent.tool_use", "session.status_idle"]
    assert isinstance(running.log()[-1].events[1], ev.AgentToolUse)
