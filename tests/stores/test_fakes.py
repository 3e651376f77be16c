"""The twins' own promises to schedule tests: points to switch, to die and to lie at."""

from __future__ import annotations

import pytest

from chalicelib.actors import ports
from chalicelib.core.object_key import PutRefused, Stored, room_key
from chalicelib.wire.ids import ConnectionId, RuntimeId, TenantId, TurnId
from tests.fakes import FakeClock, FakeSockets, Phase, fake_stores

KEY = room_key(RuntimeId("rt_1"))
CONNECTION = ConnectionId("Zk3=")


class Killed(BaseException):
    """The Lambda was stopped here."""


def kill_at(point: str, phase: Phase) -> ports.Stores:
    def on_io(name: str, at: Phase) -> None:
        if (name, at) == (point, phase):
            raise Killed

    return fake_stores(FakeClock(), on_io=on_io)


def test_each_call_is_announced_before_and_after_its_effect() -> None:
    seen: list[tuple[str, Phase, bool]] = []

    def on_io(name: str, phase: Phase) -> None:
        seen.append((name, phase, KEY in stores.objects.logs))  # type: ignore[attr-defined]  # The twin's own.

    stores = fake_stores(FakeClock(), on_io=on_io)
    stores.objects.append(KEY, 1, b"one", None)
    stores.live.read(TenantId("ten_a"), TurnId("turn_1"), (0, 0), 0.0)
    assert seen == [
        ("objects.append", "before", False),
        ("objects.append", "after", True),
        ("live.read", "before", True),
        ("live.read", "after", True),
    ]


@pytest.mark.parametrize("name", [one for one in ports.Stores.__struct_fields__ if one != "clock"])
def test_every_port_has_its_points(name: str) -> None:
    port = getattr(fake_stores(FakeClock()), name)
    for method in vars(getattr(ports, name.capitalize())):
        if not method.startswith("_"):
            assert hasattr(getattr(port, method), "__wrapped__"), f"{name}.{method}"


def test_who_dies_before_a_put_left_nothing_and_who_dies_after_it_left_it() -> None:
    before, after = kill_at("objects.append", "before"), kill_at("objects.append", "after")
    for stores in (before, after):
        with pytest.raises(Killed):
            stores.objects.append(KEY, 1, b"one", None)
    assert before.objects.newest(KEY) is None
    assert after.objects.newest(KEY) == Stored(1, b"one")


def test_a_lie_refuses_a_put_that_was_applied() -> None:
    stores = fake_stores(FakeClock(), lie=iter([True, False]).__next__)
    with pytest.raises(PutRefused):
        stores.objects.append(KEY, 1, b"one", "cause")
    assert stores.objects.by_cause(KEY, "cause") == Stored(1, b"one")
    stores.objects.append(KEY, 2, b"two", None)
    assert stores.objects.newest(KEY) == Stored(2, b"two")


def test_sockets_keep_and_deliver_what_was_posted_until_the_connection_is_gone() -> None:
    delivered: list[tuple[ConnectionId, bytes]] = []
    sockets = FakeSockets(deliver=lambda connection_id, message: delivered.append((connection_id, message)))
    assert sockets.post(CONNECTION, b"one") is True
    sockets.close(CONNECTION)
    assert sockets.post(CONNECTION, b"two") is False
    assert sockets.posted == {CONNECTION: [b"one"]}
    assert delivered == [(CONNECTION, b"one")]


def test_the_clock_moves_only_when_told_and_never_repeats_a_token() -> None:
    clock = FakeClock(100.0)
    assert clock.now() == clock.now() == 100.0
    clock.pause(2.5)
    assert clock.now() == 102.5
    assert [clock.token(2), clock.token(4)] == ["0001", "00000002"]
