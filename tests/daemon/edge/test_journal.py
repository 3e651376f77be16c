"""The journal keeps its promises over crashes: numbers dense, bytes frozen, nothing lost, no turn twice."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mooring.edge.journal import KEPT_TURNS, TOMBSTONE_S, Journal
from mooring.edge.journal_file import SCHEMA_VERSION
from mooring.edge.journal_rows import Batch, Continuation, DiskFull, OutboxFull
from mooring.errors import MoorError
from mooring.wire.events import AgentMessage, TextBlock, TurnEnded
from mooring.wire.ids import EventId, OutboxId, SessionId, TurnId
from mooring.wire.limits import MAX_BATCH_BYTES

S, T = SessionId("sesn_1"), SessionId("sesn_2")
T1, T2, T3 = TurnId("turn_1"), TurnId("turn_2"), TurnId("turn_3")


def counting_dice() -> Callable[[], str]:
    count = itertools.count(1)
    return lambda: f"{next(count):032x}"


def said(name: str, text: str = "") -> AgentMessage:
    return AgentMessage(id=EventId(f"sevt_{name}"), turn_id=T1, content=(TextBlock(text),))


def ended(turn_id: TurnId = T1) -> TurnEnded:
    return TurnEnded(id=EventId(f"sevt_end_{turn_id}"), turn_id=turn_id, outcome="completed")


def names(batch: Batch | None) -> list[str]:
    assert batch is not None
    return [event["id"] for event in msgspec.json.decode(batch.events)]


@pytest.fixture
def journal() -> Journal:
    return Journal(":memory:", counting_dice())


# ---- the outbox


def test_batch_is_frozen_before_its_first_send_and_stays_as_it_is(journal: Journal) -> None:
    """Catches a freeze that builds its bytes from the pending rows at each send."""
    journal.append(S, [said("a")])
    first = journal.freeze(S, 7)
    journal.append(S, [said("b")])
    assert journal.freeze(S, 9) is None
    assert first is not None
    assert journal.in_flight(S) == (first,)
    assert (first.batch, first.live_from, names(first)) == (1, 7, ["sevt_a"])


def test_ack_drops_the_batch_and_freezes_what_gathered(journal: Journal) -> None:
    journal.append(S, [said("a")])
    journal.freeze(S, 0)
    journal.append(S, [said("b"), said("c")])
    following = journal.acknowledge(S, 1, 5, "hash", 3)
    assert (names(following), following and following.batch) == (["sevt_b", "sevt_c"], 2)
    assert journal.acknowledge(S, 2, 6, "newer", 0) is None
    assert (journal.held_bytes, journal.head(S)) == (0, (6, "newer"))


def test_late_ack_of_an_older_batch_leaves_the_newer_one_in_flight(journal: Journal) -> None:
    """Catches an ack that drops whatever is in flight."""
    for k in (1, 2):
        journal.append(S, [said(str(k))])
        journal.freeze(S, 0)
        if k == 1:
            journal.acknowledge(S, 1, 2, "b", 0)
    journal.acknowledge(S, 1, 1, "a", 0)
    assert [one.batch for one in journal.in_flight(S)] == [2]
    assert journal.head(S) == (2, "b")


def test_batches_are_cut_at_the_bound_without_changing_order(journal: Journal) -> None:
    """Catches a bound that forgets brackets and commas, and a cut that loses the event it stopped at."""
    sent = [said(f"{k:03d}", "x" * 9_000) for k in range(25)]
    journal.append(S, sent)
    got: list[str] = []
    batch = journal.freeze(S, 0)
    while batch is not None:
        assert len(batch.events) <= MAX_BATCH_BYTES
        got += names(batch)
        batch = journal.acknowledge(S, batch.batch, 0, "", 0)
    assert got == [event.id for event in sent]


def test_event_that_fills_a_batch_exactly_is_taken_and_one_byte_more_is_refused(journal: Journal) -> None:
    """Catches a bound that would leave an event pending for ever because no batch can hold it."""
    room = MAX_BATCH_BYTES - 2 - len(msgspec.json.encode(said("a")))
    with pytest.raises(MoorError, match="event_too_large"):
        journal.append(S, [said("b"), said("a", "x" * (room + 1))])
    assert journal.held_bytes == 0
    journal.append(S, [said("a", "x" * room)])
    batch = journal.freeze(S, 0)
    assert batch is not None
    assert len(batch.events) == MAX_BATCH_BYTES


def test_full_outbox_refuses_whole_and_takes_what_must_be_taken() -> None:
    journal = Journal(":memory:", counting_dice(), max_bytes=300)
    journal.append(S, [said("a")])
    held = journal.held_bytes
    with pytest.raises(OutboxFull) as refused:
        journal.append(S, [said("b"), said("c", "x" * 300)])
    assert (journal.held_bytes, refused.value.max_bytes) == (held, 300)
    journal.append(S, [said("d", "x" * 300)], always=True)
    assert names(journal.freeze(S, 0)) == ["sevt_a", "sevt_d"]


def test_renewal_puts_what_was_in_flight_before_what_waits_and_counts_from_one(journal: Journal) -> None:
    """Catches a renewal that queues the in-flight batch behind newer events, or keeps the old numbers."""
    for session in (S, T):
        journal.append(session, [said(f"{session}1")])
        journal.freeze(session, 0)
        journal.acknowledge(session, 1, 0, "", 0)
        journal.append(session, [said(f"{session}2"), said(f"{session}3")])
        journal.freeze(session, 0)
        journal.append(session, [said(f"{session}4")])
    held = journal.held_bytes
    journal.renew(OutboxId("obx_new"))
    assert (journal.outbox, journal.in_flight()) == ("obx_new", ())
    assert journal.highest_batch(S) == 0
    assert journal.held_bytes == held - 2 * len("[,]")
    for session in (S, T):
        batch = journal.freeze(session, 0)
        assert names(batch) == [f"sevt_{session}{k}" for k in (2, 3, 4)]
        assert batch is not None
        assert (batch.batch, batch.outbox) == (1, "obx_new")


def test_ready_sessions_are_those_with_nothing_in_flight_longest_waiting_first(journal: Journal) -> None:
    journal.append(T, [said("a")])
    journal.append(S, [said("b")])
    assert journal.ready_sessions() == (T, S)
    journal.freeze(T, 0)
    journal.append(T, [said("c")])
    assert journal.ready_sessions() == (S,)


# ---- turns


def test_turn_goes_through_its_states_once(journal: Journal) -> None:
    journal.accept(S, T1, 1, b"{}")
    assert journal.start(S, T1)
    assert not journal.start(S, T1)
    assert journal.end(S, T1, [ended()])
    assert not journal.end(S, T1, [ended()])
    assert names(journal.freeze(S, 0)) == [f"sevt_end_{T1}"]
    assert journal.open_turns() == ()


def test_newer_turn_marks_the_older_one_to_be_stopped(journal: Journal) -> None:
    """Catches an accept that lets a superseded turn start after a restart."""
    journal.accept(S, T1, 1, b"{}")
    journal.accept(S, T2, 2, b"{}")
    assert not journal.start(S, T1)
    assert [(row.turn_id, row.stop) for row in journal.open_turns(S)] == [(T1, True), (T2, False)]
    assert journal.start(S, T2)


def test_stop_marks_up_to_its_order_only(journal: Journal) -> None:
    journal.accept(S, T2, 2, b"{}")
    journal.stop(S, 1)
    assert journal.start(S, T2)


def test_refused_turn_is_done_with_its_end_and_raises_the_order(journal: Journal) -> None:
    journal.refuse(S, T3, 3, [ended(T3)])
    row = journal.turn(S, T3)
    assert row is not None
    assert row.state == "done"
    assert journal.highest_order(S) == 3
    assert names(journal.freeze(S, 0)) == [f"sevt_end_{T3}"]


def test_refusing_an_older_turn_does_not_lower_the_order(journal: Journal) -> None:
    journal.accept(S, T3, 3, b"{}")
    journal.refuse(S, T1, 1, [ended()])
    assert journal.highest_order(S) == 3


def test_turn_end_and_its_events_are_one_transaction(journal: Journal) -> None:
    """Catches an end that commits the turn before its events: an event that can't be taken must leave it open."""
    journal.accept(S, T1, 1, b"{}")
    with pytest.raises(MoorError, match="event_too_large"):
        journal.end(S, T1, [said("big", "x" * MAX_BATCH_BYTES), ended()])
    row = journal.turn(S, T1)
    assert row is not None
    assert (row.state, journal.held_bytes) == ("accepted", 0)


def test_done_turns_are_pruned_but_their_orders_stay_known(journal: Journal) -> None:
    for k in range(1, KEPT_TURNS + 3):
        journal.accept(S, TurnId(f"turn_{k}"), k, b"{}")
        journal.end(S, TurnId(f"turn_{k}"), [])
    assert journal.turn(S, TurnId("turn_2")) is None
    assert journal.turn(S, TurnId("turn_3")) is not None
    assert journal.highest_order(S) == KEPT_TURNS + 2


def test_buried_session_leaves_a_tombstone_until_it_is_pruned(journal: Journal) -> None:
    journal.accept(S, T1, 1, b"{}")
    journal.append(S, [said("a")])
    journal.freeze(S, 0)
    journal.append(S, [said("b")])
    journal.append(T, [said("c")])
    held = journal.held_bytes
    journal.bury(S, 1000.0)
    assert journal.is_buried(S)
    assert not journal.is_buried(T)
    assert (journal.turn(S, T1), journal.in_flight(), journal.ready_sessions()) == (None, (), (T,))
    assert 0 < journal.held_bytes < held
    journal.prune(1000.0 + TOMBSTONE_S)
    assert journal.is_buried(S)
    journal.prune(1001.0 + TOMBSTONE_S)
    assert not journal.is_buried(S)
    assert journal.ready_sessions() == (T,)


def test_continuation_is_kept_and_forgotten(journal: Journal) -> None:
    assert journal.continuation(S) is None
    journal.remember(S, "echo", "opaque")
    assert journal.continuation(S) == Continuation("echo", "opaque")
    journal.remember(S, "echo", None)
    assert journal.continuation(S) is None


# ---- the file


def test_file_is_found_again_as_it_was_left(tmp_path: Path) -> None:
    """Never closed: what was committed is there for the next process."""
    path, dice = str(tmp_path / "journal.sqlite3"), counting_dice()
    first = Journal(path, dice)
    first.accept(S, T1, 1, b"{}")
    first.append(S, [said("a")])
    batch = first.freeze(S, 4)
    first.append(S, [said("b")])
    second = Journal(path, dice)
    assert (second.outbox, second.held_bytes, second.moved_aside) == (first.outbox, first.held_bytes, None)
    assert second.in_flight() == (batch,)
    assert [row.turn_id for row in second.open_turns()] == [T1]
    for one in (first, second):
        one.close()


def test_file_is_synced_at_each_commit(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.sqlite3"), counting_dice())
    assert journal._one("PRAGMA journal_mode")[0] == "wal"
    assert journal._one("PRAGMA synchronous")[0] == 2
    journal.close()


@pytest.mark.parametrize("broken", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_unreadable_file_is_moved_aside_and_said_so(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "journal.sqlite3"
    path.with_name("journal.sqlite3.corrupt-1").write_bytes(b"an earlier one")
    path.write_bytes(broken)
    journal = Journal(str(path), counting_dice())
    assert journal.moved_aside == tmp_path / "journal.sqlite3.corrupt-2"
    assert journal.moved_aside.read_bytes() == broken
    assert journal.outbox == f"obx_{1:032x}"
    journal.close()


def test_file_with_a_broken_page_is_moved_aside(tmp_path: Path) -> None:
    """Catches an opening that reads the header only."""
    path = tmp_path / "journal.sqlite3"
    journal = Journal(str(path), counting_dice())
    for k in range(50):
        journal.append(S, [said(str(k), "x" * 3000)])
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096 * 8 : 4096 * 20] = b"\xa5" * 4096 * 12
    path.write_bytes(content)
    again = Journal(str(path), counting_dice())
    assert again.moved_aside is not None
    assert again.held_bytes == 0
    again.close()


def test_file_of_a_newer_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(str(path), counting_dice()).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(MoorError, match="journal_newer"):
        Journal(str(path), counting_dice())
    assert [one.name for one in tmp_path.iterdir()] == ["journal.sqlite3"]


def test_file_in_use_is_not_taken_for_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an opening that moves a locked file away from the daemon that works in it."""
    monkeypatch.setattr("mooring.edge.journal_file._BUSY_TIMEOUT_S", 0.0)
    path = tmp_path / "journal.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MoorError, match="journal_busy"):
        Journal(str(path), counting_dice())
    other.close()
    assert list(tmp_path.glob("*.corrupt-*")) == []


def test_folder_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Journal(str(tmp_path / "missing" / "journal.sqlite3"), counting_dice())


def test_failed_commit_leaves_nothing_behind(journal: Journal) -> None:
    """A full disk fails the commit itself; SQLite then may or may not have rolled back already."""
    journal._run("PRAGMA max_page_count = 20")
    with pytest.raises(DiskFull, match="Free some space"):
        journal.append(S, [said(str(k), "x" * 9000) for k in range(20)])
    assert (journal.held_bytes, journal.ready_sessions()) == (0, ())
    journal.append(S, [said("small")])
    assert names(journal.freeze(S, 0)) == ["sevt_small"]


# ---- all of it, in any order


class JournalMachine(RuleBasedStateMachine):
    """The journal against a plain model, with a crash (the committed image opened again) between any two calls.

    Catches, each tried: a number that is not raised, a resend built anew, ``renew`` without the in-flight batch, and
    ``held_bytes`` drifting from what is there.
    """

    sessions = st.sampled_from([S, T])

    @initialize()
    def begin(self) -> None:
        self.dice = counting_dice()
        self.journal = Journal(":memory:", self.dice, max_bytes=2000)
        self.waiting: dict[SessionId, list[str]] = {S: [], T: []}
        self.flying: dict[SessionId, Batch | None] = {S: None, T: None}
        self.numbers = {S: 0, T: 0}
        self.acked: dict[SessionId, list[str]] = {S: [], T: []}
        self.said: dict[SessionId, list[str]] = {S: [], T: []}
        self.count = 0

    @rule(session=sessions, n=st.integers(1, 4), size=st.sampled_from([0, 200]))
    def append(self, session: SessionId, n: int, size: int) -> None:
        events = [said(str(self.count + k), "x" * size) for k in range(n)]
        self.count += n
        before = self.journal.held_bytes
        try:
            self.journal.append(session, events)
        except OutboxFull:
            assert before + sum(len(msgspec.json.encode(one)) for one in events) > 2000
            return
        self.waiting[session] += [event.id for event in events]
        self.said[session] += [event.id for event in events]

    def note(self, session: SessionId, batch: Batch | None) -> None:
        if batch is None:
            return
        self.numbers[session] += 1
        assert batch.batch == self.numbers[session]
        assert names(batch) == self.waiting[session]
        self.waiting[session] = []
        self.flying[session] = batch

    @rule(session=sessions)
    def freeze(self, session: SessionId) -> None:
        due = self.flying[session] is None and bool(self.waiting[session])
        batch = self.journal.freeze(session, 0)
        assert (batch is not None) == due
        self.note(session, batch)

    @rule(session=sessions, back=st.integers(0, 2))
    def acknowledge(self, session: SessionId, back: int) -> None:
        flying = self.flying[session]
        number = max(0, self.numbers[session] - back)
        if flying is not None and flying.batch <= number:
            self.acked[session] += names(flying)
            self.flying[session] = None
        self.note(session, self.journal.acknowledge(session, number, number, "h", 0))

    @rule()
    def renew(self) -> None:
        self.journal.renew(OutboxId(f"obx_{self.dice()}"))
        for session, flying in self.flying.items():
            if flying is not None:
                self.waiting[session] = names(flying) + self.waiting[session]
            self.flying[session] = None
            self.numbers[session] = 0

    @rule()
    def crash(self) -> None:
        image, outbox = self.journal.image(), self.journal.outbox
        self.journal.close()
        self.journal = Journal(":memory:", self.dice, max_bytes=2000, image=image)
        assert self.journal.outbox == outbox

    @invariant()
    def nothing_is_lost_and_frozen_bytes_stay(self) -> None:
        flying = [one for one in self.flying.values() if one is not None]
        assert sorted(self.journal.in_flight(), key=repr) == sorted(flying, key=repr)
        for session in (S, T):
            frozen = self.flying[session]
            there = self.acked[session] + (names(frozen) if frozen else []) + self.waiting[session]
            assert there == self.said[session]

    @invariant()
    def held_bytes_are_those_on_disk(self) -> None:
        rows = self.journal._run("SELECT LENGTH(event) FROM pending UNION ALL SELECT LENGTH(events) FROM batches")
        assert self.journal.held_bytes == sum(row[0] for row in rows)

    def teardown(self) -> None:
        self.journal.close()


JournalMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestJournalMachine: Any = JournalMachine.TestCase
