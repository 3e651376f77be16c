"""The desk against a plane that loses, repeats and reorders frames, while its own process dies at any point.

Catches, each tried by breaking the desk: resending a batch with what has gathered since; running a turn again after a
crash; ignoring a cancel whose prompt is not there yet; starting the newer turn beside the older one; dropping whatever
is in flight at any ack; ending a turn in memory only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mooring.wire import frames
from mooring.wire.codec import digest
from mooring.wire.ids import SessionId, TurnId
from tests.daemon.daemon.laptop import RUNTIME, Laptop, S, T, ended, events_of, said


class Plane:
    """What the plane remembers of one session: its log, watermarks per outbox, and what it owes."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.marks: dict[str, int] = {}
        self.orders = 0
        self.prompt: frames.SessionPrompt | None = None
        self.cancels: dict[TurnId, frames.SessionCancel] = {}
        self.deleted = False

    def has_end(self, turn_id: TurnId) -> bool:
        return any(one["type"] == "mooring.turn_ended" and one["turn_id"] == turn_id for one in self.log)


class DeskMachine(RuleBasedStateMachine):
    """Every rule is one thing that can happen next; the invariants hold after each."""

    sessions = st.sampled_from([S, T])

    @initialize()
    def begin(self) -> None:
        self.laptop = Laptop()
        self.planes = {S: Plane(), T: Plane()}
        self.epoch = 0
        self.room_outbox = ""
        self.up: list[Any] = []
        self.down: list[Any] = []
        self.bytes_of: dict[tuple[str, str, int], str] = {}
        self.first_sent: dict[tuple[str, str], list[int]] = {}
        self.runs: Counter[TurnId] = Counter()
        self.running: dict[SessionId, TurnId] = {}
        self.given: list[tuple[SessionId, TurnId]] = []
        self.said: dict[SessionId, list[str]] = {S: [], T: []}
        self.cancelled_unseen: set[TurnId] = set()
        self.prompt_arrived: set[TurnId] = set()
        self.count = 0
        self.laptop.desk.recover()
        self.laptop.desk.connected()
        self.collect()

    def collect(self) -> None:
        """Takes what the desk has sent and what it gave to the runner."""
        for frame in self.laptop.take():
            if isinstance(frame, frames.SessionEvent):
                key = (frame.session_id, frame.outbox, frame.batch)
                if key not in self.bytes_of:
                    self.first_sent.setdefault(key[:2], []).append(frame.batch)
                assert self.bytes_of.setdefault(key, digest(bytes(frame.events))) == digest(bytes(frame.events))
            self.up.append(frame)
        for order in self.laptop.runner.started:
            self.given.append((order.session_id, order.turn_id))
        self.laptop.runner.started.clear()

    # ---- the plane

    @rule(session=sessions)
    def post(self, session: SessionId) -> None:
        plane = self.planes[session]
        if plane.deleted or (plane.prompt and not plane.has_end(plane.prompt.turn_id)):
            return
        plane.orders += 1
        turn_id = TurnId(f"turn_{session}_{plane.orders}")
        plane.prompt = frames.SessionPrompt(
            session_id=session, turn_id=turn_id, order=plane.orders, agent_id="echo", content=()
        )
        self.down.append(plane.prompt)

    @rule(session=sessions)
    def give_up(self, session: SessionId) -> None:
        """The plane stops waiting for the turn: it owes a cancel, and may send the next prompt at once."""
        plane = self.planes[session]
        if plane.prompt and not plane.deleted:
            turn_id = plane.prompt.turn_id
            cancel = frames.SessionCancel(session_id=session, turn_id=turn_id, order=plane.prompt.order)
            if not plane.has_end(turn_id):
                plane.cancels[turn_id] = cancel
                self.down.append(cancel)
            plane.prompt = None

    @rule(session=sessions)
    def delete(self, session: SessionId) -> None:
        if self.count > 12:
            self.planes[session].deleted = True
            self.down.append(frames.SessionDispose(session_id=session))

    def owed(self) -> list[Any]:
        found: list[Any] = []
        for session, plane in self.planes.items():
            if plane.deleted:
                found.append(frames.SessionDispose(session_id=session))
                continue
            found += [one for turn_id, one in plane.cancels.items() if not plane.has_end(turn_id)]
            if plane.prompt and not plane.has_end(plane.prompt.turn_id):
                found.append(plane.prompt)
        return found

    def answer(self, frame: Any) -> None:
        match frame:
            case frames.Hello():
                if frame.outbox != self.room_outbox or self.epoch == 0:
                    self.epoch += 1
                    self.room_outbox = frame.outbox
                self.down.append(frames.Welcome(runtime_id=RUNTIME, epoch=self.epoch))
                self.down += self.owed()
            case frames.Ping():
                self.down += [frames.Pong(), *self.owed()]
            case frames.SessionEvent():
                self.apply(frame)
            case _:
                pass

    def apply(self, frame: frames.SessionEvent) -> None:
        plane = self.planes[frame.session_id]
        if plane.deleted:
            self.down.append(frames.SessionDispose(session_id=frame.session_id))
            return
        done = plane.marks.get(frame.outbox, 0)
        assert frame.batch <= done + 1, "a gap without a restored disk"
        if frame.batch == done + 1:
            plane.log += events_of(frame)
            plane.marks[frame.outbox] = done = frame.batch
        ack = frames.SessionAck(session_id=frame.session_id, outbox=frame.outbox, batch=done, head_n=len(plane.log))
        self.down.append(ack)

    # ---- the network

    @precondition(lambda self: self.up)
    @rule(data=st.data(), fate=st.sampled_from(["arrive", "arrive", "arrive", "lost", "twice"]))
    def frame_up(self, data: st.DataObject, fate: str) -> None:
        frame = self.up.pop(data.draw(st.integers(0, len(self.up) - 1)))
        for _ in range({"arrive": 1, "lost": 0, "twice": 2}[fate]):
            self.answer(frame)

    @precondition(lambda self: self.down)
    @rule(data=st.data(), fate=st.sampled_from(["arrive", "arrive", "arrive", "lost", "twice"]))
    def frame_down(self, data: st.DataObject, fate: str) -> None:
        frame = self.down.pop(data.draw(st.integers(0, len(self.down) - 1)))
        for _ in range({"arrive": 1, "lost": 0, "twice": 2}[fate]):
            self.deliver(frame)

    @rule()
    def exchange(self) -> None:
        """Everything under way arrives, in order."""
        up, self.up = self.up, []
        for frame in up:
            self.answer(frame)
        down, self.down = self.down, []
        for frame in down:
            self.deliver(frame)

    @rule(session=sessions)
    def hand_over(self, session: SessionId) -> None:
        """The plane gives a turn up and sends the next prompt; its cancel may be lost or come later."""
        self.give_up(session)
        self.post(session)
        if self.down and isinstance(self.down[-1], frames.SessionPrompt):
            self.deliver(self.down.pop())

    def deliver(self, frame: Any) -> None:
        if isinstance(frame, frames.SessionPrompt):
            self.prompt_arrived.add(frame.turn_id)
        if isinstance(frame, frames.SessionCancel) and frame.turn_id not in self.prompt_arrived:
            self.cancelled_unseen.add(frame.turn_id)
        self.laptop.desk.frame(frame)
        self.dispose()
        self.collect()

    def dispose(self) -> None:
        for session in dict.fromkeys(self.laptop.runner.disposing):
            self.laptop.desk.disposed(session)
            self.running.pop(session, None)
            self.given = [one for one in self.given if one[0] != session]
        self.laptop.runner.disposing.clear()

    @rule()
    def connection_lost(self) -> None:
        self.laptop.desk.disconnected()
        self.down.clear()
        self.up.clear()
        self.room_outbox = ""
        self.laptop.desk.connected()
        self.collect()

    @rule(seconds=st.sampled_from([1, 6, 26]))
    def time_passes(self, seconds: int) -> None:
        self.laptop.clock.now += seconds
        self.laptop.desk.tick(self.laptop.clock.now)
        self.collect()

    # ---- the laptop

    @rule()
    def crash(self) -> None:
        self.collect()
        self.laptop = self.laptop.restarted()
        self.running.clear()
        self.given.clear()
        self.down.clear()
        self.room_outbox = ""
        self.laptop.desk.recover()
        self.laptop.desk.connected()
        self.collect()

    @precondition(lambda self: self.given)
    @rule()
    def agent_called(self) -> None:
        session, turn_id = self.given.pop(0)
        if self.laptop.desk.start_turn(session, turn_id):
            assert session not in self.running, "two turns of a session at once"
            self.running[session] = turn_id
            self.runs[turn_id] += 1
        self.collect()

    @precondition(lambda self: self.running)
    @rule(n=st.integers(1, 3))
    def agent_says(self, n: int) -> None:
        session, turn_id = next(iter(self.running.items()))
        events = [said(f"{self.count + k}", turn_id) for k in range(n)]
        self.count += n
        assert self.laptop.desk.emit(session, events)
        self.said[session] += [event.id for event in events]
        self.collect()

    @rule(session=sessions)
    def busy_moment(self, session: SessionId) -> None:
        """A turn is asked for, begins and says something, before anything else comes between."""
        self.post(session)
        self.exchange()
        while self.given:
            self.agent_called()
        for _ in range(2):
            if self.running:
                self.agent_says(1)

    @precondition(lambda self: self.running)
    @rule()
    def agent_ends(self) -> None:
        session = next(iter(self.running))
        turn_id = self.running.pop(session)
        assert self.laptop.desk.end_turn(session, turn_id, [ended(turn_id)])
        self.collect()

    # ---- what always holds

    @invariant()
    def numbers_are_dense_from_one(self) -> None:
        for numbers in self.first_sent.values():
            assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def no_turn_is_run_twice_or_after_its_cancel(self) -> None:
        assert all(times == 1 for times in self.runs.values())
        assert not self.cancelled_unseen & set(self.runs)

    @invariant()
    def log_is_what_was_said_in_order_without_double(self) -> None:
        for session, plane in self.planes.items():
            arrived = [one["id"] for one in plane.log if one["type"] == "agent.message"]
            assert arrived == self.said[session][: len(arrived)]
            ends = Counter(one["turn_id"] for one in plane.log if one["type"] == "mooring.turn_ended")
            assert all(times == 1 for times in ends.values())

    def teardown(self) -> None:
        """Faults stop: everything said arrives, and every turn asked for has one end."""
        if not hasattr(self, "laptop"):
            return
        self.connection_lost()
        for _ in range(20):
            self.exchange()
            while self.given:
                self.agent_called()
            while self.running:
                self.agent_ends()
            self.time_passes(26)
        for session, plane in self.planes.items():
            if plane.deleted:
                assert self.laptop.journal.is_buried(session)
                continue
            arrived = [one["id"] for one in plane.log if one["type"] == "agent.message"]
            assert arrived == self.said[session]
            asked = [*plane.cancels, *([plane.prompt.turn_id] if plane.prompt else [])]
            assert all(plane.has_end(turn_id) for turn_id in asked)
            assert self.laptop.journal.open_turns(session) == ()
        assert self.laptop.journal.held_bytes == 0


DeskMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestDeskMachine: Any = DeskMachine.TestCase
