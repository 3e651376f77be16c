"""The desk answers each frame from the journal: nothing runs twice, nothing is said that is not on disk."""

from __future__ import annotations

import pytest

from mooring.core.open_text import OpenText
from mooring.edge.journal_rows import TurnRow
from mooring.errors import MoorError
from mooring.wire import frames
from mooring.wire.codec import BadFrame, UnknownFrame
from mooring.wire.events import AgentToolUse, TextBlock
from mooring.wire.ids import EventId, TurnId
from tests.daemon.daemon.laptop import RUNTIME, T1, T2, T3, Laptop, S, T, ended, event_ids, events_of, said

ACCEPTED = frames.SessionAccepted(runtime_id=RUNTIME, session_id=S, turn_id=T1)
DISPOSED = frames.SessionDisposed(runtime_id=RUNTIME, session_id=S)


@pytest.fixture
def laptop() -> Laptop:
    return Laptop().online()


def row(laptop: Laptop, turn_id: TurnId = T1) -> TurnRow:
    found = laptop.journal.turn(S, turn_id)
    assert found is not None
    return found


# ---- prompts


def test_prompt_is_on_disk_before_it_is_accepted_and_before_it_runs(laptop: Laptop) -> None:
    """Catches a desk that answers or starts first."""
    seen: list[tuple[str, str]] = []
    laptop.desk._outbox._transmit = lambda frame: seen.append(("sent", row(laptop).state))
    laptop.runner.start = lambda order: seen.append(("started", row(laptop).state))  # type: ignore[method-assign]  # spy
    laptop.prompt()
    assert seen == [("sent", "accepted"), ("started", "accepted")]


def test_prompt_again_is_answered_again_and_not_run_again(laptop: Laptop) -> None:
    for _ in range(2):
        laptop.prompt()
    assert laptop.desk.start_turn(S, T1)
    laptop.prompt()
    laptop.desk.end_turn(S, T1, [ended()])
    laptop.prompt()
    assert laptop.take(frames.SessionAccepted) == [ACCEPTED] * 4
    assert [order.turn_id for order in laptop.runner.started] == [T1]


def test_order_carries_what_the_turn_needs(laptop: Laptop) -> None:
    laptop.desk.remember(S, "echo", "opaque")
    laptop.prompt(text="do it")
    order = laptop.runner.started[0]
    assert (order.session_id, order.order, order.agent_id, order.continuation) == (S, 1, "echo", "opaque")
    assert order.content == (TextBlock("do it"),)


def test_continuation_of_another_agent_is_not_handed_on(laptop: Laptop) -> None:
    laptop.desk.remember(S, "codex-acp", "opaque")
    laptop.prompt()
    assert laptop.runner.started[0].continuation is None


def test_old_prompt_that_nobody_remembers_is_not_run(laptop: Laptop) -> None:
    """Catches a desk that forgets the highest order with the pruned turn."""
    laptop.prompt(T2, 2)
    laptop.prompt(T1, 1)
    assert [order.turn_id for order in laptop.runner.started] == [T2]
    assert [frame.turn_id for frame in laptop.take(frames.SessionAccepted)] == [T2]


def test_newer_turn_waits_until_the_older_one_has_stopped(laptop: Laptop) -> None:
    """Catches two turns of a session at once."""
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.prompt(T2, 2)
    assert laptop.runner.cancelled == [T1]
    assert [order.turn_id for order in laptop.runner.started] == [T1]
    laptop.desk.end_turn(S, T1, [ended(T1, "cancelled")])
    assert [order.turn_id for order in laptop.runner.started] == [T1, T2]
    assert laptop.desk.start_turn(S, T2)


def test_turn_that_waited_is_superseded_by_a_newer_one_and_ends_here(laptop: Laptop) -> None:
    for turn_id, order in ((T1, 1), (T2, 2), (T3, 3)):
        laptop.prompt(turn_id, order)
    assert row(laptop, T2).state == "done"
    assert events_of(laptop.take(frames.SessionEvent)[0])[0]["outcome"] == "cancelled"
    assert not laptop.desk.start_turn(S, T1)
    assert row(laptop).state == "done"
    assert [order.turn_id for order in laptop.runner.started] == [T1, T3]


def test_sessions_run_side_by_side(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.prompt(T2, 1, T)
    assert laptop.desk.start_turn(S, T1)
    assert laptop.desk.start_turn(T, T2)


def test_only_the_turn_given_to_the_runner_can_start_and_only_once(laptop: Laptop) -> None:
    assert not laptop.desk.start_turn(S, T1)
    laptop.prompt()
    assert laptop.desk.start_turn(S, T1)
    assert not laptop.desk.start_turn(S, T1)
    assert row(laptop).state == "started"


# ---- cancels


def test_cancel_before_its_prompt_ends_the_turn_and_the_prompt_is_not_run(laptop: Laptop) -> None:
    """Catches a desk that ignores a cancel it knows no turn for."""
    laptop.cancel()
    (batch,) = laptop.take(frames.SessionEvent)
    (end,) = events_of(batch)
    assert (end["type"], end["turn_id"], end["outcome"]) == ("mooring.turn_ended", T1, "cancelled")
    laptop.prompt()
    assert laptop.runner.started == []
    assert laptop.take() == [ACCEPTED]


def test_cancel_for_a_turn_that_was_overtaken_is_still_answered(laptop: Laptop) -> None:
    """The plane gave turn 1 up, its prompt was lost, turn 2 came first: the cancel is owed until its end is told."""
    laptop.prompt(T2, 2)
    laptop.cancel(T1, 1)
    assert events_of(laptop.take(frames.SessionEvent)[0])[0]["turn_id"] == T1
    assert laptop.runner.cancelled == []
    assert laptop.desk.start_turn(S, T2)


def test_cancel_again_tells_no_second_end(laptop: Laptop) -> None:
    laptop.cancel()
    laptop.ack(1)
    laptop.cancel()
    assert laptop.journal.highest_batch(S) == 1


def test_cancel_of_a_running_turn_goes_to_the_runner_each_time(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.cancel()
    laptop.cancel()
    assert laptop.runner.cancelled == [T1, T1]
    assert row(laptop).state == "started"


def test_turn_cancelled_while_it_is_prepared_never_calls_its_agent(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.cancel()
    assert laptop.take(frames.SessionEvent) == []
    assert not laptop.desk.start_turn(S, T1)
    assert events_of(laptop.take(frames.SessionEvent)[0])[0]["outcome"] == "cancelled"


def test_cancel_of_a_newer_unknown_turn_stops_the_older_one(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.cancel(T2, 2)
    assert laptop.runner.cancelled == [T1]


def test_cancel_survives_a_crash_before_the_turn_began(laptop: Laptop) -> None:
    """Catches a cancel kept in memory only: the restarted daemon would run the turn."""
    laptop.prompt()
    laptop.cancel()
    later = laptop.restarted()
    later.desk.recover()
    assert later.runner.started == []
    assert row(later).state == "done"


def test_cancel_for_an_unknown_turn_outlives_the_turns_that_are_remembered(laptop: Laptop) -> None:
    """Catches a refusal that does not raise the order: the late prompt of a pruned turn would run."""
    laptop.cancel(T3, 3)
    laptop.journal._run("DELETE FROM turns")
    laptop.prompt(T3, 3)
    assert laptop.runner.started == []


# ---- the end of a turn


def test_end_of_a_turn_is_told_once(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    assert laptop.desk.end_turn(S, T1, [said("last"), ended()])
    assert not laptop.desk.end_turn(S, T1, [said("later"), ended()])
    assert event_ids(laptop.take(frames.SessionEvent)) == ["sevt_last", f"sevt_end_{T1}"]


@pytest.mark.parametrize("events", [[said("a")], [ended(), ended()], [ended(T2)]])
def test_end_without_exactly_its_own_end_is_refused(laptop: Laptop, events: list[object]) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    with pytest.raises(MoorError, match="bad_turn_end"):
        laptop.desk.end_turn(S, T1, events)  # type: ignore[arg-type]  # parametrized
    assert row(laptop).state == "started"


def test_turn_that_waits_can_end_while_the_older_one_goes_on(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.prompt(T2, 2)
    assert laptop.desk.end_turn(S, T2, [ended(T2, "failed")])
    assert [order.turn_id for order in laptop.runner.started] == [T1]
    laptop.desk.end_turn(S, T1, [ended()])
    assert [order.turn_id for order in laptop.runner.started] == [T1]


def test_turn_that_never_started_can_end_with_a_reason(laptop: Laptop) -> None:
    laptop.prompt()
    assert laptop.desk.end_turn(S, T1, [ended(T1, "failed")])
    laptop.prompt(T2, 2)
    assert laptop.desk.start_turn(S, T2)


# ---- the process dies


def test_half_run_turn_ends_unknown_and_is_not_run_again(laptop: Laptop) -> None:
    """Catches a recovery that hands the turn to the runner a second time, or tells its readers nothing of it."""
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.desk.emit(S, [said("half")])
    later = laptop.restarted()
    later.desk.recover()
    assert later.runner.started == []
    later.online(2).ack(1)
    told, end = events_of(later.take(frames.SessionEvent)[-1])
    assert (told["type"], told["turn_id"], told["error"]["code"]) == ("session.error", T1, "daemon_restarted")
    assert (end["outcome"], end["error"]["code"]) == ("unknown", "daemon_restarted")


def test_accepted_turn_is_run_by_the_next_process(laptop: Laptop) -> None:
    laptop.prompt(text="still to do")
    later = laptop.restarted()
    later.desk.recover()
    assert [order.content for order in later.runner.started] == [(TextBlock("still to do"),)]


def test_recovery_settles_what_was_superseded_and_runs_the_newest(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.prompt(T2, 2)
    later = laptop.restarted()
    later.desk.recover()
    assert row(later).state == "done"
    assert [order.turn_id for order in later.runner.started] == [T2]


def test_batch_is_sent_again_byte_for_byte_by_the_next_process(laptop: Laptop) -> None:
    laptop.desk.emit(S, [said("a")])
    (first,) = laptop.take(frames.SessionEvent)
    laptop.desk.emit(S, [said("b")])
    later = laptop.restarted()
    later.desk.recover()
    later.desk.connected()
    later.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=2))
    (again,) = later.take(frames.SessionEvent)
    assert (again.outbox, again.batch, bytes(again.events)) == (first.outbox, first.batch, bytes(first.events))


# ---- dispose


def test_dispose_kills_first_and_answers_when_it_is_done_each_time(laptop: Laptop) -> None:
    laptop.prompt()
    dispose = frames.SessionDispose(session_id=S)
    laptop.take()
    laptop.desk.frame(dispose)
    laptop.desk.frame(dispose)
    assert (laptop.runner.disposing, laptop.take()) == ([S, S], [])
    laptop.desk.disposed(S)
    laptop.desk.frame(dispose)
    assert laptop.take() == [DISPOSED, DISPOSED]
    assert laptop.runner.disposing == [S, S]


def test_disposed_session_answers_prompt_and_cancel_so_and_runs_nothing(laptop: Laptop) -> None:
    """Catches a missing tombstone."""
    laptop.desk.disposed(S)
    laptop.take()
    laptop.prompt()
    laptop.cancel(T2, 2)
    assert laptop.take() == [DISPOSED, DISPOSED]
    assert laptop.runner.started == []


def test_session_being_disposed_starts_nothing(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.frame(frames.SessionDispose(session_id=S))
    laptop.prompt(T2, 2)
    assert not laptop.desk.start_turn(S, T1)
    assert [order.turn_id for order in laptop.runner.started] == [T1]
    assert laptop.journal.turn(S, T2) is None


def test_session_being_disposed_starts_nothing_after_a_crash_either(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.frame(frames.SessionDispose(session_id=S))
    later = laptop.restarted()
    later.desk.recover()
    assert later.runner.started == []


def test_what_a_dying_child_still_says_leaves_no_trace_of_the_session(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.desk.disposed(S)
    laptop.take()
    assert not laptop.desk.emit(S, [said("a")])
    assert not laptop.desk.end_turn(S, T1, [ended()])
    laptop.desk.remember(S, "echo", "opaque")
    laptop.desk.grow(S, text("x"))
    laptop.desk.frame(frames.SessionWatch(session_id=S, window_ms=100, as_of=1.0))
    assert (laptop.take(), laptop.journal.ready_sessions(), laptop.journal.continuation(S)) == ([], (), None)


def test_late_ack_for_a_disposed_session_renews_nothing(laptop: Laptop) -> None:
    """Catches a desk that takes the ack of a buried session for one above its own numbers."""
    laptop.desk.emit(S, [said("a")])
    laptop.desk.disposed(S)
    outbox = laptop.journal.outbox
    laptop.ack(1)
    assert laptop.journal.outbox == outbox


# ---- hello, ping, resend


def test_hello_is_said_again_until_welcome() -> None:
    laptop = Laptop()
    laptop.desk.tick(laptop.clock.now)
    assert laptop.take() == []
    laptop.desk.connected()
    laptop.clock.now += 4.9
    laptop.desk.tick(laptop.clock.now)
    assert len(laptop.take(frames.Hello)) == 1
    assert laptop.desk.next_wake(laptop.clock.now) == pytest.approx(laptop.clock.now + 0.1)
    laptop.clock.now += 0.1
    laptop.desk.tick(laptop.clock.now)
    (hello,) = laptop.take()
    assert (hello.outbox, hello.instance, hello.seq) == (laptop.journal.outbox, "one", 2)
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
    laptop.clock.now += 5
    laptop.desk.tick(laptop.clock.now)
    assert laptop.take(frames.Hello) == []


def test_hello_of_a_second_connection_counts_on() -> None:
    laptop = Laptop()
    laptop.desk.connected()
    assert laptop.desk.hello().seq == 2


def test_plane_that_knows_no_speaker_for_the_runtime_is_told_hello_again(laptop: Laptop) -> None:
    laptop.desk.frame(frames.ErrorFrame(code="hello_first", message="no daemon speaks for this runtime"))
    assert ([type(frame) for frame in laptop.take()], laptop.desk.online) == ([frames.Hello], False)


def test_nothing_is_sent_but_hello_before_welcome_and_nothing_offline() -> None:
    laptop = Laptop()
    laptop.desk.emit(S, [said("a")])
    laptop.desk.connected()
    laptop.desk.emit(S, [said("b")])
    assert [type(frame) for frame in laptop.take()] == [frames.Hello]
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
    assert event_ids(laptop.take()) == ["sevt_a", "sevt_b"]
    laptop.desk.disconnected()
    laptop.desk.emit(T, [said("c")])
    laptop.desk.tick(laptop.clock.now + 1000)
    assert (laptop.take(), laptop.desk.online) == ([], False)


def test_welcome_again_sends_nothing_again(laptop: Laptop) -> None:
    laptop.desk.emit(S, [said("a")])
    laptop.take()
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
    assert laptop.take() == []
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=2))
    assert event_ids(laptop.take()) == ["sevt_a"]


def test_ping_comes_with_welcome_and_then_at_the_pace_of_the_plane() -> None:
    laptop = Laptop()
    laptop.desk.connected()
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1, ping_s=10))
    laptop.desk.tick(laptop.clock.now)
    assert [type(frame) for frame in laptop.take()] == [frames.Hello, frames.Ping]
    laptop.desk.tick(laptop.clock.now + 9.9)
    assert laptop.take() == []
    assert laptop.desk.next_wake(laptop.clock.now) == laptop.clock.now + 10
    laptop.desk.tick(laptop.clock.now + 10)
    laptop.desk.tick(laptop.clock.now + 11)
    assert laptop.take() == [frames.Ping(runtime_id=RUNTIME)]


def test_ping_names_what_is_active_and_every_open_turn(laptop: Laptop) -> None:
    """Catches a ping that forgets a turn the plane may have given up: nobody would ever stop it."""
    laptop.prompt()
    laptop.prompt(T2, 7, T)
    laptop.desk.end_turn(T, T2, [ended(T2)])
    laptop.runner.working = (T1,)
    laptop.desk.tick(laptop.clock.now + 25)
    open_turns = (frames.OpenTurn(session_id=S, turn_id=T1, order=1),)
    assert laptop.take(frames.Ping) == [frames.Ping(runtime_id=RUNTIME, active=(T1,), turns=open_turns)]


def test_clock_set_back_does_not_silence_the_pings(laptop: Laptop) -> None:
    """Catches deadlines that are compared by ``<=`` alone."""
    laptop.desk.emit(S, [said("a")])
    laptop.take()
    laptop.clock.now -= 7200
    laptop.desk.tick(laptop.clock.now)
    assert [type(frame) for frame in laptop.take()] == [frames.Ping, frames.SessionEvent]


def test_unanswered_batch_is_sent_again_after_its_time(laptop: Laptop) -> None:
    laptop.desk.emit(S, [said("a")])
    (first,) = laptop.take()
    laptop.desk.emit(S, [said("b")])
    laptop.desk.tick(laptop.clock.now + 19.9)
    assert laptop.take() == []
    assert laptop.desk.next_wake(laptop.clock.now) == laptop.clock.now + 20
    laptop.desk.tick(laptop.clock.now + 20)
    laptop.desk.tick(laptop.clock.now + 21)
    assert laptop.take() == [first]
    laptop.ack(1)
    (second,) = laptop.take()
    assert event_ids([second]) == ["sevt_b"]
    laptop.ack(2)
    laptop.desk.tick(laptop.clock.now + 24)
    assert laptop.take() == []


def test_old_tombstones_are_pruned_once_a_day(laptop: Laptop) -> None:
    laptop.desk.disposed(S)
    laptop.desk.tick(laptop.clock.now + 91 * 24 * 3600)
    assert not laptop.journal.is_buried(S)


# ---- acks that can't be


@pytest.mark.parametrize("verdict", ["gap", "conflict", "renew"])
def test_distrusted_numbers_are_renewed_and_said_hello_for_before_they_are_used(laptop: Laptop, verdict: str) -> None:
    laptop.desk.emit(S, [said("a")])
    laptop.desk.emit(S, [said("b")])
    old = laptop.journal.outbox
    laptop.take()
    laptop.ack(0, verdict=verdict)
    (hello,) = laptop.take()
    assert hello.outbox == laptop.journal.outbox != old
    laptop.ack(0, verdict=verdict, outbox=old)
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=1))
    assert laptop.take() == []
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=2))
    (batch,) = laptop.take()
    assert (batch.outbox, batch.batch, event_ids([batch])) == (hello.outbox, 1, ["sevt_a", "sevt_b"])


def test_ack_above_the_own_numbers_shows_a_restored_disk() -> None:
    """Catches a desk that takes such an ack for an ordinary one and loses what it never delivered."""
    laptop = Laptop().online()
    laptop.desk.emit(S, [said("a")])
    laptop.take()
    laptop.ack(4, head_n=9, head_hash="h")
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=2))
    assert event_ids(laptop.take(frames.SessionEvent)) == ["sevt_a"]
    assert laptop.journal.highest_batch(S) == 1


def test_renewal_offline_says_hello_only_once_connected(laptop: Laptop) -> None:
    laptop.desk.emit(S, [said("a")])
    laptop.desk.disconnected()
    laptop.take()
    laptop.ack(0, verdict="renew")
    assert laptop.take() == []
    laptop.online(2)
    assert laptop.desk.online


def test_rewritten_log_is_noticed(laptop: Laptop, caplog: pytest.LogCaptureFixture) -> None:
    laptop.desk.emit(S, [said("a")])
    laptop.ack(1, head_n=5, head_hash="one")
    laptop.ack(1, head_n=5, head_hash="one")
    assert "rewritten" not in caplog.text
    laptop.ack(1, head_n=5, head_hash="other")
    assert "rewritten" in caplog.text


# ---- a full outbox


def test_full_outbox_says_so_keeps_what_settles_and_counts_what_is_missing() -> None:
    laptop = Laptop(max_bytes=500).online()
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    assert laptop.desk.emit(S, [said("fits")])
    assert not laptop.desk.emit(S, [said("lost", text="x" * 500)])
    assert not laptop.desk.emit(S, [said("lost too", text="x" * 500)])
    laptop.ack(1)
    laptop.desk.end_turn(S, T1, [ended()])
    laptop.ack(2)
    told = [event for batch in laptop.take(frames.SessionEvent) for event in events_of(batch)]
    assert [event.get("kind", event["type"]) for event in told] == [
        "agent.message",
        "outbox_full",
        "events_dropped",
        "mooring.turn_ended",
    ]
    assert told[2]["text"].startswith("2 events")


def test_full_outbox_still_takes_a_question_and_counts_nothing_as_missing() -> None:
    """Catches a question dropped as bulk: its agent would wait for an answer that nobody is asked for."""
    laptop = Laptop(max_bytes=10).online()
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    question = AgentToolUse(
        id=EventId("sevt_q"), turn_id=T1, name="Bash", input={}, evaluated_permission="ask", call_hash="h"
    )
    assert laptop.desk.emit(S, [question])
    laptop.ack(1)
    laptop.desk.end_turn(S, T1, [ended()])
    assert event_ids(laptop.take(frames.SessionEvent)) == ["sevt_q", f"sevt_end_{T1}"]


def test_offline_the_answers_are_kept_for_when_they_are_asked_for_again() -> None:
    laptop = Laptop()
    laptop.prompt()
    assert (laptop.take(), [order.turn_id for order in laptop.runner.started]) == ([], [T1])


# ---- takeover and the rest


def test_own_rotation_is_not_a_takeover_and_another_daemon_is(laptop: Laptop) -> None:
    for instance in ("one", ""):
        laptop.desk.frame(frames.Replaced(instance=instance))
        assert (laptop.desk.taken_over, laptop.desk.online) == (False, True)
    laptop.desk.frame(frames.Replaced(instance="two"))
    assert (laptop.desk.taken_over, laptop.desk.online) == (True, False)


def test_verdict_goes_to_the_runner(laptop: Laptop) -> None:
    verdict = frames.PermissionVerdict(session_id=S, turn_id=T1, tool_use_id=EventId("sevt_q"), result="allow")
    laptop.desk.frame(verdict)
    assert laptop.runner.verdicts == [verdict]


def test_errors_and_frames_of_a_newer_plane_are_logged_and_skipped(
    laptop: Laptop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    laptop.desk.frame(frames.ErrorFrame(code="bad_frame", message="no", of="ping"))
    laptop.desk.frame(UnknownFrame("session.new"))
    laptop.desk.frame(BadFrame("not_json", "", "", "why"))
    laptop.desk.frame(frames.Pong())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]
    assert laptop.take() == []


# ---- deltas


def text(so_far: str, event_id: str = "sevt_open") -> OpenText:
    made = OpenText(EventId(event_id), T1, "agent.message")
    made.add(so_far)
    return made


def test_whole_event_follows_what_was_gathered_of_it(laptop: Laptop) -> None:
    laptop.prompt(window_ms=100, as_of=1.0)
    laptop.desk.start_turn(S, T1)
    laptop.take()
    growing = text("a")
    laptop.desk.grow(S, growing)
    growing.add("b")
    laptop.desk.grow(S, growing)
    laptop.desk.emit(S, [said("open")])
    first, second, batch = laptop.take()
    assert (first.text, second.text, second.offset) == ("a", "b", 1)
    assert batch.live_from == second.counter + 1


def test_batch_says_from_which_delta_on_text_is_still_open(laptop: Laptop) -> None:
    laptop.prompt(window_ms=100, as_of=1.0)
    laptop.desk.start_turn(S, T1)
    laptop.take()
    laptop.desk.grow(S, text("still writing"))
    laptop.desk.emit(S, [said("another")])
    delta, batch = laptop.take()
    assert batch.live_from == delta.counter


def test_watching_comes_with_acks_and_of_its_own_and_the_window_is_kept(laptop: Laptop) -> None:
    laptop.prompt()
    laptop.desk.start_turn(S, T1)
    laptop.desk.emit(S, [said("a")])
    laptop.take()
    growing = text("so far")
    laptop.desk.grow(S, growing)
    assert laptop.take() == []
    laptop.ack(1, window_ms=100, as_of=2.0)
    assert [delta.text for delta in laptop.take()] == ["so far"]
    growing.add(", on")
    laptop.desk.grow(S, growing)
    assert laptop.take() == []
    assert laptop.desk.next_wake(laptop.clock.now) == pytest.approx(laptop.clock.now + 0.1)
    laptop.desk.tick(laptop.clock.now + 0.1)
    assert [delta.text for delta in laptop.take()] == [", on"]
    laptop.desk.frame(frames.SessionWatch(session_id=S, window_ms=None, as_of=3.0))
    growing.add(" and on")
    laptop.desk.grow(S, growing)
    laptop.desk.tick(laptop.clock.now + 1)
    assert laptop.take() == []


def test_new_connection_tells_open_text_from_its_beginning(laptop: Laptop) -> None:
    laptop.prompt(window_ms=100, as_of=1.0)
    laptop.desk.start_turn(S, T1)
    growing = text("lost ")
    laptop.desk.grow(S, growing)
    laptop.desk.disconnected()
    growing.add("on the way")
    laptop.desk.grow(S, growing)
    laptop.take()
    laptop.desk.connected()
    laptop.desk.frame(frames.Welcome(runtime_id=RUNTIME, epoch=2))
    (delta,) = laptop.take(frames.SessionDelta)
    assert (delta.offset, delta.text) == (0, "lost on the way")


def test_text_left_open_by_a_turn_is_closed_with_it(laptop: Laptop) -> None:
    laptop.prompt(window_ms=100, as_of=1.0)
    laptop.desk.start_turn(S, T1)
    laptop.desk.grow(S, text("never finished"))
    laptop.desk.end_turn(S, T1, [ended()])
    delta, batch = (frame for frame in laptop.take() if not isinstance(frame, frames.SessionAccepted))
    assert batch.live_from == delta.counter + 1
