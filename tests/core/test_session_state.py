"""What can be read off a session's state: its work, what it owes, when to look again, and how small it stays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.core.session import KEPT_LAPSED
from chalicelib.core.session_state import (
    LOOK_AGAIN_S,
    Mark,
    OwedCancel,
    OwedDispose,
    OwedPrompt,
    OwedVerdict,
    Question,
    SessionState,
    Turn,
    Waiting,
    has_work,
    next_look,
    owed,
    stray,
    undelivered,
    waiting_ids,
)
from chalicelib.wire.ids import EventId, OutboxId, RuntimeId, SessionId, TurnId
from chalicelib.wire.limits import MAX_INLINE_BYTES, MAX_MARKS, MAX_QUESTIONS, MAX_WAITING
from tests.core.playing import DAY_S, START, fresh, room

A, B = OutboxId("obx_a"), OutboxId("obx_b")
T1 = TurnId("turn_1")
ASKED = EventId("sevt_ask")
READ_UNIT = 4096
KEYS_AND_HASHES = 512
"""Of a stored record: partition and sort key, cause, the hash before, and the names of the fields."""


def turn(**changes: object) -> Turn:
    return replace(
        Turn(turn_id=T1, order=1, message=Waiting(2, 1, START + DAY_S), outbox=A, touched_at=START), **changes
    )


SENT = fresh(turn=turn())
ON_MACHINE = fresh(turn=turn(receipt="on_machine", began_at=START))
CANCELLED = fresh(turn=turn(cancel=True))
ANSWERED = fresh(turn=turn(receipt="started"), questions=(Question(ASKED, 6, 7), Question(EventId("sevt_open"), 6)))


@pytest.mark.parametrize(
    ("state", "outbox", "work", "due"),
    [
        (fresh(), A, False, ()),
        (fresh(waiting=(Waiting(2, 1, START),)), A, True, ()),
        (SENT, A, True, (OwedPrompt(turn()),)),
        (SENT, B, True, ()),
        (SENT, None, True, ()),
        (ON_MACHINE, A, True, ()),
        (CANCELLED, A, True, (OwedCancel(T1, 1),)),
        (CANCELLED, B, True, ()),
        (ANSWERED, A, True, (OwedVerdict(T1, ASKED, 6, 7),)),
        (ANSWERED, B, True, ()),
        (fresh(status="deleting"), B, True, (OwedDispose(),)),
        (fresh(status="deleting"), None, True, (OwedDispose(),)),
        (fresh(status="deleted"), A, False, ()),
    ],
)
def test_what_a_session_owes_is_read_off_its_state(
    state: SessionState, outbox: OutboxId | None, work: bool, due: tuple[object, ...]
) -> None:
    assert has_work(state) is work
    assert owed(state, outbox) == due


@pytest.mark.parametrize(
    ("state", "turn_id", "told"),
    [
        (SENT, T1, None),
        (SENT, TurnId("turn_0"), OwedCancel(TurnId("turn_0"), 1)),
        (fresh(), T1, OwedCancel(T1, 1)),
        (fresh(status="deleting"), T1, OwedDispose()),
        (fresh(status="deleted"), T1, OwedDispose()),
    ],
)
def test_a_turn_that_a_daemon_has_open_and_the_session_does_not_run_is_to_stop(
    state: SessionState, turn_id: TurnId, told: object
) -> None:
    assert stray(state, turn_id, 1) == told


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (fresh(waiting=(Waiting(2, 1, START + 500), Waiting(3, 1, START + 300))), 300),
        (SENT, 600),
        (replace(SENT, turn=turn(message=Waiting(2, 1, START + 50))), 50),
        (ON_MACHINE, 600),
        (replace(ON_MACHINE, idle_limit_s=0.0), 3600),
        (replace(ON_MACHINE, idle_limit_s=0.0, hard_limit_s=0.0), 60 * LOOK_AGAIN_S),
        (replace(ON_MACHINE, hard_limit_s=0.0), 600),
        (replace(ON_MACHINE, turn=turn(began_at=START - 3500)), 100),
        (replace(ON_MACHINE, turn=turn(began_at=START, touched_at=START - 599)), 300),
        (replace(ON_MACHINE, waiting=(Waiting(9, 1, START + 20),)), 20),
        (fresh(status="deleting"), 60 * LOOK_AGAIN_S),
        (fresh(waiting=(Waiting(2, 1, START - 500),)), 1),
    ],
)
def test_the_sweep_looks_again_at_the_earliest_deadline(state: SessionState, seconds: float) -> None:
    """Catches a due time that has passed (the sweep would spin) or one that activity moves at every ping."""
    assert next_look(state, START) == START + seconds


def test_a_room_view_is_online_while_its_connections_lease_holds() -> None:
    assert room(at=START).online(START)
    assert not room(at=START).online(START + DAY_S)
    assert not room(online=False).online(START)


def test_the_ids_of_what_waits_follow_from_its_record() -> None:
    ids = waiting_ids(fresh(), Waiting(4, 2, START))
    assert len(set(ids)) == 2
    assert ids == waiting_ids(fresh(), Waiting(4, 2, START + 9))


def full(**changes: object) -> SessionState:
    """A state with every id at its full length and everything there may be of it, unless changed."""
    chance = "0123456789abcdef01234567"
    outbox = OutboxId(f"obx_{chance}")
    at = START + 0.123456
    waiting = Waiting(12_345, 1, at)
    state = SessionState(
        session_id=SessionId(f"sesn_{chance}"),
        runtime_id=RuntimeId(f"rt_{chance}"),
        agent_id="claude-acp",
        phase="rescheduling",
        epoch=1234,
        outbox=outbox,
        marks=(Mark(outbox, 12_345, "0" * 16),) * MAX_MARKS,
        lapsed=(outbox,) * KEPT_LAPSED,
        waiting=(waiting,) * MAX_WAITING,
        turn=Turn(
            turn_id=TurnId(f"turn_{chance}"),
            order=1234,
            message=waiting,
            outbox=outbox,
            receipt="on_machine",
            touched_at=at,
            began_at=at,
            cancel=True,
            live_from=(1234, 12_345),
        ),
        orders=1234,
        questions=(Question(EventId(f"sevt_{chance}"), 12_344, 12_345),) * MAX_QUESTIONS,
        idle_limit_s=601.5,
        hard_limit_s=3601.5,
    )
    return replace(state, **changes)


@pytest.mark.parametrize(
    "state",
    [
        full(questions=(), lapsed=(), marks=full().marks[:1]),
        full(waiting=()),
        full(waiting=full().waiting[:10]),
    ],
    ids=["a full queue", "every question and outbox", "those and ten waiting"],
)
def test_a_state_stays_under_two_kilobytes(state: SessionState) -> None:
    """Catches a state that grows with the conversation: every record carries it."""
    assert len(msgspec.json.encode(state)) < 2048


def test_even_with_everything_full_at_once_a_load_costs_at_most_five_read_units() -> None:
    stored = MAX_INLINE_BYTES + len(msgspec.json.encode(full())) + KEYS_AND_HASHES
    assert stored <= 5 * READ_UNIT


@pytest.mark.parametrize(
    ("changes", "over"),
    [({}, False), ({"archived_at": START}, True), ({"status": "deleting"}, True), ({"status": "deleted"}, True)],
)
def test_nothing_more_is_asked_of_what_was_archived_or_deleted(changes: dict[str, Any], over: bool) -> None:
    assert fresh(**changes).is_over == over


def test_a_message_is_undelivered_until_the_machine_has_its_turn_on_disk() -> None:
    """Catches a count of what waits for a laptop that forgets the turn which is sent and not confirmed."""
    waits = replace(fresh(), waiting=(Waiting(2, 3, DAY_S), Waiting(3, 1, DAY_S)))
    sent = Turn(turn_id=T1, order=1, message=Waiting(1, 2, DAY_S), outbox=A, touched_at=START)
    counts = [undelivered(replace(waits, turn=turn)) for turn in (None, sent, replace(sent, receipt="on_machine"))]
    assert counts == [4, 6, 4]
    assert undelivered(fresh()) == 0
