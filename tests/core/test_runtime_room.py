"""The room: a connection speaks for its runtime, under an epoch that never falls, until another one does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.runtime_room import Gone, Hello, Own, Ping, RoomCue, RoomState, Sleep, Welcomed, decide
from chalicelib.core.step import Stale
from chalicelib.wire.events import LeaseRenewed, RuntimeAttached, RuntimeDetached, RuntimeOwned, RuntimeSlept
from chalicelib.wire.ids import ConnectionId, OutboxId, RuntimeId, TenantId
from chalicelib.wire.limits import LEASE_S, PING_S

NOW = 1_790_000_000.0
ROOM = RoomState(runtime_id=RuntimeId("rt_1"), tenant_id=TenantId("ten_1"))
C1, C2 = ConnectionId("c1"), ConnectionId("c2")
A, B = OutboxId("obx_a"), OutboxId("obx_b")


def hello(connection_id: ConnectionId = C1, seq: int = 1, *, outbox: str = "obx_a", instance: str = "inst_1") -> Hello:
    return Hello(connection_id, instance, seq, OutboxId(outbox))


def attached() -> RoomState:
    return decide(ROOM, hello(), n=2, now=NOW).state


def test_a_hello_makes_the_connection_the_runtimes_own_under_the_next_epoch() -> None:
    step = decide(ROOM, hello(), n=2, now=NOW)
    assert step.answer == Welcomed(1, None)
    assert step.events == (RuntimeAttached(connection_id=C1, epoch=1, instance="inst_1", outbox=OutboxId("obx_a")),)
    assert (step.state.connection_id, step.state.lease_until, step.state.since) == (C1, NOW + LEASE_S, NOW)


def test_a_repeated_hello_gets_the_same_epoch_and_writes_nothing() -> None:
    step = decide(attached(), hello(), n=3, now=NOW + 1)
    assert (step.answer, step.events, step.state) == (Welcomed(1, None), (), attached())


def test_another_connection_always_wins_and_the_older_one_is_named_to_be_told() -> None:
    step = decide(attached(), hello(C2, 2), n=3, now=NOW + 1)
    assert step.answer == Welcomed(2, C1)
    assert step.state.connection_id == C2


def test_another_outbox_on_the_same_connection_counts_as_a_new_attachment_that_replaces_nobody() -> None:
    step = decide(attached(), hello(seq=2, outbox="obx_b"), n=3, now=NOW + 1)
    assert step.answer == Welcomed(2, None)
    assert step.state.outbox == "obx_b"


def test_a_daemons_earlier_hello_that_comes_after_its_later_one_is_stale() -> None:
    """Catches a rotation undone by the gateway's order: the daemon has left the older connection."""
    state = decide(attached(), hello(C2, 2), n=3, now=NOW).state
    for late in (hello(C1, 1), hello(C1, 2), hello(ConnectionId("c3"), 2, outbox="obx_b")):
        step = decide(state, late, n=4, now=NOW + 1)
        assert (step.answer, step.events, step.state) == (Stale(2), (), state)


def test_another_process_wins_whatever_its_number() -> None:
    state = decide(attached(), hello(C2, 7), n=3, now=NOW).state
    step = decide(state, hello(C1, 1, instance="inst_2"), n=4, now=NOW)
    assert step.answer == Welcomed(3, C2)
    assert step.state.seq == 1


def test_a_rotation_keeps_since_when_the_lease_has_held_and_a_return_begins_anew() -> None:
    """Catches an idle limit that starts again at every rotation, or that counts the laptop's sleep."""
    assert decide(attached(), hello(C2, 2), n=3, now=NOW + 100).state.since == NOW
    assert decide(attached(), hello(C2, 2), n=3, now=NOW + LEASE_S).state.since == NOW + LEASE_S


def test_a_ping_moves_the_lease_only_when_less_than_half_is_left() -> None:
    """Catches a write at every ping: four of five cost none."""
    state, written = attached(), 0
    for k in range(1, 25):
        step = decide(state, Ping(C1), n=3, now=NOW + k * PING_S)
        written += bool(step.events)
        state = step.state
        assert state.online(NOW + k * PING_S)
        assert state.since == NOW
    assert written == 6


def test_a_ping_after_a_lapse_begins_a_new_unbroken_time() -> None:
    later = NOW + LEASE_S + 10
    step = decide(attached(), Ping(C1), n=3, now=later)
    assert step.events == (LeaseRenewed(lease_until=later + LEASE_S),)
    assert step.state.since == later


def test_a_replaced_connections_ping_is_stale() -> None:
    state = decide(attached(), hello(C2, 2), n=3, now=NOW).state
    step = decide(state, Ping(C1), n=4, now=NOW + LEASE_S)
    assert (step.answer, step.events, step.state) == (Stale(2), (), state)


def test_the_end_of_the_current_connection_means_away() -> None:
    step = decide(attached(), Gone(C1), n=3, now=NOW)
    assert step.events == (RuntimeDetached(connection_id=C1),)
    assert not step.state.online(NOW)
    assert (step.state.epoch, step.state.outbox) == (1, "obx_a")


def test_the_end_of_a_replaced_connection_does_not_mark_the_runtime_offline() -> None:
    state = decide(attached(), hello(C2, 2), n=3, now=NOW).state
    step = decide(state, Gone(C1), n=4, now=NOW)
    assert (step.events, step.state) == ((), state)


def test_a_runtime_is_online_while_it_has_a_connection_whose_lease_holds() -> None:
    state = attached()
    assert state.online(NOW + LEASE_S - 1)
    assert not state.online(NOW + LEASE_S)
    assert not replace(state, connection_id=None).online(NOW)


def test_a_laptop_that_says_so_is_asleep_until_its_next_hello() -> None:
    """Catches a sleep that nobody can tell from a lost laptop, or that outlives the return."""
    step = decide(attached(), Sleep(C1), n=3, now=NOW + 60)
    assert step.events == (RuntimeSlept(connection_id=C1),)
    assert (step.state.presence(NOW + 60), step.state.asleep_since) == ("asleep", NOW + 60)
    assert not step.state.online(NOW + 60), "messages wait, idle limits rest"
    late = decide(step.state, Gone(C1), n=4, now=NOW + 61)
    assert (late.events, late.state) == ((), step.state), "the close that follows changes nothing"
    back = decide(step.state, hello(C2, 2), n=4, now=NOW + 9000).state
    assert (back.presence(NOW + 9000), back.asleep_since, back.since) == ("online", None, NOW + 9000)


def test_a_laptop_that_falls_asleep_without_a_word_is_offline_once_its_lease_has_lapsed() -> None:
    assert [attached().presence(NOW + later) for later in (0, LEASE_S)] == ["online", "offline"]
    assert decide(attached(), Gone(C1), n=3, now=NOW).state.presence(NOW) == "offline"


def test_a_replaced_connections_goodnight_is_stale() -> None:
    """Catches a goodnight that arrives after the laptop woke up and came back."""
    state = decide(attached(), hello(C2, 2), n=3, now=NOW).state
    for connection_id in (C1, ConnectionId("c3")):
        step = decide(state, Sleep(connection_id), n=4, now=NOW + 1)
        assert (step.answer, step.events, step.state) == (Stale(2), (), state)


CONNECTIONS = st.sampled_from([C1, C2, ConnectionId("c3")])
CUES: st.SearchStrategy[RoomCue] = (
    st.builds(Hello, CONNECTIONS, st.sampled_from(["i1", "i2"]), st.integers(1, 9), st.sampled_from([A, B]))
    | st.builds(Ping, CONNECTIONS)
    | st.builds(Gone, CONNECTIONS)
    | st.builds(Sleep, CONNECTIONS)
)


@given(st.lists(st.tuples(CUES, st.floats(0, 400))))
def test_whatever_comes_the_epoch_never_falls_and_a_replaced_connection_speaks_only_under_a_new_one(
    cues: list[tuple[RoomCue, float]],
) -> None:
    state, now, spoke_under = ROOM, NOW, dict[ConnectionId, int]()
    for cue, seconds in cues:
        now += seconds
        step = decide(state, cue, n=9, now=now)
        assert step == decide(state, cue, n=9, now=now)
        assert step.state.epoch - state.epoch == sum(isinstance(one, RuntimeAttached) for one in step.events)
        assert bool(step.events) == (step.state != state), "what changes is told, and what is told changes something"
        current = step.state.connection_id
        if current is not None and current != state.connection_id:
            assert step.state.epoch > spoke_under.get(current, 0)
        if current is not None:
            spoke_under[current] = step.state.epoch
        assert (current is None) <= (step.state.lease_until == 0.0)
        assert step.state.asleep_since is None or current is None, "who is asleep has no connection"
        state = step.state


def test_a_room_is_its_owners_until_it_is_shared_and_nobodys_once_it_is_removed() -> None:
    owned = decide(ROOM, Own("user_1", "owner"), n=2, now=NOW)
    assert owned.events == (RuntimeOwned(owner_id="user_1", use="owner"),)
    assert [owned.state.may_be_used_by(who) for who in ("user_1", "user_2")] == [True, False]
    shared = decide(owned.state, Own("user_1", "tenant"), n=3, now=NOW).state
    assert [shared.may_be_used_by(who) for who in ("user_1", "user_2")] == [True, True]
    removed = decide(shared, Own("user_1", "nobody"), n=4, now=NOW).state
    assert [removed.may_be_used_by(who) for who in ("user_1", "user_2")] == [False, False]


def test_a_room_from_before_there_were_owners_is_everybodys() -> None:
    assert ROOM.may_be_used_by("user_1")


def test_saying_again_whose_it_is_writes_nothing_and_never_touches_the_connection() -> None:
    owned = decide(attached(), Own("user_1", "owner"), n=3, now=NOW).state
    assert (owned.connection_id, owned.epoch) == (C1, 1)
    step = decide(owned, Own("user_1", "owner"), n=4, now=NOW)
    assert (step.state, step.events) == (owned, ())
