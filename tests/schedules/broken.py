"""Rules of the design, each taken out on purpose: a schedule test that does not notice is worth nothing.

Every entry of ``RULES`` patches the real code so that one rule no longer holds. Run under it, some schedule must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from chalicelib.actors import reading
from chalicelib.actors.delivery import Delivery
from chalicelib.actors.loop import ObjectLoop
from chalicelib.actors.sessions import SessionObjects
from chalicelib.core import session
from chalicelib.core.object_key import session_key
from chalicelib.core.session import Acked, Batch
from chalicelib.core.session_draft import Draft
from chalicelib.core.session_state import Mark, has_work
from chalicelib.core.step import Stale, Step
from mooring.daemon.desk import Desk
from mooring.daemon.outbox import Outbox
from mooring.edge.journal import Journal

Patch = Callable[[ExitStack], None]


def _set(owner: Any, name: str, value: Any) -> Patch:
    return lambda stack: stack.enter_context(patch.object(owner, name, value)) and None


def _no_cause(self: Any, key: Any, head: Any, cause: Any) -> None:
    return None


def _work_after_commit(stack: ExitStack) -> None:
    prepare, settle = SessionObjects._prepare, SessionObjects.settle

    def prepared(self: Any, key: Any, before: Any, step: Any, n: int) -> Any:
        return self._spill.put_aside(key.tenant_id, step.state.session_id, step.events)

    def settled(self: Any, tenant_id: Any, done: Any, room: Any) -> Any:
        if done.record and has_work(done.head.state) and not has_work(done.before):
            key = session_key(tenant_id, done.head.state.session_id)
            prepare(self, key, done.before, Step(done.head.state, ()), done.head.n)
        return settle(self, tenant_id, done, room)

    stack.enter_context(patch.object(SessionObjects, "_prepare", prepared))
    stack.enter_context(patch.object(SessionObjects, "settle", settled))


def _unguarded_delete(stack: ExitStack) -> None:
    from tests.fakes import FakeWork

    def delete(self: Any, runtime_id: Any, session_id: Any, upto: int) -> None:
        self.items.pop((runtime_id, session_id), None)

    stack.enter_context(patch.object(FakeWork, "delete", delete))


def _whole_record_cursor(stack: ExitStack) -> None:
    real = reading._place

    def place(cursor: str | None) -> tuple[int, int] | None:
        found = real(cursor)
        return None if found is None else (found[0], -1)

    stack.enter_context(patch.object(reading, "_place", place))


def _no_epoch(stack: ExitStack) -> None:
    def bind(draft: Draft, room: Any, outbox: Any) -> bool:
        draft.set(epoch=room.epoch, outbox=outbox)
        turn = draft.state.turn
        if turn and turn.outbox != outbox:
            draft.end_turn("unknown", why="another daemon took over its runtime")
        return True

    real = session._tick

    def tick(draft: Draft, cue: Any) -> Any:
        draft.state = replace(draft.state, epoch=min(draft.state.epoch, cue.room.epoch))
        return real(draft, cue)

    stack.enter_context(patch.object(session, "_bind", bind))
    stack.enter_context(patch.object(session, "_tick", tick))


def _one_mark(draft: Draft, mark: Mark) -> None:
    draft.set(marks=(mark,))


def _no_rebind_end(stack: ExitStack) -> None:
    def bind(draft: Draft, room: Any, outbox: Any) -> bool:
        state = draft.state
        if room.epoch < state.epoch or (room.epoch == state.epoch and state.outbox not in (None, outbox)):
            return False
        draft.set(epoch=room.epoch, outbox=outbox)
        if state.turn and state.turn.outbox != outbox:
            draft.set_turn(outbox=outbox, receipt="sent", began_at=None)
        return True

    stack.enter_context(patch.object(session, "_bind", bind))


def _blind_hash(stack: ExitStack) -> None:
    real = session._batch

    def batch(draft: Draft, cue: Batch) -> Any:
        step = real(draft, cue)
        if isinstance(step.answer, Acked) and step.answer.verdict == "conflict":
            return Step(step.state, step.events, Acked(step.answer.batch))
        return step

    stack.enter_context(patch.object(session, "_batch", batch))


def _repeats_applied(stack: ExitStack) -> None:
    real = session._batch

    def batch(draft: Draft, cue: Batch) -> Any:
        marks = draft.state.marks
        lowered = tuple(replace(one, batch=min(one.batch, cue.batch - 1)) for one in marks if one.outbox == cue.outbox)
        draft.set(marks=(*(one for one in marks if one.outbox != cue.outbox), *lowered))
        return real(draft, cue)

    stack.enter_context(patch.object(session, "_batch", batch))


def _deleted_in_silence(stack: ExitStack) -> None:
    real = session._batch

    def batch(draft: Draft, cue: Batch) -> Any:
        if draft.state.status != "open":
            return Step(draft.state, answer=Stale(draft.state.epoch))
        return real(draft, cue)

    stack.enter_context(patch.object(session, "_batch", batch))


def _late_events_refused(stack: ExitStack) -> None:
    real = session._batch

    def batch(draft: Draft, cue: Batch) -> Any:
        turn = draft.state.turn
        if any(getattr(one, "turn_id", None) != (turn and turn.turn_id) for one in cue.events):
            return Step(draft.state, answer=Stale(draft.state.epoch))
        return real(draft, cue)

    stack.enter_context(patch.object(session, "_batch", batch))


def _dishonest(stack: ExitStack) -> None:
    real = Draft.end_turn

    def end_turn(self: Draft, outcome: str, stop_reason: str | None = None, why: str | None = None) -> None:
        real(self, "expired" if why else outcome, stop_reason, why)

    stack.enter_context(patch.object(Draft, "end_turn", end_turn))


def _thawed(stack: ExitStack) -> None:
    """A resend takes along what has gathered since: its bytes are not those first sent."""
    real = Outbox._send_batches

    def send(self: Any, batches: Any, now: float) -> None:
        resent = []
        for batch in batches:
            if batch.session_id in self._sent_at or batch in self._journal.in_flight():
                batch = _refreeze(self._journal, batch)
            resent.append(batch)
        real(self, resent, now)

    stack.enter_context(patch.object(Outbox, "_send_batches", send))


def _refreeze(journal: Any, batch: Any) -> Any:
    inner = getattr(journal, "_journal", journal)
    rows = list(inner._run("SELECT seq, event FROM pending WHERE session_id = ? ORDER BY seq", batch.session_id))
    if not rows:
        return batch
    more = b"".join(b"," + (row[1].encode() if isinstance(row[1], str) else row[1]) for row in rows)
    events = batch.events[:-1] + more + b"]"
    with inner._transaction():
        inner._run(
            "UPDATE batches SET events = ? WHERE session_id = ? AND batch = ?", events, batch.session_id, batch.batch
        )
        inner._run("DELETE FROM pending WHERE session_id = ? AND seq <= ?", batch.session_id, rows[-1][0])
    return replace(batch, events=events)


def _sent_is_enough(stack: ExitStack) -> None:
    """A batch is taken out of the outbox when it is sent."""
    real = Outbox._send_batches

    def send(self: Any, batches: Any, now: float) -> None:
        real(self, batches, now)
        for batch in batches:
            self._journal.acknowledge(batch.session_id, batch.batch, 0, "", 0)
            self._sent_at.pop(batch.session_id, None)

    stack.enter_context(patch.object(Outbox, "_send_batches", send))


def _any_ack(stack: ExitStack) -> None:
    """An ack, however old, is taken for one of what is in flight."""
    real = Journal.acknowledge

    def acknowledge(self: Any, session_id: Any, _batch: int, *rest: Any) -> Any:
        return real(self, session_id, self.highest_batch(session_id), *rest)

    stack.enter_context(patch.object(Journal, "acknowledge", acknowledge))


def _said_once(stack: ExitStack) -> None:
    """A batch without an answer is sent again by the next connection only."""
    real = Outbox.tick

    def tick(self: Any, now: float, active: Any) -> None:
        self._sent_at.clear()
        real(self, now, active)

    stack.enter_context(patch.object(Outbox, "tick", tick))


def _forgetful_start(stack: ExitStack) -> None:
    real = Journal.start

    def start(self: Any, session_id: Any, turn_id: Any) -> bool:
        started = real(self, session_id, turn_id)
        if started:
            self._run("UPDATE turns SET state = 'accepted' WHERE session_id = ? AND turn_id = ?", session_id, turn_id)
        return started

    stack.enter_context(patch.object(Journal, "start", start))


def _cancel_forgotten(stack: ExitStack) -> None:
    stack.enter_context(patch.object(Journal, "refuse", lambda *_args, **_kwargs: None))


def _no_order(stack: ExitStack) -> None:
    real = Desk._advance

    def advance(self: Any, session_id: Any) -> None:
        self._running.pop(session_id, None)
        real(self, session_id)

    stack.enter_context(patch.object(Desk, "_advance", advance))


def _two_transactions(stack: ExitStack) -> None:
    def end(self: Any, session_id: Any, turn_id: Any, events: Any) -> bool:
        inner = getattr(self._journal, "_journal", self._journal)
        inner._run("UPDATE turns SET state = 'done' WHERE session_id = ? AND turn_id = ?", session_id, turn_id)
        self._journal._may_die()
        self._journal.append(session_id, events, always=True)
        return True

    def end_turn(self: Any, session_id: Any, turn_id: Any, events: Any) -> bool:
        end(self, session_id, turn_id, events)
        self._running.pop(session_id, None)
        self._outbox.flush(session_id)
        self._advance(session_id)
        return True

    stack.enter_context(patch.object(Desk, "end_turn", end_turn))


RULES: dict[str, Patch] = {
    "a repeated request is found by its cause": _set(ObjectLoop, "_repeated", _no_cause),
    "the work item comes before the record": _work_after_commit,
    "a work item is deleted only up to the record that ended the work": _unguarded_delete,
    "the cursor is record.index": _whole_record_cursor,
    "the session's state refuses lower epochs": _no_epoch,
    "a watermark is kept for every outbox followed": _set(session, "_raise_mark", _one_mark),
    "a turn belongs to the outbox it was first sent to": _no_rebind_end,
    "a repeated batch is recognised by its watermark": _repeats_applied,
    "the same number with another hash is a conflict": _blind_hash,
    "a batch for a deleted session is answered with its dispose": _deleted_in_silence,
    "late events of an ended turn enter the log": _late_events_refused,
    "given up after it was sent is unknown, never expired": _dishonest,
    "a batch is frozen before its first send": _thawed,
    "a batch stays in the outbox until it is acknowledged": _sent_is_enough,
    "an ack takes out only the batches up to its number": _any_ack,
    "a batch without an answer is sent again": _said_once,
    "a turn is journalled as started before the agent is called": _forgetful_start,
    "a cancel for an unknown turn is journalled": _cancel_forgotten,
    "one turn of a session runs at a time": _no_order,
    "a turn's last event and its journal end are one transaction": _two_transactions,
    "a removed session leaves a tombstone": _set(Journal, "is_buried", lambda _self, _session_id: False),
    "a turn open there and given up here is cancelled": _set(Delivery, "send_stray", lambda *_args: None),
}
"""The rule, and how it is taken out."""


@contextmanager
def without(rule: str) -> Iterator[None]:
    """The world without one rule."""
    with ExitStack() as stack:
        RULES[rule](stack)
        yield
