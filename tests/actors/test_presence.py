"""Presence: what a runtime is seen as, and what waits for it."""

from __future__ import annotations

import pytest

from chalicelib.actors import presence
from chalicelib.actors.presence import Presence, Seen
from chalicelib.core.catalog import Runtime
from chalicelib.wire import frames
from chalicelib.wire.ids import KeyId, RuntimeId, SessionId
from tests.actors.plane import C1, C2, RUNTIME, TENANT, Plane, text


def seen(plane: Plane, runtime_id: RuntimeId = RUNTIME) -> Seen:
    runtime = Runtime(
        tenant_id=TENANT,
        runtime_id=runtime_id,
        owner_key_id=KeyId("key_1"),
        machine_id="m1",
        hostname="mbp",
        os="darwin",
        version="1",
        created_at=0.0,
    )
    return Presence(plane.stores, plane.actors.rooms).of(runtime)


def test_what_waits_for_a_laptop_that_sleeps_is_counted_and_gone_when_it_has_it(running: Plane) -> None:
    """Catches a count that misses a session, or counts what the laptop has on disk already."""
    running.post(text("behind the turn"))
    running.session(text("another session"), session_id=SessionId("sesn_2"))
    running.session(session_id=SessionId("sesn_3"))
    assert seen(running).waiting == 0, "it is online: nothing waits for its return"
    running.say(C1, frames.RuntimeSleep(runtime_id=RUNTIME))
    running.post(text("while it sleeps"), text("and more"))
    assert seen(running).waiting == 4
    running.laptop(C2)
    assert seen(running).waiting == 0


def test_who_was_never_here_has_no_room_and_nothing_waits(plane: Plane) -> None:
    assert seen(plane, RuntimeId("rt_none")) == Seen(seen(plane, RuntimeId("rt_none")).runtime, None)


def test_an_answer_costs_a_bounded_number_of_reads(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list of runtimes that reads every session of every laptop that is away."""
    monkeypatch.setattr(presence, "MAX_COUNTED", 2)
    for number in range(3):
        plane.session(text(), session_id=SessionId(f"sesn_{number}"))
    plane.io.clear()
    assert seen(plane).waiting == 2
    assert plane.io.count("objects.newest") == 3, "the room, and two sessions"
