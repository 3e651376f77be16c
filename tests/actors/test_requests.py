"""Requests: what one has made is found again by whoever asks, in whatever order they come."""

from __future__ import annotations

import pytest

from chalicelib.actors.requests import Requests
from chalicelib.core.errors import Unprocessable
from chalicelib.core.making import Making
from chalicelib.core.repeats import Try
from chalicelib.wire.ids import SessionId, TenantId
from tests.fakes import FakeClock, Phase, fake_stores

TENANT, OTHER = TenantId("ten_1"), TenantId("ten_2")


class World:
    """Stores, and somebody who comes in between."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.io: list[str] = []
        self.between: list[tuple[str, Making]] = []
        self.stores = fake_stores(self.clock, on_io=self._io)
        self.requests = Requests(self.stores)

    def _io(self, name: str, phase: Phase) -> None:
        if phase == "before":
            self.io.append(name)
            if self.between and self.between[0][0] == name:
                _, making = self.between.pop(0)
                self.requests.made(TENANT, "n", making)


def keyed(name: str, digest: str = "d1") -> Making:
    return Making(session_id=SessionId(name), at=1.0, digest=digest)


def by_sdk(name: str, count: int) -> Making:
    return Making(session_id=SessionId(name), at=1.8e9, digest="b", attempt=Try("b", count, 1_800_000_000_000))


@pytest.fixture
def world() -> World:
    return World()


def test_what_was_made_is_found_and_looking_writes_nothing(world: World) -> None:
    one = keyed("sesn_1")
    assert world.requests.found(TENANT, "n", one) is None
    assert world.requests.made(TENANT, "n", one) == one
    world.io.clear()
    assert world.requests.found(TENANT, "n", keyed("sesn_2")) == one
    assert world.io == ["objects.newest"]
    assert world.requests.made(TENANT, "n", keyed("sesn_2")) == one


def test_another_tenants_key_is_another_key(world: World) -> None:
    world.requests.made(TENANT, "n", keyed("sesn_1"))
    assert world.requests.found(OTHER, "n", keyed("sesn_2", "d2")) is None
    assert world.requests.made(OTHER, "n", keyed("sesn_2", "d2")).session_id == "sesn_2"


def test_a_key_used_again_for_something_else_is_refused(world: World) -> None:
    world.requests.made(TENANT, "n", keyed("sesn_1"))
    for ask in (world.requests.found, world.requests.made):
        with pytest.raises(Unprocessable) as refused:
            ask(TENANT, "n", keyed("sesn_2", "d2"))
        assert refused.value.code == "idempotency_key_reused"


@pytest.mark.parametrize("point", ["objects.newest", "objects.append"])
def test_of_two_at_the_same_moment_both_get_the_session_of_one(world: World, point: str) -> None:
    world.between = [(point, keyed("sesn_faster"))]
    assert world.requests.made(TENANT, "n", keyed("sesn_slower")).session_id == "sesn_faster"


@pytest.mark.parametrize("point", ["objects.newest", "objects.append"])
def test_tries_of_an_sdks_that_race_get_the_session_of_one(world: World, point: str) -> None:
    world.requests.made(TENANT, "n", by_sdk("sesn_before", 0))
    world.between = [(point, by_sdk("sesn_faster", 2))]
    assert world.requests.found(TENANT, "n", by_sdk("sesn_slower", 0)) is None
    assert world.requests.made(TENANT, "n", by_sdk("sesn_x", 0)).session_id == "sesn_x"
