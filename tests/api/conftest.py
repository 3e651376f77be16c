"""What the tests of every surface share: a plane with one tenant in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import wiring
from tests.knocking import Laptop, Person, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # Chalice wants to know the region of every WebSocket event.
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    yield World()
    wiring.reset()


@pytest.fixture
def ada(world: World) -> Person:
    return world.tenant()


@pytest.fixture
def laptop(ada: Person) -> Laptop:
    return ada.laptop()
