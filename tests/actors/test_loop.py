"""The loop: load, decide, commit. What is refused is decided again; what was applied and not told is found again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.loop import MAX_ATTEMPTS, Cause, ObjectLoop
from chalicelib.actors.ports import room_key
from chalicelib.core import runtime_room
from chalicelib.core.errors import Busy, Unprocessable
from chalicelib.core.record import Head, RoomRecord, open_room, verify
from chalicelib.core.runtime_room import Hello, Ping, RoomState
from chalicelib.core.step import Step
from chalicelib.wire.events import RoomEvent
from chalicelib.wire.ids import ConnectionId, OutboxId, RuntimeId, TenantId
from tests.fakes import FakeClock, FakeObjects, Phase

KEY = room_key(RuntimeId("rt_1"))
FIRST = RoomState(runtime_id=RuntimeId("rt_1"), tenant_id=TenantId("ten_1"))
ONCE = Cause("key_1", "digest_1")

Loop = ObjectLoop[RoomState, RoomEvent, runtime_room.RoomCue]


class World:
    """One room, and somebody who may be faster at any point."""

    def __init__(self) -> None:
        self.io: list[str] = []
        self.rivals: list[str] = []
        self.lies: list[bool] = []
        self.pauses: list[float] = []
        self.clock = FakeClock(on_io=self._paused)
        self.objects = FakeObjects(on_io=self._io, lie=lambda: bool(self.lies) and self.lies.pop(0))
        self.loop: Loop = ObjectLoop(self.objects, self.clock, runtime_room.decide, open_room)
        assert self.loop.begin(KEY, FIRST, ())
        self.io.clear()

    def _paused(self, name: str, phase: Phase) -> None:
        if phase == "after":
            self.pauses.append(self.clock.time)

    def _io(self, name: str, phase: Phase) -> None:
        if phase == "before":
            self.io.append(name)
            if name == "objects.append" and self.rivals:
                connection = self.rivals.pop(0)
                rival: Loop = ObjectLoop(self.objects, self.clock, runtime_room.decide, open_room)
                waiting, self.rivals = self.rivals, []
                rival.act(KEY, lambda _: hello(connection))
                self.rivals = waiting

    def log(self) -> list[RoomRecord]:
        return [open_room(self.objects.logs[KEY][n].body) for n in sorted(self.objects.logs[KEY])]

    def head(self) -> Head[RoomState]:
        found = self.loop.head(KEY)
        assert found is not None
        return found


@pytest.fixture
def world() -> World:
    return World()


def hello(connection: str = "c1") -> Hello:
    return Hello(ConnectionId(connection), f"inst_{connection}", 1, OutboxId("obx_a"))


def test_an_act_appends_one_record_that_carries_events_state_and_the_hash_before(world: World) -> None:
    done = world.loop.act(KEY, lambda _: hello())
    assert done is not None
    assert done.record is not None
    assert (done.record.n, done.before, done.head.state.epoch) == (2, FIRST, 1)
    assert done.head == world.head()
    assert verify([(one.n, one.body) for one in world.objects.logs[KEY].values()]) == []
    assert world.io[:2] == ["objects.newest", "objects.append"]


def test_a_step_that_changes_nothing_writes_nothing(world: World) -> None:
    world.loop.act(KEY, lambda _: hello())
    world.io.clear()
    done = world.loop.act(KEY, lambda _: Ping(ConnectionId("c1")))
    assert done is not None
    assert done.record is None
    assert world.io == ["objects.newest"]


def test_there_is_no_acting_on_what_is_not_there(world: World) -> None:
    absent = room_key(RuntimeId("rt_2"))
    assert world.loop.act(absent, lambda _: hello()) is None
    assert world.loop.head(absent) is None


def test_an_object_begins_once(world: World) -> None:
    assert not world.loop.begin(KEY, replace(FIRST, epoch=9), ())
    assert world.head().state.epoch == 0


def test_who_loses_the_race_for_a_number_decides_again_on_what_the_winner_left(world: World) -> None:
    """Catches a decision carried over from a state that is no more: both connections would get epoch 1."""
    world.rivals = ["c2"]
    done = world.loop.act(KEY, lambda _: hello())
    assert done is not None
    assert done.answer == runtime_room.Welcomed(2, ConnectionId("c2"))
    assert [one.state.epoch for one in world.log()] == [0, 1, 2]
    assert verify([(one.n, one.body) for one in world.objects.logs[KEY].values()]) == []


def test_the_cue_is_made_anew_for_every_try_so_that_what_it_reads_is_no_older_than_the_state(world: World) -> None:
    world.rivals = ["c2", "c3"]
    seen: list[int] = []

    def cue(head: Head[RoomState]) -> Hello:
        seen.append(head.n)
        return hello()

    world.loop.act(KEY, cue)
    assert seen == [1, 2, 3]


def test_our_own_put_that_was_applied_and_refused_is_recognised_and_what_follows_a_commit_is_ours_to_do(
    world: World,
) -> None:
    """Catches a record that nobody pushes because its writer took it for somebody else's."""
    world.lies = [True]
    done = world.loop.act(KEY, lambda _: hello())
    assert done is not None
    assert done.record is not None
    assert done.record.n == 2
    assert done.answer == runtime_room.Welcomed(1, None)
    assert len(world.log()) == 2


# ---- requests


def bump(state: RoomState, cue: object, *, n: int, now: float) -> Step[RoomState, RoomEvent]:
    """A machine that does not recognise a repeat by itself, as posting a message does not."""
    return Step(replace(state, epoch=state.epoch + 1))


@pytest.fixture
def posting(world: World) -> Loop:
    return ObjectLoop(world.objects, world.clock, bump, open_room)


@pytest.mark.parametrize("cause", [ONCE, None])
def test_a_requests_put_that_was_applied_and_refused_is_not_applied_twice(
    world: World, posting: Loop, cause: Cause | None
) -> None:
    world.lies = [True]
    done = posting.act(KEY, lambda _: hello(), cause)
    assert done is not None
    assert done.record is not None
    assert (done.record.n, done.repeat, world.head().state.epoch) == (2, False, 1)


def test_a_request_sent_again_gives_the_record_of_the_first_even_when_others_came_after(
    world: World, posting: Loop
) -> None:
    first = posting.act(KEY, lambda _: hello(), ONCE)
    posting.act(KEY, lambda _: hello(), Cause("key_2", "digest_1"))
    again = posting.act(KEY, lambda _: hello(), ONCE)
    assert first is not None
    assert again is not None
    assert (again.repeat, again.record) == (True, first.record)
    assert again.head.n == 3
    assert len(world.log()) == 3


def test_the_same_key_with_another_body_is_refused(world: World, posting: Loop) -> None:
    posting.act(KEY, lambda _: hello(), ONCE)
    with pytest.raises(Unprocessable) as raised:
        posting.act(KEY, lambda _: hello(), Cause("key_1", "digest_2"))
    assert raised.value.code == "idempotency_key_reused"
    assert len(world.log()) == 2


def test_two_machines_with_the_same_request_write_one_record(world: World, posting: Loop) -> None:
    """The rival's put comes between our look for the cause and our own put."""
    rival: Loop = ObjectLoop(world.objects, world.clock, bump, open_room)
    raced: list[bool] = []

    def cue(_head: Head[RoomState]) -> Hello:
        if not raced:
            raced.append(True)
            world.clock.time += 1.0
            rival.act(KEY, lambda _: hello(), ONCE)
        return hello()

    done = posting.act(KEY, cue, ONCE)
    assert done is not None
    assert done.repeat
    assert len(world.log()) == 2


def test_a_request_without_a_key_looks_for_none(world: World, posting: Loop) -> None:
    """Catches a read too many for every request without a key."""
    world.io.clear()
    posting.act(KEY, lambda _: hello())
    assert world.io == ["objects.newest", "objects.append"]


def test_after_all_its_tries_the_object_is_busy_and_nothing_was_changed_by_the_call(world: World) -> None:
    world.rivals = [f"c{k + 2}" for k in range(MAX_ATTEMPTS)]
    with pytest.raises(Busy) as raised:
        world.loop.act(KEY, lambda _: hello())
    assert (raised.value.code, raised.value.retry_after_s) == ("object_busy", 1)
    assert not any(one.state.connection_id == "c1" for one in world.log())
    assert len(world.pauses) >= MAX_ATTEMPTS


def test_tries_are_spread_out_further_and_further_but_within_bounds(world: World) -> None:
    world.rivals = [f"c{k + 2}" for k in range(MAX_ATTEMPTS)]
    began = world.clock.time
    with pytest.raises(Busy):
        world.loop.act(KEY, lambda _: hello())
    assert world.clock.time - began < MAX_ATTEMPTS * 0.25


def test_what_must_exist_before_the_record_is_made_before_each_put(world: World) -> None:
    made: list[tuple[int, int, list[str]]] = []

    def prepare(_key: object, before: RoomState, step: Step[RoomState, RoomEvent], n: int) -> tuple[RoomEvent, ...]:
        made.append((n, before.epoch, list(world.io)))
        return step.events

    loop: Loop = ObjectLoop(world.objects, world.clock, runtime_room.decide, open_room, prepare)
    world.rivals = ["c2"]
    loop.act(KEY, lambda _: hello())
    assert [(n, epoch) for n, epoch, _ in made] == [(2, 0), (3, 1)]
    assert made[0][2] == ["objects.newest"]
