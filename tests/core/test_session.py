"""The session: every rule of its theory as an example. What holds whatever comes is in ``test_session_always``."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.core.details import Details
from chalicelib.core.errors import Refused
from chalicelib.core.repeats import WINDOW_MS, Try
from chalicelib.core.session import (
    KEPT_LAPSED,
    Accepted,
    Acked,
    Archive,
    Batch,
    ConfirmationIn,
    Delete,
    Disposed,
    Gone,
    InterruptIn,
    Post,
    Repeated,
    SessionCue,
    Tick,
    Update,
)
from chalicelib.core.session_state import (
    OwedCancel,
    OwedDispose,
    OwedPrompt,
    OwedVerdict,
    Question,
    Waiting,
    owed,
    stray,
)
from chalicelib.core.step import Stale
from chalicelib.wire import events as ev
from chalicelib.wire.ids import EventId, OutboxId, TurnId
from chalicelib.wire.limits import MAX_MARKS, MAX_QUESTIONS, MAX_WAITING
from tests.core.playing import DAY_S, NEVER_ONLINE, START, Play, fresh, names, room, text

A = OutboxId("obx_a")
B = OutboxId("obx_b")


def running() -> Play:
    play = Play()
    play.post()
    play.accept()
    return play


# ---- life of a message


def test_a_message_to_an_idle_session_on_a_live_machine_begins_its_turn_in_the_same_record() -> None:
    play = Play()
    step = play.post()
    assert names(step.events) == ["user.message", "queued", "turn_started", "sent", "running"]
    assert play.n == 2
    assert play.state.turn is not None
    assert play.state.turn.outbox == A
    assert [type(one) for one in owed(play.state, A)] == [OwedPrompt]


def test_a_message_lives_from_queued_to_one_terminal_receipt() -> None:
    play = Play()
    play.post()
    play.accept()
    play.batch(play.said())
    play.batch(play.ended())
    (seen,) = play.receipts().values()
    assert seen == ["queued", "sent", "on_machine", "started", "completed"]
    assert play.state.turn is None
    assert play.state.phase == "idle"


def test_messages_wait_behind_a_running_turn_first_in_first_out() -> None:
    play = running()
    second = play.post(text("two")).events[0].id
    third = play.post(text("three")).events[0].id
    step = play.batch(play.ended())
    assert [one.id for one in step.events if isinstance(one, ev.MessagePlaced)] == [second]
    assert play.receipts()[third] == ["queued"]
    step = play.batch(play.ended())
    assert [one.id for one in step.events if isinstance(one, ev.MessagePlaced)] == [third]


def test_a_message_that_waited_gets_its_place_where_its_turn_starts() -> None:
    play = running()
    accepted = play.post()
    assert names(accepted.events) == ["user.message", "queued"]
    placed = next(one for one in play.batch(play.ended()).events if isinstance(one, ev.MessagePlaced))
    assert (placed.id, placed.accepted_n) == (accepted.events[0].id, 4)


def test_messages_posted_together_share_a_turn_and_its_receipts() -> None:
    play = Play()
    step = play.post(text("one"), text("two"))
    assert names(step.events) == ["user.message", "user.message", "queued", "turn_started", "sent", "running"]
    play.batch(play.ended())
    assert [seen[-1] for seen in play.receipts().values()] == ["completed", "completed"]


def test_a_message_to_a_machine_that_is_away_waits_and_tells_so_once() -> None:
    play = Play()
    first = play.post(at=room(online=False))
    assert names(first.events) == ["user.message", "queued", "rescheduled"]
    assert names(play.post(at=NEVER_ONLINE).events) == ["user.message", "queued"]
    step = play.tick(room(at=play.now))
    assert names(step.events) == ["message_placed", "turn_started", "sent", "running"]


def test_a_message_waits_while_the_lease_has_lapsed() -> None:
    """Catches a start on a connection that is only remembered: a sleeping laptop would be sent a turn."""
    play = Play()
    lapsed = replace(room(), lease_until=START)
    assert play.post(at=lapsed).state.turn is None


def test_a_message_that_nobody_fetched_in_its_time_expires() -> None:
    play = Play()
    play.post(at=NEVER_ONLINE, expires_in_s=60.0)
    assert play.tick(NEVER_ONLINE, after_s=59.0).events == ()
    step = play.tick(NEVER_ONLINE, after_s=1.0)
    assert names(step.events) == ["message_placed", "expired", "idle:end_turn"]
    assert play.state.waiting == ()


def test_what_expired_while_the_machine_slept_is_not_begun_by_the_tick_that_finds_it_awake() -> None:
    play = Play()
    play.post(at=NEVER_ONLINE, expires_in_s=60.0)
    assert play.tick(room(at=play.now + 100), after_s=100.0).state.turn is None


def test_a_queue_is_full_at_fifty_and_refuses_everything_of_that_post() -> None:
    play = running()
    for _ in range(MAX_WAITING):
        play.post()
    before = play.n
    step = play.post(text(), InterruptIn())
    assert isinstance(step.answer, Refused)
    assert step.answer.code == "queue_full"
    assert (play.n, step.events) == (before, ())


def test_an_interrupt_is_taken_though_the_queue_is_full() -> None:
    play = running()
    for _ in range(MAX_WAITING):
        play.post()
    assert play.post(InterruptIn()).answer is None
    assert play.state.turn is not None
    assert play.state.turn.cancel


# ---- interrupts


def test_an_interrupt_owes_a_cancel_until_the_daemon_reports_the_end() -> None:
    play = running()
    play.post(InterruptIn())
    assert owed(play.state, A) == (OwedCancel(play.turn_id, 1),)
    assert names(play.post(InterruptIn()).events) == ["user.interrupt"]
    play.batch(play.said())
    assert owed(play.state, A) == (OwedCancel(play.turn_id, 1),)
    play.batch(play.ended("cancelled"))
    assert owed(play.state, A) == ()
    assert [seen[-1] for seen in play.receipts().values()] == ["cancelled"]


def test_an_interrupt_stops_what_waits_when_nothing_runs() -> None:
    play = Play()
    play.post(at=NEVER_ONLINE)
    play.post(at=NEVER_ONLINE)
    step = play.post(InterruptIn(), at=NEVER_ONLINE)
    assert names(step.events) == [
        "user.interrupt",
        "message_placed",
        "cancelled",
        "message_placed",
        "cancelled",
        "idle:end_turn",
    ]


def test_an_interrupt_spares_the_message_it_comes_with() -> None:
    """Whoever interrupts and says what to do instead means the old, in either order of the two."""
    for items in ((InterruptIn(), text()), (text(), InterruptIn())):
        play = Play()
        play.post(at=NEVER_ONLINE)
        play.post(*items, at=NEVER_ONLINE)
        assert [seen[-1] for seen in play.receipts().values()] == ["cancelled", "queued"]


def test_an_interrupt_of_a_running_turn_leaves_what_waits_in_its_place() -> None:
    play = running()
    play.post()
    play.post(InterruptIn())
    assert len(play.state.waiting) == 1


# ---- questions


def test_a_question_makes_the_session_ask_until_it_is_answered() -> None:
    play = running()
    step = play.batch(play.asks())
    assert names(step.events) == ["started", "agent.tool_use", "idle:requires_action"]
    assert step.events[-1].stop_reason.event_ids == (EventId("sevt_ask"),)  # type: ignore[union-attr]
    step = play.post(ConfirmationIn(EventId("sevt_ask"), "deny", "No."))
    assert names(step.events) == ["user.tool_confirmation", "running"]
    assert owed(play.state, A) == (OwedVerdict(play.turn_id, EventId("sevt_ask"), play.n - 1, play.n),)
    play.batch(play.settled())
    assert owed(play.state, A) == ()


def test_a_second_question_is_told_with_the_first_and_each_answer_takes_its_own_away() -> None:
    play = running()
    play.batch(play.asks("sevt_1"))
    step = play.batch(play.asks("sevt_2"))
    assert step.events[-1].stop_reason.event_ids == ("sevt_1", "sevt_2")  # type: ignore[union-attr]
    step = play.post(ConfirmationIn(EventId("sevt_2"), "allow"))
    assert step.events[-1].stop_reason.event_ids == ("sevt_1",)  # type: ignore[union-attr]
    assert play.state.questions == (
        Question(EventId("sevt_1"), play.n - 2),
        Question(EventId("sevt_2"), play.n - 1, play.n),
    )


def test_another_event_while_a_question_is_open_does_not_tell_of_it_again() -> None:
    play = running()
    play.batch(play.asks())
    assert names(play.batch(play.said()).events) == ["agent.message"]


def test_a_question_is_answered_once() -> None:
    play = running()
    play.batch(play.asks())
    play.post(ConfirmationIn(EventId("sevt_ask"), "allow"))
    before = play.state
    step = play.post(text(), ConfirmationIn(EventId("sevt_ask"), "deny"))
    assert isinstance(step.answer, Refused)
    assert step.answer.code == "already_answered"
    assert (step.state, step.events) == (before, ())


def test_a_question_that_is_not_open_cannot_be_answered_and_nothing_of_the_post_is_taken() -> None:
    play = running()
    before = play.state
    step = play.post(InterruptIn(), text(), ConfirmationIn(EventId("sevt_none"), "allow"))
    assert isinstance(step.answer, Refused)
    assert step.answer.code == "no_such_question"
    assert (step.state, step.events) == (before, ())


def test_questions_beyond_the_limit_are_not_kept() -> None:
    play = running()
    for k in range(MAX_QUESTIONS + 1):
        play.batch(play.asks(f"sevt_{k}"))
    assert len(play.state.questions) == MAX_QUESTIONS


def test_the_end_of_a_turn_takes_its_questions_away() -> None:
    play = running()
    play.batch(play.asks())
    step = play.batch(play.ended())
    assert play.state.questions == ()
    assert names(step.events)[-1] == "idle:end_turn"


# ---- batches


def test_a_batch_resent_because_its_ack_was_lost_is_acknowledged_and_not_applied_again() -> None:
    play = running()
    play.batch(play.said())
    before, play.batches["obx_a"] = play.state, 0
    step = play.batch(play.said())
    assert step.answer == Acked(1)
    assert (step.state, step.events) == (before, ())


def test_the_same_number_with_other_content_is_a_conflict() -> None:
    """A cloned or restored disk uses a number again."""
    play = running()
    play.batch(play.said())
    step = play.do(Batch(A, 1, "other", (play.said("sevt_y"),), 0, play.here()))
    assert step.answer == Acked(1, "conflict")
    assert step.events == ()


def test_a_number_far_below_the_mark_is_a_repeat_whatever_it_holds() -> None:
    play = running()
    play.batch(play.said("sevt_1"))
    play.batch(play.said("sevt_2"))
    assert play.do(Batch(A, 1, "other", (play.said(),), 0, play.here())).answer == Acked(2)


@pytest.mark.parametrize("done", [0, 1])
def test_a_batch_beyond_the_next_one_is_a_gap(done: int) -> None:
    play = running()
    for _ in range(done):
        play.batch(play.said())
    before = play.state
    step = play.do(Batch(A, done + 2, "h", (play.said(),), 0, play.here()))
    assert step.answer == Acked(done, "gap")
    assert step.state == before


@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_acknowledged_as_nothing(number: int) -> None:
    play = running()
    step = play.do(Batch(A, number, "h", (play.said(),), 0, play.here()))
    assert step.answer == Acked(0)
    assert step.events == ()


def test_what_a_replaced_connection_says_is_refused() -> None:
    """Catches fencing by reading the room alone: that read may be older than the commit."""
    play = running()
    play.tick(play.here(epoch=2))
    before = play.state
    for cue in (
        Batch(A, 1, "h", (play.said(),), 0, play.here(epoch=1)),
        Accepted(play.turn_id, 1, A),
        Tick(play.here(epoch=1), (play.turn_id,)),
        Tick(room(epoch=1, at=play.now + 10 * DAY_S)),
    ):
        step = play.do(cue)
        assert step.answer == Stale(2)
        assert (step.state, step.events) == (before, ())


def test_another_outbox_under_the_same_epoch_is_refused() -> None:
    """The rule "a switch of outbox needs a higher epoch": it fails when only lower epochs are refused."""
    play = running()
    step = play.batch(play.said(), outbox="obx_b")
    assert step.answer == Stale(1)


def test_a_message_posted_with_an_old_view_of_the_room_waits() -> None:
    """Catches a turn bound to a connection that has been replaced."""
    play = Play()
    play.tick(play.here(epoch=2, outbox="obx_b"))
    step = play.post(at=play.here(epoch=1))
    assert names(step.events) == ["user.message", "queued", "rescheduled"]
    assert play.state.epoch == 2


def test_a_session_keeps_the_watermarks_of_four_outboxes_and_asks_an_older_one_to_renew() -> None:
    play = Play()
    turnless = ev.Noted(id=EventId("sevt_n"), turn_id=TurnId("turn_0"), kind="k")
    for k in range(MAX_MARKS + 1):
        assert play.batch(turnless, epoch=k + 1, outbox=f"obx_{k}").answer == Acked(1)
    assert [one.outbox for one in play.state.marks] == [f"obx_{k}" for k in range(1, MAX_MARKS + 1)]
    assert play.state.lapsed == ("obx_0",)
    before = play.state
    step = play.batch(turnless, epoch=9, outbox="obx_0")
    assert step.answer == Acked(0, "renew")
    assert step.state == before


def test_an_outbox_followed_again_goes_on_from_its_own_mark() -> None:
    """Catches one watermark for all: a daemon that switches back would lose or repeat events."""
    play = running()
    play.batch(play.said("sevt_1"))
    play.tick(play.here(2, "obx_b"))
    noted = ev.Noted(id=EventId("sevt_n"), turn_id=TurnId("turn_0"), kind="k")
    assert play.batch(noted, epoch=2, outbox="obx_b").answer == Acked(1)
    assert play.batch(noted, epoch=3, outbox="obx_a").answer == Acked(2)
    assert [one.outbox for one in play.state.marks] == ["obx_b", "obx_a"]


def test_only_the_last_eight_lapsed_outboxes_are_remembered() -> None:
    play = Play()
    noted = ev.Noted(id=EventId("sevt_n"), turn_id=TurnId("turn_0"), kind="k")
    for k in range(MAX_MARKS + KEPT_LAPSED + 3):
        play.batch(noted, epoch=k + 1, outbox=f"obx_{k}")
    assert len(play.state.lapsed) == KEPT_LAPSED
    assert play.state.lapsed[-1] == f"obx_{KEPT_LAPSED + 2}"


def test_a_batch_moves_where_late_viewers_read_live_pieces_from() -> None:
    play = running()
    play.batch(play.said(), live_from=7, epoch=2)
    assert play.state.turn is not None
    assert play.state.turn.live_from == (2, 7)


def test_events_of_no_running_turn_enter_the_log_and_change_no_receipt() -> None:
    play = running()
    late = ev.AgentMessage(id=EventId("sevt_late"), turn_id=TurnId("turn_old"), content=())
    assert names(play.batch(late).events) == ["agent.message"]
    unbound = ev.Opaque(id=EventId("sevt_new"), of="agent.image", body="{}")
    assert names(play.batch(unbound).events) == ["opaque"]
    assert play.state.turn is not None
    assert play.state.turn.receipt == "on_machine"


def test_an_event_that_overtakes_its_acceptance_starts_the_turn_all_the_same() -> None:
    """Frames of one connection may come in any order."""
    play = Play()
    play.post()
    play.batch(play.said())
    (seen,) = play.receipts().values()
    assert seen == ["queued", "sent", "started"]
    assert play.state.turn is not None
    assert play.state.turn.began_at == play.now
    before = play.state
    assert play.accept().state == before


def test_a_repeated_acceptance_changes_nothing() -> None:
    play = running()
    before = play.state
    assert play.accept().events == ()
    assert play.state == before


@pytest.mark.parametrize(
    ("outcome", "reason", "told"),
    [
        ("completed", "end_turn", "idle:end_turn"),
        ("completed", None, "idle:end_turn"),
        ("completed", "refusal", "idle:refusal"),
        ("completed", "max_turn_requests", "idle:retries_exhausted"),
        ("cancelled", "cancelled", "idle:end_turn"),
        ("failed", None, "idle:retries_exhausted"),
        ("unknown", "end_turn", "idle:retries_exhausted"),
    ],
)
def test_the_end_of_a_turn_tells_why_the_session_is_idle(outcome: str, reason: str | None, told: str) -> None:
    play = running()
    step = play.batch(play.ended(outcome, stop_reason=reason))
    assert names(step.events) == ["turn_ended", outcome, told]


def test_a_turn_that_ends_while_another_message_waits_goes_on_without_being_idle() -> None:
    play = running()
    play.post()
    step = play.batch(play.said(), play.ended())
    assert names(step.events) == [
        "started",
        "agent.message",
        "turn_ended",
        "completed",
        "message_placed",
        "turn_started",
        "sent",
    ]
    assert play.state.phase == "running"


# ---- takeover


def test_when_a_second_machine_takes_over_the_turn_that_is_out_ends_unknown_and_is_never_sent_again() -> None:
    play = running()
    former = play.turn_id
    step = play.tick(play.here(2, "obx_b"))
    assert names(step.events) == ["session.error", "unknown", "idle:retries_exhausted"]
    assert owed(play.state, A) == owed(play.state, B) == ()
    assert stray(play.state, former, 1) == OwedCancel(former, 1)
    error = step.events[0]
    assert isinstance(error, ev.SessionError)
    assert error.error.code == "turn_unknown"


def test_a_turn_is_owed_only_to_the_outbox_it_was_first_sent_to() -> None:
    play = Play()
    play.post()
    assert owed(play.state, B) == ()
    assert owed(play.state, None) == ()


def test_the_batch_of_a_new_outbox_ends_the_former_ones_turn_and_starts_what_waits() -> None:
    play = running()
    play.post()
    noted = ev.Noted(id=EventId("sevt_n"), turn_id=TurnId("turn_0"), kind="k")
    step = play.batch(noted, epoch=2, outbox="obx_b")
    assert names(step.events) == ["session.error", "unknown", "note", "message_placed", "turn_started", "sent"]
    assert play.state.turn is not None
    assert play.state.turn.outbox == B


def test_the_same_daemon_on_a_new_connection_keeps_its_turn() -> None:
    play = running()
    before = play.turn_id
    step = play.tick(play.here(epoch=2))
    assert step.events == ()
    assert (play.turn_id, play.state.epoch) == (before, 2)


def test_acceptance_by_another_outbox_than_the_turns_counts_for_nothing() -> None:
    play = Play()
    play.post()
    before = play.state
    assert play.accept(epoch=1, outbox="obx_b").state == before


# ---- limits


def test_a_turn_that_shows_no_activity_is_given_up_and_cancelled_if_the_daemon_still_has_it() -> None:
    play = running()
    turn_id = play.turn_id
    assert play.tick(after_s=600.0).events == ()
    step = play.tick(after_s=1.0)
    assert names(step.events) == ["session.error", "unknown", "idle:retries_exhausted"]
    assert stray(play.state, turn_id, 1) == OwedCancel(turn_id, 1)


def test_the_running_turn_is_no_stray() -> None:
    play = running()
    assert stray(play.state, play.turn_id, 1) is None


def test_a_turn_of_a_deleted_session_is_disposed_of() -> None:
    """Catches a child that goes on working for nobody."""
    play = running()
    turn_id = play.turn_id
    play.do(Delete())
    assert stray(play.state, turn_id, 1) == OwedDispose()
    play.do(Disposed(1))
    assert stray(play.state, turn_id, 1) == OwedDispose()


def test_an_end_reported_after_the_turn_was_given_up_enters_the_log_and_changes_no_receipt() -> None:
    play = running()
    turn_id = play.turn_id
    play.tick(after_s=601.0)
    assert names(play.batch(play.ended(turn_id=turn_id)).events) == ["turn_ended"]
    (seen,) = play.receipts().values()
    assert seen[-1] == "unknown"


def test_after_a_turn_was_given_up_the_next_one_starts_in_the_same_record() -> None:
    play = running()
    play.post()
    step = play.tick(after_s=601.0)
    assert names(step.events) == ["session.error", "unknown", "message_placed", "turn_started", "sent"]
    assert play.state.orders == 2


def test_what_the_daemons_ping_reports_as_working_is_not_given_up() -> None:
    play = running()
    for _ in range(10):
        play.tick(after_s=400.0 / 1.5, active=(play.turn_id,))
    assert play.state.turn is not None


def test_activity_is_written_at_most_once_per_half_limit() -> None:
    """Catches a write at every ping."""
    play = running()
    written = play.n
    for _ in range(24):
        play.tick(after_s=25.0, active=(play.turn_id,))
    assert play.n - written == 1


def test_a_turn_without_an_idle_limit_is_not_written_at_every_ping() -> None:
    """Catches half of no limit taken for zero seconds: a ping every 25 s would write a record each."""
    play = Play(fresh(idle_limit_s=0.0))
    play.post()
    play.accept()
    written = play.n
    for _ in range(24):
        play.tick(after_s=25.0, active=(play.turn_id,))
    assert play.n == written


def test_the_idle_limit_rests_while_the_laptop_sleeps_and_counts_from_its_return() -> None:
    """The rule "the idle limit is suspended while the lease has lapsed": it fails when the room is not asked."""
    play = running()
    asleep = replace(room(), lease_until=play.now)
    assert play.tick(asleep, after_s=3000.0).events == ()
    back = room(at=play.now)
    assert play.tick(back).events == ()
    still = replace(back, lease_until=play.now + DAY_S)
    assert play.tick(still, after_s=590.0).events == ()
    assert play.state.turn is not None
    assert "unknown" in names(play.tick(still, after_s=11.0).events)


def test_the_hard_limit_does_not_rest() -> None:
    play = running()
    asleep = replace(room(), lease_until=play.now)
    assert play.tick(asleep, after_s=3600.0).events == ()
    assert "unknown" in names(play.tick(asleep, after_s=1.0).events)


def test_limits_count_from_the_machine_and_not_from_the_sending() -> None:
    """The rule "limits count from on_machine": it fails when they count from the sending."""
    play = Play()
    play.post()
    assert play.tick(after_s=5000.0).events == ()
    play.accept()
    assert play.state.turn is not None
    assert play.tick(after_s=500.0).events == ()


def test_a_turn_without_limits_runs_on() -> None:
    play = Play(fresh(idle_limit_s=0.0, hard_limit_s=0.0))
    play.post()
    play.accept()
    assert play.tick(after_s=100 * DAY_S).events == ()


def test_a_turn_sent_and_never_confirmed_ends_unknown_with_its_messages_time() -> None:
    """It may have arrived: so unknown, and not expired."""
    play = Play()
    play.post(expires_in_s=60.0)
    step = play.tick(NEVER_ONLINE, after_s=61.0)
    assert step.answer == Stale(1)
    step = play.tick(room(online=False))
    assert names(step.events) == ["session.error", "unknown", "idle:retries_exhausted"]
    assert play.state.turn is None


# ---- deletion


def test_delete_ends_every_waiting_and_running_message_as_cancelled_in_one_record() -> None:
    play = running()
    play.batch(play.asks())
    play.post()
    step = play.do(Delete())
    assert names(step.events) == ["message_placed", "cancelled", "cancelled", "session.deleted"]
    assert (play.state.turn, play.state.waiting, play.state.questions) == (None, (), ())
    assert play.state.status == "deleting"
    assert [seen[-1] for seen in play.receipts().values()] == ["cancelled", "cancelled"]


def test_an_idle_session_is_deleted_too() -> None:
    assert names(Play().do(Delete()).events) == ["session.deleted"]


def test_a_deleted_session_takes_nothing_and_answers_a_batch_with_the_dispose() -> None:
    play = running()
    turn_id = play.turn_id
    play.do(Delete())
    before = play.state
    assert isinstance(play.post().answer, Refused)
    step = play.do(Batch(A, 1, "h", (play.ended(turn_id=turn_id),), 0, play.here()))
    assert step.answer == Gone()
    assert play.do(Delete()).events == ()
    assert play.tick(play.here(epoch=5)).events == ()
    assert play.do(Accepted(turn_id, 1, A)).events == ()
    assert play.state == before


def test_a_deleted_session_is_owed_its_dispose_until_the_daemon_has_removed_it() -> None:
    play = running()
    play.do(Delete())
    assert owed(play.state, B) == (OwedDispose(),)
    play.do(Disposed(1))
    assert play.state.status == "deleted"
    assert owed(play.state, A) == ()


def test_a_removal_that_nobody_asked_for_changes_nothing() -> None:
    play = running()
    before = play.state
    assert play.do(Disposed(1)).state == before
    play.do(Delete())
    play.do(Disposed(1))
    before = play.state
    assert play.do(Disposed(1)).state == before


def test_a_removal_reported_by_a_replaced_connection_is_refused() -> None:
    """Catches a folder left on the laptop: the replaced daemon removed its own, the current one still has one."""
    play = running()
    play.tick(play.here(epoch=2))
    play.do(Delete())
    step = play.do(Disposed(1))
    assert step.answer == Stale(2)
    assert play.state.status == "deleting"


# ---- what people call it by, and when they put it away

OLD, NEW = Details(title="old", metadata={"a": "1"}), Details(title="new", metadata={"a": "1"})


def test_a_change_of_title_is_an_event_that_says_all_and_what_of_it_is_new() -> None:
    play = running()
    (told,) = play.do(Update(OLD, NEW)).events
    assert isinstance(told, ev.SessionUpdated)
    assert (told.title, told.metadata, told.changed) == ("new", {"a": "1"}, ("title",))
    assert play.state.details_n == play.n == 4
    assert play.state.phase == "running"


def test_a_change_that_changes_nothing_is_none() -> None:
    play = Play()
    assert play.do(Update(NEW, NEW)).events == ()
    assert (play.n, play.state.details_n) == (1, 1)


def test_a_session_at_rest_is_archived_and_is_told_to_be_terminated() -> None:
    play = running()
    play.batch(play.ended())
    step = play.do(Archive(), after_s=5.0)
    assert names(step.events) == ["terminated"]
    assert (play.state.archived_at, play.state.phase, play.state.status) == (play.now, "terminated", "open")
    before = play.state
    again = play.do(Archive(), after_s=5.0)
    assert (again.state, again.events, again.answer) == (before, (), None)


@pytest.mark.parametrize("work", ["runs", "waits", "asks"])
def test_a_session_with_work_is_not_archived(work: str) -> None:
    play = running() if work != "waits" else Play()
    if work == "asks":
        play.batch(play.asks())
    elif work == "waits":
        play.post(at=NEVER_ONLINE)
    before = play.state
    step = play.do(Archive())
    assert isinstance(step.answer, Refused)
    assert (step.answer.code, step.state, step.events) == ("session_running", before, ())


@pytest.mark.parametrize(
    "cue",
    [
        Post((text(),), DAY_S, room()),
        Post((InterruptIn(),), DAY_S, room()),
        Update(OLD, NEW),
    ],
)
def test_an_archived_session_is_read_only(cue: SessionCue) -> None:
    play = Play()
    play.do(Archive())
    before = play.state
    step = play.do(cue)
    assert isinstance(step.answer, Refused)
    assert (step.answer.code, step.state, step.events) == ("session_archived", before, ())


def test_an_archived_session_still_takes_what_its_laptop_brings_late() -> None:
    """Catches a batch answered with a dispose, which would remove a folder that nobody wants removed."""
    play = running()
    lost = play.turn_id
    play.tick(after_s=3601.0)
    play.do(Archive())
    step = play.batch(play.ended(turn_id=lost))
    assert step.answer == Acked(1)
    assert names(step.events) == ["turn_ended"]
    assert (play.state.phase, owed(play.state, A)) == ("terminated", ())
    assert stray(play.state, lost, 1) == OwedCancel(lost, 1)


def test_an_archived_session_is_deleted_like_any_other() -> None:
    play = Play()
    play.do(Archive())
    assert names(play.do(Delete()).events) == ["session.deleted"]
    assert owed(play.state, A) == (OwedDispose(),)


@pytest.mark.parametrize("cue", [Archive(), Update(OLD, NEW)])
def test_a_deleted_session_is_neither_archived_nor_renamed(cue: SessionCue) -> None:
    play = Play()
    play.do(Archive())
    play.do(Delete())
    before = play.state
    step = play.do(cue)
    assert isinstance(step.answer, Refused)
    assert (step.answer.code, step.state) == ("session_not_found", before)


def test_the_time_for_which_turns_ran_is_added_up_without_what_they_waited_for_people() -> None:
    play = running()
    play.now += 10.0
    play.batch(play.asks())
    play.now += 1000.0
    play.post(ConfirmationIn(EventId("sevt_ask"), "allow"))
    assert (play.state.active_s, play.state.running_since) == (10.0, play.now)
    play.now += 5.0
    play.batch(play.settled(), play.ended())
    assert (play.state.active_s, play.state.running_since) == (15.0, None)


def test_a_clock_that_goes_back_takes_no_time_away() -> None:
    play = running()
    play.batch(play.asks())
    play.post(ConfirmationIn(EventId("sevt_ask"), "allow"))
    play.now -= 3.0
    play.batch(play.ended())
    assert play.state.active_s == 0.0


# ---- what an SDK sends again


def attempt(count: int, at_ms: int = int(START * 1000), body: str = "b1") -> Try:
    return Try(body, count, at_ms)


def test_a_post_that_an_sdk_sends_again_is_answered_with_the_record_of_the_first() -> None:
    play = Play()
    play.post(attempt=attempt(0))
    play.post(attempt=attempt(0, body="b2"))
    before, n = play.state, play.n
    for count in (1, 2):
        step = play.post(attempt=attempt(count))
        assert (step.state, step.events, step.answer) == (before, (), Repeated(2))
    assert play.n == n


def test_a_first_try_that_its_own_repeat_has_overtaken_is_not_carried_out() -> None:
    """Catches a slow function that runs the prompt after its client has been answered by another one."""
    play = Play()
    arrived_ms = int(START * 1000)
    play.post(attempt=attempt(1, arrived_ms + 400))
    assert play.post(attempt=attempt(0, arrived_ms)).answer == Repeated(2)
    assert play.n == 2


def test_two_posts_that_say_the_same_on_purpose_are_both_carried_out() -> None:
    play = Play()
    for k in range(3):
        assert play.post(attempt=attempt(0, int(START * 1000) + k)).answer is None
    assert play.n == 4


def test_a_post_that_is_refused_is_not_taken_for_carried_out() -> None:
    play = running()
    question = ConfirmationIn(EventId("sevt_ask"), "allow")
    assert isinstance(play.post(question, attempt=attempt(0)).answer, Refused)
    play.batch(play.asks())
    assert play.post(question, attempt=attempt(1)).answer is None


def test_what_was_carried_out_before_the_session_was_archived_is_still_answered_so() -> None:
    play = Play()
    play.post(InterruptIn(), attempt=attempt(0))
    play.do(Archive())
    assert play.post(InterruptIn(), attempt=attempt(1)).answer == Repeated(2)


def test_tries_are_forgotten_with_the_next_record_after_their_time() -> None:
    """Catches a state that carries them for ever, in each record."""
    play = running()
    play.post(attempt=attempt(0))
    assert [one.n for one in play.state.tried] == [4]
    play.now += 3 * WINDOW_MS / 1000
    play.batch(play.said())
    assert not play.state.tried


def test_deciding_never_raises_for_an_empty_post() -> None:
    play = Play()
    for one in (None, attempt(0)):
        assert play.do(Post((), DAY_S, play.here(), one)).events == ()
    assert (play.n, play.state.waiting) == (1, ())


def test_a_waiting_message_is_numbered_by_its_record() -> None:
    play = running()
    play.post(expires_in_s=60.0)
    assert play.state.waiting == (Waiting(4, 1, START + 60.0),)
