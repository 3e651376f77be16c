"""Rooms: opened once, taken by a hello, kept by pings, left by the current connection's end only."""

from __future__ import annotations

from chalicelib.actors.ports import room_key
from chalicelib.actors.rooms import seen_by_sessions
from chalicelib.core.runtime_room import Welcomed
from chalicelib.core.session_state import RoomView
from chalicelib.core.step import Stale
from chalicelib.wire.ids import RuntimeId
from tests.actors.plane import C1, C2, OTHER, RUNTIME, TENANT, A, Plane

NOWHERE = RuntimeId("rt_none")


def test_a_room_is_opened_once_and_keeps_its_tenant(plane: Plane) -> None:
    """Catches a runtime taken over by a tenant that opens it again."""
    plane.actors.rooms.open(OTHER, RUNTIME)
    room = plane.actors.rooms.view(RUNTIME)
    assert room is not None
    assert room.tenant_id == TENANT
    assert len(plane.objects.logs[room_key(RUNTIME)]) == 1


def test_there_is_no_room_for_a_runtime_that_was_never_enrolled(plane: Plane) -> None:
    rooms = plane.actors.rooms
    assert rooms.view(NOWHERE) is None
    assert rooms.hello(NOWHERE, C1, "i", 1, A) is None
    assert rooms.ping(NOWHERE, C1) is None
    rooms.gone(NOWHERE, C1)


def test_a_hello_takes_the_room_and_a_ping_keeps_it(plane: Plane) -> None:
    rooms = plane.actors.rooms
    welcomed = rooms.hello(RUNTIME, C1, "i", 1, A)
    assert welcomed is not None
    answer, room = welcomed
    assert (answer.epoch, room.connection_id) == (1, C1)
    plane.clock.time += 100
    current, room = rooms.ping(RUNTIME, C1) or (False, room)
    assert current
    assert room.lease_until == plane.clock.time + 150
    assert rooms.hello(RUNTIME, C2, "i", 2, A) is not None
    pinged = rooms.ping(RUNTIME, C1)
    assert pinged is not None
    assert (pinged[0], pinged[1].connection_id) == (False, C2)


def test_a_hello_whose_put_was_applied_and_refused_gets_one_epoch(plane: Plane) -> None:
    plane.lies = [True]
    welcomed = plane.actors.rooms.hello(RUNTIME, C1, "i", 1, A)
    assert welcomed is not None
    assert welcomed[0].epoch == 1
    assert len(plane.objects.logs[room_key(RUNTIME)]) == 2


def test_of_two_hellos_at_once_both_are_welcomed_and_the_later_one_stays(plane: Plane) -> None:
    plane.when("objects.append", "before", lambda: plane.actors.rooms.hello(RUNTIME, C2, "i", 1, A))
    welcomed = plane.actors.rooms.hello(RUNTIME, C1, "another", 1, A)
    assert welcomed is not None
    assert welcomed[0] == Welcomed(2, C2)


def test_a_daemons_earlier_hello_that_loses_the_race_is_told_that_it_is_stale(plane: Plane) -> None:
    plane.when("objects.append", "before", lambda: plane.actors.rooms.hello(RUNTIME, C2, "i", 2, A))
    stale = plane.actors.rooms.hello(RUNTIME, C1, "i", 1, A)
    assert stale is not None
    assert stale[0] == Stale(1)
    assert stale[1].connection_id == C2


def test_the_end_of_a_replaced_connection_leaves_the_room_alone(plane: Plane) -> None:
    rooms = plane.actors.rooms
    rooms.hello(RUNTIME, C1, "i", 1, A)
    rooms.hello(RUNTIME, C2, "i", 2, A)
    rooms.gone(RUNTIME, C1)
    room = rooms.view(RUNTIME)
    assert room is not None
    assert room.online(plane.clock.time)
    rooms.gone(RUNTIME, C2)
    room = rooms.view(RUNTIME)
    assert room is not None
    assert not room.online(plane.clock.time)


def test_a_session_sees_a_runtime_without_a_room_as_one_that_never_was_online() -> None:
    assert seen_by_sessions(None) == RoomView(0, None, None, 0.0, 0.0)


def test_a_session_sees_epoch_connection_outbox_and_lease(plane: Plane) -> None:
    plane.laptop()
    now = plane.clock.time
    assert seen_by_sessions(plane.actors.rooms.view(RUNTIME)) == RoomView(1, C1, A, now + 150, now)


def test_what_a_hello_and_a_ping_cost(plane: Plane) -> None:
    """Catches a ping that writes, or a hello that reads more than its connection and its room before it repairs."""
    plane.connect(C1)
    hello = plane.cost(plane.hello)
    before_repair = hello.io[: hello.io.index("work.of_runtime")]
    assert sum(one == "objects.append" for one in before_repair) == hello.puts == 1
    assert len(before_repair) - 1 == 2
    ping = plane.cost(plane.ping)
    assert (ping.puts, ping.reads) == (0, 2)
