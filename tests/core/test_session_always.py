"""What holds of a session whatever comes, in whatever order: checked after every cue of random lives."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from chalicelib.core.details import Details
from chalicelib.core.errors import Refused
from chalicelib.core.repeats import Try
from chalicelib.core.session import (
    Accepted,
    Acked,
    Archive,
    Batch,
    ConfirmationIn,
    Delete,
    Disposed,
    InterruptIn,
    Post,
    Repeated,
    SessionCue,
    SessionStep,
    Tick,
    Update,
    decide,
)
from chalicelib.core.session_state import OwedPrompt, RoomView, has_work, owed
from chalicelib.core.step import Stale
from chalicelib.wire import events as ev
from chalicelib.wire.events import TERMINAL
from chalicelib.wire.ids import EventId, OutboxId, TurnId
from tests.core.playing import DAY_S, NEVER_ONLINE, Play, fresh, room, text

BOOKKEEPING = {"marks", "epoch", "outbox", "lapsed", "turn", "status", "tried"}
"""What may change in a record that tells of nothing: of the turn only when it was last touched."""

KINDS = ["say", "ask", "settle", "end", "old end"]
OUTBOXES = [OutboxId(f"obx_{k}") for k in range(6)]


class SessionLife(RuleBasedStateMachine):
    """Plays a session with everything that people, daemons, rooms and time may do to it."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play()
        self.rooms: list[RoomView] = [NEVER_ONLINE]
        self.sent: dict[OutboxId, list[Batch]] = {}
        self.applied: set[tuple[OutboxId, int]] = set()
        self.begun: list[int] = []
        self.turns: dict[TurnId, bool] = {}
        self.phase = "idle"
        self.title = "a"
        self.events_made = 0

    @initialize(idle=st.sampled_from([0.0, 600.0]), hard=st.sampled_from([0.0, 3600.0]))
    def made(self, idle: float, hard: float) -> None:
        self.play = Play(fresh(idle_limit_s=idle, hard_limit_s=hard))

    # ---- what happens

    @rule(outbox=st.sampled_from(OUTBOXES), same=st.booleans())
    def hello(self, outbox: OutboxId, same: bool) -> None:
        newest = self.rooms[-1]
        kept = newest.outbox if same and newest.outbox else outbox
        self.rooms.append(room(newest.epoch + 1, kept, at=self.play.now))

    @rule()
    def close(self) -> None:
        self.rooms[-1] = replace(self.rooms[-1], connection_id=None, lease_until=0.0)

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0, 700.0, 4000.0, 2 * DAY_S]))
    def wait(self, seconds: float) -> None:
        self.play.now += seconds

    @rule()
    def ping(self) -> None:
        now, newest = self.play.now, self.rooms[-1]
        if newest.connection_id:
            since = newest.since if newest.online(now) else now
            self.rooms[-1] = replace(newest, lease_until=now + 150.0, since=since)

    @rule(data=st.data(), count=st.integers(0, 2), interrupt=st.booleans(), expires=st.sampled_from([60.0, DAY_S]))
    def post(self, data: st.DataObject, count: int, interrupt: bool, expires: float) -> None:
        items = data.draw(st.permutations([text()] * count + [InterruptIn()] * (interrupt and self.play.n % 3 == 0)))
        self.cue(Post(tuple(items), expires, self.a_room(data)))

    @rule(data=st.data(), body=st.sampled_from(["b1", "b2"]), count=st.integers(0, 2), late_ms=st.integers(0, 40_000))
    def post_by_sdk(self, data: st.DataObject, body: str, count: int, late_ms: int) -> None:
        one = Try(body, count, int(self.play.now * 1000) - late_ms)
        before, records = self.play.state, self.play.n
        step = self.cue(Post((text(),), DAY_S, self.a_room(data), one))
        if isinstance(step.answer, Repeated):
            assert (step.state, self.play.n) == (before, records)
            (carried_out,) = (each.one for each in before.tried if each.n == step.answer.n)
            assert (carried_out.body, carried_out.count == count) == (body, False)
            assert any(isinstance(told, ev.UserMessage) for told in self.play.log[step.answer.n - 1].events)

    @rule(title=st.sampled_from(["a", "b"]))
    def rename(self, title: str) -> None:
        before = Details(title=self.title)
        step = self.cue(Update(before, Details(title=title)))
        if not isinstance(step.answer, Refused):
            self.title = title
            assert bool(step.events) == (before.title != title)

    @precondition(lambda self: self.play.n > 20)
    @rule()
    def archive(self) -> None:
        self.cue(Archive())

    @precondition(lambda self: self.play.state.questions)
    @rule(data=st.data(), result=st.sampled_from(["allow", "deny"]))
    def answer(self, data: st.DataObject, result: Any) -> None:
        question = data.draw(st.sampled_from(self.play.state.questions))
        self.cue(Post((ConfirmationIn(question.tool_use_id, result),), DAY_S, self.a_room(data)))

    @precondition(lambda self: self.turns)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        seen = self.a_room(data)
        turn_id = data.draw(st.sampled_from(sorted(self.turns)))
        self.cue(Accepted(turn_id, seen.epoch, seen.outbox or OUTBOXES[0]))

    @rule(
        data=st.data(),
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    )
    def next_batch(self, data: st.DataObject, kinds: list[str]) -> None:
        seen = self.a_room(data)
        if seen.outbox is None:
            return
        sent = self.sent.setdefault(seen.outbox, [])
        events = tuple(self.an_event(data, kind) for kind in kinds)
        batch = Batch(seen.outbox, len(sent) + 1, f"h{self.events_made}", events, self.events_made, seen)
        step = self.cue(batch)
        if step.answer == Acked(batch.batch) and step.events:
            sent.append(batch)

    @precondition(lambda self: any(self.sent.values()))
    @rule(data=st.data(), kind=st.sampled_from(["repeat", "conflict", "gap"]))
    def odd_batch(self, data: st.DataObject, kind: str) -> None:
        outbox = data.draw(st.sampled_from([one for one, sent in self.sent.items() if sent]))
        sent = self.sent[outbox]
        seen = self.a_room(data)
        batch = replace(data.draw(st.sampled_from(sent)), room=replace(seen, outbox=outbox))
        if kind == "conflict":
            batch = replace(batch, hash="another")
        elif kind == "gap":
            batch = replace(batch, batch=len(sent) + 2)
        before = self.play.state
        assert self.cue(batch).events == ()
        assert self.play.state == before

    @rule(data=st.data())
    def tick(self, data: st.DataObject) -> None:
        active = tuple(sorted(self.turns)) if data.draw(st.booleans()) else ()
        self.cue(Tick(self.a_room(data), active))

    @precondition(lambda self: self.play.n > 25)
    @rule(disposed=st.booleans())
    def delete(self, disposed: bool) -> None:
        self.cue(Disposed(self.rooms[-1].epoch) if disposed else Delete())

    # ---- how it is drawn

    def a_room(self, data: st.DataObject) -> RoomView:
        """The room as it stands, or as somebody slow still sees it."""
        return data.draw(st.sampled_from([self.rooms[-1], self.rooms[-1], *self.rooms[-3:]]))

    def an_event(self, data: st.DataObject, kind: str) -> ev.DaemonEvent:
        self.events_made += 1
        event_id = EventId(f"sevt_{self.events_made}")
        turn = self.play.state.turn
        turn_id = turn.turn_id if turn else TurnId("turn_none")
        questions = self.play.state.questions
        match kind:
            case "ask":
                return ev.AgentToolUse(id=event_id, turn_id=turn_id, name="bash", input={}, evaluated_permission="ask")
            case "settle" if questions:
                asked = data.draw(st.sampled_from(questions)).tool_use_id
                return ev.PermissionSettled(id=event_id, turn_id=turn_id, tool_use_id=asked, outcome="allow")
            case "end":
                outcome: Any = data.draw(st.sampled_from(["completed", "failed", "cancelled", "unknown"]))
                return ev.TurnEnded(id=event_id, turn_id=turn_id, outcome=outcome)
            case "old end" if self.turns:
                old = data.draw(st.sampled_from(sorted(self.turns)))
                return ev.TurnEnded(id=event_id, turn_id=old, outcome="cancelled")
            case _:
                return ev.AgentMessage(id=event_id, turn_id=turn_id, content=())

    # ---- what holds

    def cue(self, cue: SessionCue) -> SessionStep:
        """Gives the session a cue, and checks everything that holds of the step."""
        before, number = self.play.state, self.play.n
        twice = decide(before, cue, n=number + 1, now=self.play.now)
        step = self.play.do(cue)
        assert step == twice, "deciding twice gives equal answers"
        self.check_fence(before, cue, step)
        self.check_quiet(before, step)
        self.check_batch(cue, step)
        self.check_turns(step)
        self.check_told(step)
        self.check_receipts()
        self.check_state()
        return step

    def check_fence(self, before: Any, cue: SessionCue, step: SessionStep) -> None:
        match cue:
            case Post():
                if cue.room.epoch < before.epoch and not isinstance(step.answer, Refused):
                    assert not any(isinstance(one, ev.TurnStarted) for one in step.events), "an old room starts nothing"
            case Tick() | Batch():
                if cue.room.epoch < before.epoch:
                    assert (step.state, step.events) == (before, ()), "a lower epoch changes nothing"
            case Accepted() | Disposed():
                if cue.epoch < before.epoch:
                    assert (step.state, step.events, step.answer) == (before, (), Stale(before.epoch))
        assert step.state.epoch >= before.epoch

    def check_quiet(self, before: Any, step: SessionStep) -> None:
        if step.events or step.state == before:
            return
        changed = {name for name in before.__struct_fields__ if getattr(before, name) != getattr(step.state, name)}
        assert changed <= BOOKKEEPING
        if "turn" in changed:
            assert step.state.turn is not None
            assert replace(before.turn, touched_at=0.0) == replace(step.state.turn, touched_at=0.0)
        if "status" in changed:
            assert (before.status, step.state.status) == ("deleting", "deleted")
        assert set(step.state.tried) <= set(before.tried), "tries are only forgotten"

    def check_batch(self, cue: SessionCue, step: SessionStep) -> None:
        if isinstance(cue, Batch) and step.events:
            assert (cue.outbox, cue.batch) not in self.applied, "a batch is applied once"
            assert step.answer == Acked(cue.batch)
            self.applied.add((cue.outbox, cue.batch))
            told = [one for one in step.events if one in cue.events]
            assert told == list(cue.events), "whole, and in its order"

    def check_turns(self, step: SessionStep) -> None:
        for one in step.events:
            if isinstance(one, ev.TurnStarted):
                assert not any(self.turns.values()), "one turn runs"
                assert one.order == len(self.turns) + 1
                self.turns[one.turn_id] = True
            elif isinstance(one, ev.Receipt) and one.turn_id and one.status in TERMINAL:
                assert self.turns[one.turn_id], "a turn ends once"
                self.turns[one.turn_id] = False
            elif isinstance(one, ev.Receipt) and one.status == "sent":
                accepted = min(n for n, record in enumerate(self.play.log) if self.holds(record, one.event_ids[0]))
                assert not self.begun or accepted > self.begun[-1], "first in, first out"
                self.begun.append(accepted)
        running = [one for one, runs in self.turns.items() if runs]
        turn = self.play.state.turn
        assert running == ([turn.turn_id] if turn else [])

    def holds(self, record: Any, event_id: EventId) -> bool:
        return any(isinstance(one, ev.UserMessage) and one.id == event_id for one in record.events)

    def check_told(self, step: SessionStep) -> None:
        state = self.play.state
        for one in step.events:
            match one:
                case ev.SessionStatusRunning():
                    self.phase = "running"
                case ev.SessionStatusRescheduled():
                    self.phase = "rescheduling"
                case ev.SessionStatusTerminated():
                    self.phase = "terminated"
                case ev.SessionStatusIdle():
                    self.phase = "asking" if one.stop_reason.type == "requires_action" else "idle"
                case _:
                    pass
        assert self.phase == state.phase
        assert (state.running_since is None) == (state.phase != "running"), "time is counted while a turn runs"
        if state.archived_at is not None:
            assert self.phase == "terminated"
            people = ev.UserMessage | ev.UserInterrupt | ev.UserToolConfirmation | ev.SessionUpdated | ev.TurnStarted
            assert not any(isinstance(one, people) for one in step.events), "an archived session is read only"
        elif state.status == "open":
            asking = any(one.verdict_n is None for one in state.questions)
            right = "asking" if asking else "running" if state.turn else "rescheduling" if state.waiting else "idle"
            assert state.phase == right, "viewers were told what is"

    def check_receipts(self) -> None:
        waiting_or_running = len(self.play.state.waiting) + bool(self.play.state.turn)
        open_records = set()
        for event_id, seen in self.play.receipts().items():
            assert sum(one in TERMINAL for one in seen) <= 1
            if seen[-1] not in TERMINAL:
                assert not TERMINAL & set(seen), "a terminal receipt does not change"
                open_records.add(next(record.n for record in self.play.log if self.holds(record, event_id)))
        assert len(open_records) == waiting_or_running, "who has no terminal receipt waits or runs"

    def check_state(self) -> None:
        state = self.play.state
        assert len(msgspec.json.encode(state)) < 2048
        if not has_work(state):
            assert all(owed(state, one) == () for one in (None, *OUTBOXES))
        for outbox in (None, *OUTBOXES):
            prompts = [one for one in owed(state, outbox) if isinstance(one, OwedPrompt)]
            assert not prompts or (state.turn and prompts[0].turn.outbox == outbox)
        if state.status != "open":
            assert (state.turn, state.waiting, state.questions) == (None, (), ())
        ids = [one.id for r in self.play.log for one in r.events if not isinstance(one, ev.MessagePlaced)]
        assert len(ids) == len(set(ids)), "no two events share an id"

    def teardown(self) -> None:
        """In the end, with the machine away for ever, every accepted message has its one terminal receipt."""
        self.play.now += 10 * DAY_S
        away = replace(self.rooms[-1], connection_id=None, lease_until=0.0, epoch=self.rooms[-1].epoch + 9)
        self.cue(Tick(away))
        if self.play.state.hard_limit_s:
            assert all(seen[-1] in TERMINAL for seen in self.play.receipts().values())
        self.cue(Delete())
        assert all(seen[-1] in TERMINAL for seen in self.play.receipts().values())


SessionLife.TestCase.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
TestSessionLife = SessionLife.TestCase
