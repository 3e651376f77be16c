"""Session objects: work item, commit, send. Whoever dies in between is repaired by the next hello, ping or sweep."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.actors.loop import Cause
from chalicelib.core.catalog import WorkItem
from chalicelib.core.errors import Conflicting, NotFound, TooMany, Unprocessable
from chalicelib.core.repeats import Try
from chalicelib.core.session import ConfirmationIn, InterruptIn
from chalicelib.core.session_state import LOOK_AGAIN_S
from chalicelib.wire import frames
from chalicelib.wire.events import TextBlock
from chalicelib.wire.ids import EventId, RuntimeId, SessionId
from chalicelib.wire.limits import MAX_WAITING
from tests.actors.plane import C1, C2, DAY_S, OTHER, RUNTIME, SESSION, TENANT, V1, A, B, Plane, text
from tests.fake_records import FakeSessions
from tests.fakes import FakeWork

ITEM = RUNTIME, SESSION


class Died(BaseException):
    """A Lambda dies."""


def dies() -> None:
    raise Died


def items(plane: Plane) -> dict[tuple[RuntimeId, SessionId], WorkItem]:
    assert isinstance(plane.stores.work, FakeWork)
    return plane.stores.work.items


def status(plane: Plane) -> str:
    assert isinstance(plane.stores.sessions, FakeSessions)
    return plane.stores.sessions.rows[TENANT, SESSION].status


# ---- what people do


def test_a_message_to_a_live_laptop_is_prompted_at_once_with_its_content(live: Plane) -> None:
    record = live.post(text("Hello"))
    (prompt,) = live.heard(C1)
    assert prompt == frames.SessionPrompt(
        session_id=SESSION,
        turn_id=live.turn_id,
        order=1,
        agent_id="echo",
        content=(TextBlock("Hello"),),
        window_ms=None,
        as_of=live.clock.time,
    )
    assert record.n == 2
    assert status(live) == "running"


def test_a_session_made_with_messages_has_them_accepted(plane: Plane) -> None:
    plane.laptop()
    plane.session(text())
    assert plane.state.turn is not None
    assert len(plane.heard(C1)) == 1


def test_a_message_to_a_laptop_that_was_never_online_waits_and_is_sent_when_it_comes(plane: Plane) -> None:
    plane.session()
    plane.post()
    assert status(plane) == "rescheduling"
    plane.connect(C1)
    plane.hello()
    welcome, prompt, watch = plane.heard(C1)
    assert isinstance(welcome, frames.Welcome)
    assert isinstance(prompt, frames.SessionPrompt)
    assert isinstance(watch, frames.SessionWatch)


def test_the_work_item_is_written_before_the_record_and_the_record_before_anything_is_sent(live: Plane) -> None:
    """Catches a commit that nobody would ever come back to, and a prompt that was sent and not remembered."""
    live.io.clear()
    live.post()
    order = [live.io.index(one) for one in ("work.put", "objects.append", "attachments.of_session", "sockets.post")]
    assert order == sorted(order)
    assert items(live)[ITEM].intent == 2
    assert items(live)[ITEM].due == live.clock.time + LOOK_AGAIN_S


def test_the_work_items_intent_is_the_number_of_the_record_that_was_written(live: Plane) -> None:
    """Catches an item for a lost race's number: the deletion of what came between would take it away."""
    live.when(
        "objects.append",
        "before",
        lambda: live.actors.sessions.post(TENANT, SESSION, (InterruptIn(),), expires_in_s=1.0, cause=None),
    )
    live.post()
    assert items(live)[ITEM].intent == 3


def test_a_message_behind_a_turn_needs_no_second_work_item(running: Plane) -> None:
    running.io.clear()
    running.post()
    assert "work.put" not in running.io
    assert running.heard(C1) == []


@pytest.mark.parametrize(("point", "phase"), [("objects.append", "after"), ("attachments.of_session", "before")])
def test_a_lambda_that_dies_after_its_commit_is_made_good_by_the_next_ping(live: Plane, point: str, phase: str) -> None:
    live.when(point, "after" if phase == "after" else "before", dies)
    with pytest.raises(Died):
        live.post()
    assert live.heard(C1) == []
    live.ping()
    assert [one.turn_id for one in live.heard_of(C1, frames.SessionPrompt)] == [live.turn_id]


def test_a_lambda_that_dies_before_its_commit_leaves_an_item_that_does_no_harm(running: Plane) -> None:
    """It may still be about to commit, so its item is not taken away; the end of later work does that."""
    running.batch(running.ended())
    records = len(running.log())
    running.when("objects.append", "before", dies)
    with pytest.raises(Died):
        running.post()
    running.heard(C1)
    running.ping()
    running.actors.sessions.sweep()
    assert ITEM in items(running)
    assert [type(one) for one in running.heard(C1)] == [frames.Pong]
    assert len(running.log()) == records
    running.post()
    running.batch(running.ended())
    assert items(running) == {}


def test_an_item_of_a_session_that_was_never_made_is_removed(plane: Plane) -> None:
    nobody = WorkItem(runtime_id=RUNTIME, tenant_id=TENANT, session_id=SessionId("sesn_none"), intent=2, due=0.0)
    plane.stores.work.put(nobody)
    assert plane.actors.sessions.sweep() == 1
    assert items(plane) == {}


def test_a_put_applied_and_refused_accepts_the_message_once_and_sends_it(live: Plane) -> None:
    live.lies = [True]
    record = live.post()
    assert record.n == 2
    assert len(live.log()) == 2
    assert len(live.heard_of(C1, frames.SessionPrompt)) == 1


def test_a_request_sent_again_with_its_key_is_accepted_once_and_gives_the_same_record(live: Plane) -> None:
    cause = Cause("key_1", "digest_1")
    assert live.post(cause=cause) == live.post(cause=cause)
    assert len(live.log()) == 2
    with pytest.raises(Unprocessable):
        live.post(text("other"), cause=Cause("key_1", "digest_2"))


def test_a_repeated_request_sends_what_is_owed_again(live: Plane) -> None:
    """Whoever asks twice did so because the first answer was lost, and maybe the first send with it."""
    live.post(cause=Cause("key_1", "digest_1"))
    live.heard(C1)
    live.post(cause=Cause("key_1", "digest_1"))
    assert len(live.heard_of(C1, frames.SessionPrompt)) == 1


def test_two_machines_posting_at_once_both_have_their_messages_accepted_in_one_order(live: Plane) -> None:
    live.when("objects.append", "before", lambda: live.post(text("faster")))
    live.post(text("slower"))
    assert [len(one.state.waiting) for one in live.log()] == [0, 0, 1]
    assert live.state.turn is not None
    assert live.state.turn.message.n == 2


def test_refusals_become_errors(running: Plane) -> None:
    for _ in range(MAX_WAITING):
        running.post()
    with pytest.raises(TooMany) as full:
        running.post()
    assert full.value.code == "queue_full"
    with pytest.raises(NotFound) as absent:
        running.post(ConfirmationIn(EventId("sevt_none"), "allow"))
    assert absent.value.code == "no_such_question"


def test_a_question_answered_twice_is_refused_the_second_time(running: Plane) -> None:
    running.batch(running.asks())
    running.post(ConfirmationIn(EventId("sevt_ask"), "allow"))
    with pytest.raises(Conflicting) as raised:
        running.post(ConfirmationIn(EventId("sevt_ask"), "deny"))
    assert raised.value.code == "already_answered"


def test_a_foreign_session_answers_like_an_absent_one(live: Plane) -> None:
    sessions = live.actors.sessions
    for tenant_id, session_id in ((OTHER, SESSION), (TENANT, SessionId("sesn_none"))):
        said = []
        for action in (
            lambda t=tenant_id, s=session_id: sessions.post(t, s, (text(),), expires_in_s=1.0, cause=None),
            lambda t=tenant_id, s=session_id: sessions.delete(t, s),
            lambda t=tenant_id, s=session_id: sessions.head(t, s),
        ):
            with pytest.raises(NotFound) as raised:
                action()
            said.append(raised.value.code)
        assert set(said) == {"session_not_found"}
        assert not sessions.belongs(tenant_id, session_id, RUNTIME)
    assert not sessions.belongs(TENANT, SESSION, RuntimeId("rt_other"))


def test_a_binding_is_read_once(live: Plane) -> None:
    sessions = live.actors.sessions
    assert sessions.belongs(TENANT, SESSION, RUNTIME)
    assert live.cost(lambda: sessions.belongs(TENANT, SESSION, RUNTIME)).io == ()


def test_remembered_bindings_are_bounded(live: Plane) -> None:
    """Catches a warm Lambda whose memory grows with every session that it ever saw."""
    sessions = live.actors.sessions
    sessions._bindings.update({(TENANT, SessionId(f"sesn_x{k}")): RUNTIME for k in range(10_001)})
    assert sessions.belongs(TENANT, SESSION, RUNTIME)
    assert len(sessions._bindings) == 1


def a_try(plane: Plane, count: int, after_ms: int = 0) -> Try:
    return Try("body_1", count, int(plane.clock.time * 1000) + after_ms)


def test_what_an_sdk_sends_again_gives_the_same_record_and_sends_what_is_owed_again(live: Plane) -> None:
    first = live.post(attempt=a_try(live, 0))
    live.heard(C1)
    assert [live.post(attempt=a_try(live, count)) for count in (1, 2)] == [first, first]
    assert len(live.log()) == 2
    assert len(live.heard_of(C1, frames.SessionPrompt)) == 2


def test_a_first_try_that_commits_between_its_repeats_load_and_put_is_found_by_the_repeat(live: Plane) -> None:
    """Catches a look at the state that is not made again after a put that was refused."""
    first = a_try(live, 0)
    live.when("objects.append", "before", lambda: live.post(attempt=first))
    assert live.post(attempt=a_try(live, 1)).n == 2
    assert len(live.log()) == 2


def test_a_first_try_that_loads_after_its_repeat_has_committed_is_not_carried_out(live: Plane) -> None:
    first = a_try(live, 0)
    live.when("objects.newest", "before", lambda: live.post(attempt=a_try(live, 1, 400)))
    assert live.post(attempt=first).n == 2
    assert len(live.log()) == 2


def test_what_the_tries_of_an_sdk_cost(live: Plane) -> None:
    """Catches a read too many for everybody who uses an SDK."""
    first = live.cost(lambda: live.post(attempt=a_try(live, 0)))
    assert (first.puts, first.summaries) == (2, 1)
    assert first.reads <= 4
    again = live.cost(lambda: live.post(attempt=a_try(live, 1)))
    assert again.puts == 0


# ---- archiving


def archive(plane: Plane) -> None:
    plane.actors.sessions.archive(TENANT, SESSION)


def test_an_archived_session_is_marked_in_its_row_and_its_followers_are_told(live: Plane) -> None:
    live.viewer()
    archive(live)
    (told,) = live.heard_of(V1, frames.RecordFrame)
    assert [one["event"]["type"] for one in told.events] == ["session.status_terminated"]
    row = live.stores.sessions.get(TENANT, SESSION)
    assert row is not None
    assert (row.status, row.archived_at) == ("terminated", live.clock.time)


def test_archiving_tells_the_laptop_nothing(live: Plane) -> None:
    """Its folder stays, and its agent is closed as any that nobody talks to."""
    live.heard(C1)
    archive(live)
    live.ping()
    assert [type(one) for one in live.heard(C1)] == [frames.Pong]
    assert items(live) == {}


def test_an_archive_whose_row_was_never_written_is_made_good_by_its_repeat(live: Plane) -> None:
    live.when("sessions.archive", "before", dies)
    with pytest.raises(Died):
        archive(live)
    at = live.clock.time
    live.clock.time += 9.0
    archive(live)
    row = live.stores.sessions.get(TENANT, SESSION)
    assert row is not None
    assert (row.archived_at, len(live.log())) == (at, 2)


def test_who_posts_while_another_archives_is_refused_or_archives_nothing(live: Plane) -> None:
    """Catches a message accepted in a session that is read only."""
    live.when("objects.append", "before", lambda: archive(live))
    with pytest.raises(Conflicting) as late:
        live.post()
    assert late.value.code == "session_archived"
    other = Plane()
    other.session()
    other.when("objects.append", "before", other.post)
    with pytest.raises(Conflicting) as running:
        archive(other)
    assert running.value.code == "session_running"
    assert other.state.archived_at is None


def test_archiving_what_is_not_there_is_refused(live: Plane) -> None:
    for tenant_id, session_id in ((OTHER, SESSION), (TENANT, SessionId("sesn_none"))):
        with pytest.raises(NotFound) as absent:
            live.actors.sessions.archive(tenant_id, session_id)
        assert absent.value.code == "session_not_found"


def test_an_archived_session_is_deleted_on_its_laptop_too(live: Plane) -> None:
    archive(live)
    live.heard(C1)
    live.actors.sessions.delete(TENANT, SESSION)
    assert live.heard(C1) == [frames.SessionDispose(session_id=SESSION)]


def test_the_row_repeats_for_how_long_turns_have_run(running: Plane) -> None:
    row = running.stores.sessions.get(TENANT, SESSION)
    assert row is not None
    assert (row.active_s, row.running_since) == (0.0, running.clock.time)
    running.clock.time += 12.5
    running.batch(running.ended())
    row = running.stores.sessions.get(TENANT, SESSION)
    assert row is not None
    assert (row.active_s, row.running_since) == (12.5, None)


# ---- deletion


def test_delete_is_told_to_the_laptop_until_it_has_removed_the_session(running: Plane) -> None:
    running.actors.sessions.delete(TENANT, SESSION)
    assert running.heard(C1) == [frames.SessionDispose(session_id=SESSION)]
    assert (TENANT, SESSION) not in running.stores.sessions.rows  # type: ignore[attr-defined]  # the twin's dict
    running.ping()
    assert running.heard_of(C1, frames.SessionDispose)
    running.say(C1, frames.SessionDisposed(runtime_id=RUNTIME, session_id=SESSION))
    assert items(running) == {}
    running.ping()
    assert running.heard_of(C1, frames.SessionDispose) == []


def test_a_session_is_deleted_once_and_is_then_absent(live: Plane) -> None:
    live.actors.sessions.delete(TENANT, SESSION)
    with pytest.raises(NotFound):
        live.actors.sessions.delete(TENANT, SESSION)
    with pytest.raises(NotFound):
        live.post()


def test_a_delete_whose_put_was_applied_and_refused_has_happened_once_and_is_told(running: Plane) -> None:
    """Catches a delete that worked and is answered as if there had been no session."""
    running.lies = [True]
    running.actors.sessions.delete(TENANT, SESSION)
    assert running.heard(C1) == [frames.SessionDispose(session_id=SESSION)]
    assert sum(one.state.status == "deleting" for one in running.log()) == 1


def test_a_delete_while_the_laptop_sleeps_is_told_when_it_returns(plane: Plane) -> None:
    plane.session()
    plane.actors.sessions.delete(TENANT, SESSION)
    plane.connect(C1)
    plane.hello()
    assert plane.heard_of(C1, frames.SessionDispose)


def test_a_row_left_behind_by_a_lambda_that_died_after_a_delete_goes_with_the_next_look(live: Plane) -> None:
    live.when("sessions.delete", "before", dies)
    with pytest.raises(Died):
        live.actors.sessions.delete(TENANT, SESSION)
    live.ping()
    assert (TENANT, SESSION) not in live.stores.sessions.rows  # type: ignore[attr-defined]  # the twin's dict


# ---- repair and sweep


def test_a_hello_sends_again_what_is_owed_and_whether_it_is_watched(running: Plane) -> None:
    running.viewer()
    running.batch(running.asks())
    running.post(ConfirmationIn(EventId("sevt_ask"), "deny", "No."))
    running.connect(C2)
    running.hello(C2)
    welcome, verdict, watch = running.heard(C2)
    assert isinstance(welcome, frames.Welcome)
    assert (verdict.result, verdict.deny_message) == ("deny", "No.")
    assert watch.window_ms == 100


def test_a_stale_room_sends_nothing(running: Plane) -> None:
    """A ping that was slow sees a room which is none any more: whoever is current sends."""
    room = running.actors.rooms.view(RUNTIME)
    running.post(InterruptIn())
    running.laptop(C2)
    running.heard(C1)
    assert room is not None
    running.sockets.gone.clear()
    running.actors.sessions.repair(room)
    assert running.heard(C1) == []


def test_a_turn_that_the_plane_has_given_up_is_cancelled_where_it_still_runs(running: Plane) -> None:
    open_turn = frames.OpenTurn(session_id=SESSION, turn_id=running.turn_id, order=1)
    running.ping(turns=(open_turn,))
    assert running.heard_of(C1, frames.SessionCancel) == []
    running.clock.time += 3601
    running.actors.sessions.sweep()
    assert running.state.turn is None
    running.ping(turns=(open_turn,))
    cancel = frames.SessionCancel(session_id=SESSION, turn_id=open_turn.turn_id, order=1)
    assert cancel in running.heard(C1)


def test_a_turn_that_a_laptop_still_has_open_of_a_deleted_session_is_disposed_of(running: Plane) -> None:
    """Catches a child that works on for nobody after a restored disk brought its turn back."""
    open_turn = frames.OpenTurn(session_id=SESSION, turn_id=running.turn_id, order=1)
    running.actors.sessions.delete(TENANT, SESSION)
    running.say(C1, frames.SessionDisposed(runtime_id=RUNTIME, session_id=SESSION))
    running.heard(C1)
    running.ping(turns=(open_turn,))
    assert running.heard_of(C1, frames.SessionDispose) == [frames.SessionDispose(session_id=SESSION)]


def test_a_foreign_session_among_the_open_turns_is_answered_with_nothing(running: Plane) -> None:
    for session_id in (SessionId("sesn_none"), SESSION):
        turn = frames.OpenTurn(session_id=session_id, turn_id=running.turn_id, order=9)
        running.ping(turns=(turn,))
        assert running.heard_of(C1, frames.SessionCancel) == []


def test_the_sweep_looks_at_what_is_due_and_moves_it_to_its_next_deadline(running: Plane) -> None:
    assert running.actors.sessions.sweep() == 0
    running.clock.time += LOOK_AGAIN_S
    assert running.actors.sessions.sweep() == 1
    assert items(running)[ITEM].due > running.clock.time + LOOK_AGAIN_S
    assert running.actors.sessions.sweep() == 0


def test_what_expires_soon_is_looked_at_as_soon_as_it_does(plane: Plane) -> None:
    """Catches a first look that comes a minute after the work began, however little time its messages have."""
    plane.session()
    plane.post(expires_in_s=5.0)
    plane.clock.time += 5.0
    assert plane.actors.sessions.sweep() == 1
    assert plane.state.waiting == ()


def test_a_message_that_expires_before_those_it_waits_behind_is_looked_at_in_its_time(plane: Plane) -> None:
    """Catches a due time that stays where the sweep has put it for the older messages: a day away."""
    plane.session()
    plane.post(expires_in_s=24 * 3600.0)
    plane.clock.time += LOOK_AGAIN_S
    assert plane.actors.sessions.sweep() == 1
    plane.post(expires_in_s=30.0)
    plane.clock.time += 30.0
    assert plane.actors.sessions.sweep() == 1
    assert len(plane.state.waiting) == 1


def test_limits_hold_for_a_turn_whose_message_waited_for_its_machine(plane: Plane) -> None:
    """Catches a due time left where it stood for the waiting message: a day away, with nobody there to ping."""
    plane.session()
    plane.post(text())
    plane.clock.time += 60
    assert plane.actors.sessions.sweep() == 1
    plane.laptop()
    plane.accept()
    plane.actors.frames.disconnected(C1)
    plane.clock.time += 2 * 3600
    assert plane.actors.sessions.sweep() == 1
    assert plane.state.turn is None


def test_the_sweep_expires_what_waited_too_long_and_removes_its_item(plane: Plane) -> None:
    plane.session()
    plane.post(expires_in_s=120.0)
    plane.clock.time += 120.0
    plane.actors.sessions.sweep()
    assert plane.state.waiting == ()
    assert items(plane) == {}
    assert status(plane) == "idle"


def test_the_sweep_sends_again_what_a_killed_lambda_never_sent(live: Plane) -> None:
    live.when("sockets.post", "before", dies)
    with pytest.raises(Died):
        live.post()
    live.clock.time += LOOK_AGAIN_S
    live.actors.sessions.sweep()
    assert len(live.heard_of(C1, frames.SessionPrompt)) == 1


def test_an_item_written_while_the_work_ends_outlives_the_deletion_of_the_old_one(running: Plane) -> None:
    """Catches a delete without its condition: the new message would have no note that it is owed."""
    running.when("work.delete", "before", lambda: running.post())
    running.batch(running.ended())
    assert running.state.turn is not None
    assert items(running)[ITEM].intent == running.log()[-1].n


def test_activity_reported_by_a_ping_keeps_a_turn_alive(running: Plane) -> None:
    for _ in range(40):
        running.clock.time += 25.0
        running.ping(active=(running.turn_id,))
    assert running.state.turn is not None


def test_a_second_machine_ends_the_turn_unknown_and_starts_what_waits(running: Plane) -> None:
    running.post()
    running.laptop(C2, B, "inst_2")
    assert running.state.turn is not None
    assert running.state.turn.outbox == B
    assert running.state.orders == 2


def test_a_sessions_row_repeats_its_status_at_turn_borders_only(running: Plane) -> None:
    running.io.clear()
    running.batch(running.said())
    assert "sessions.summarise" not in running.io
    running.batch(running.ended())
    assert running.io.count("sessions.summarise") == 1
    assert status(running) == "idle"


def test_messages_expire_with_their_own_time(plane: Plane) -> None:
    plane.session()
    plane.post(expires_in_s=60.0)
    plane.post(expires_in_s=DAY_S)
    plane.clock.time += 61.0
    plane.laptop()
    assert plane.state.turn is not None
    assert plane.state.turn.message.n == 3


# ---- what it costs


def test_what_a_message_to_an_idle_session_costs(live: Plane) -> None:
    cost = live.cost(live.post)
    assert (cost.puts, cost.summaries) == (2, 1)
    assert cost.reads <= 5
    live.batch(live.ended())
    keyed = live.cost(lambda: live.post(cause=Cause("key_1", "digest_1")))
    assert keyed.puts == 2
    assert keyed.reads <= 5


def test_what_a_message_behind_a_turn_costs(running: Plane) -> None:
    cost = running.cost(lambda: running.post(cause=Cause("key_1", "digest_1")))
    assert (cost.puts, cost.summaries) == (1, 0)
    assert cost.reads <= 4


def test_a_records_state_stays_small_however_long_the_conversation(live: Plane) -> None:
    for _ in range(60):
        live.post()
        live.accept()
        live.batch(live.said(f"sevt_{live.state.orders}"))
        live.batch(live.ended())
    assert len(msgspec.json.encode(live.state)) < 600
    assert live.batches[A] == 120
