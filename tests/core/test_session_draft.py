"""The draft of a step: nothing changed is the very state given, and ids follow from record and place."""

from __future__ import annotations

import pytest

from chalicelib.core.naming import event_id, turn_id
from chalicelib.core.session_draft import Draft
from chalicelib.core.session_state import Question, Waiting
from chalicelib.wire import events as ev
from chalicelib.wire.ids import EventId, OutboxId
from tests.core.playing import SESSION, START, fresh, names

WAITS = Waiting(2, 2, START + 60)
A = OutboxId("obx_a")


def test_a_draft_in_which_nothing_changed_is_the_state_itself_and_its_answer() -> None:
    state = fresh()
    draft = Draft(state, 5, START)
    draft.set(epoch=state.epoch)
    step = draft.step("answer")
    assert step.state is state
    assert (step.events, step.answer) == ((), "answer")


def test_events_are_named_by_record_and_place() -> None:
    draft = Draft(fresh(), 5, START)
    draft.tell(ev.UserInterrupt(id=draft.next_id()))
    draft.tell(ev.UserInterrupt(id=draft.next_id()))
    assert [one.id for one in draft.step().events] == [event_id(SESSION, 5, "e0"), event_id(SESSION, 5, "e1")]


def test_what_waited_is_placed_where_its_turn_begins() -> None:
    draft = Draft(fresh(waiting=(WAITS,), phase="rescheduling", orders=6), 5, START)
    draft.begin_turn(WAITS, A)
    step = draft.step()
    assert names(step.events) == ["message_placed", "message_placed", "turn_started", "sent", "running"]
    assert step.state.waiting == ()
    assert step.state.turn is not None
    assert (step.state.turn.turn_id, step.state.turn.order) == (turn_id(SESSION, 7), 7)


def test_what_begins_in_its_own_record_needs_no_second_place() -> None:
    draft = Draft(fresh(waiting=(WAITS,)), WAITS.n, START)
    draft.begin_turn(WAITS, A)
    assert names(draft.step().events) == ["turn_started", "sent", "running"]


def test_what_is_dropped_gets_its_place_and_its_terminal_receipt() -> None:
    draft = Draft(fresh(waiting=(WAITS, Waiting(3, 1, START)), phase="rescheduling"), 5, START)
    draft.drop(WAITS, "expired")
    step = draft.step()
    assert names(step.events) == ["message_placed", "message_placed", "expired"]
    assert step.state.waiting == (Waiting(3, 1, START),)


def test_a_turn_that_ends_for_a_reason_of_ours_tells_of_it() -> None:
    draft = Draft(fresh(waiting=(WAITS,)), WAITS.n, START)
    draft.begin_turn(WAITS, A)
    draft.end_turn("unknown", why="it fell silent")
    step = draft.step()
    assert names(step.events) == ["turn_started", "sent", "session.error", "unknown"]
    assert isinstance(step.events[2], ev.SessionError)
    assert step.events[2].error.code == "turn_unknown"
    assert "it fell silent" in step.events[2].error.message


@pytest.mark.parametrize("change", ["set_turn", "end_turn"])
def test_without_a_turn_there_is_none_to_change_or_end(change: str) -> None:
    draft = Draft(fresh(), 5, START)
    with pytest.raises(AssertionError):
        draft.set_turn(cancel=True) if change == "set_turn" else draft.end_turn("completed")


def test_a_deleted_sessions_status_is_told_to_nobody() -> None:
    draft = Draft(fresh(status="deleting", phase="running"), 5, START)
    draft.tell(ev.SessionDeleted(id=draft.next_id()))
    assert names(draft.step().events) == ["session.deleted"]


def test_an_archived_sessions_status_is_told_once_and_stays() -> None:
    step = Draft(fresh(), 5, START)
    step.archive()
    state = step.step().state
    assert (state.archived_at, state.phase, state.is_over) == (START, "terminated", True)
    later = Draft(state, 6, START + 1)
    later.tell(ev.UserInterrupt(id=later.next_id()))
    assert names(later.step().events) == ["user.interrupt"]


def test_time_is_counted_from_running_to_whatever_comes_then() -> None:
    draft = Draft(fresh(waiting=(WAITS,), active_s=3.0), WAITS.n, START)
    draft.begin_turn(WAITS, A)
    state = draft.step().state
    assert (state.running_since, state.active_s) == (START, 3.0)
    draft = Draft(state, 5, START + 4.5)
    draft.end_turn("completed")
    state = draft.step().state
    assert (state.running_since, state.active_s) == (None, 7.5)


def test_an_open_question_is_told_as_idle_that_requires_an_action() -> None:
    draft = Draft(fresh(waiting=(WAITS,)), WAITS.n, START)
    draft.begin_turn(WAITS, A)
    draft.set(questions=(Question(EventId("sevt_1"), 2), Question(EventId("sevt_2"), 2, 3)))
    told = draft.step().events[-1]
    assert isinstance(told, ev.SessionStatusIdle)
    assert told.stop_reason == ev.StopReason(type="requires_action", event_ids=(EventId("sevt_1"),))
