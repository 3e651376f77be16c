"""One plane and one laptop for all journeys that break neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .aftermath import pytest_runtest_makereport, watched_ground
from .ground import Ground, House, Laptop

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The ground of all journeys."""
    yield from watched_ground(request.config, Ground(tmp_path_factory.mktemp("journeys")))


@pytest.fixture(scope="session")
def house(ground: Ground) -> Iterator[House]:
    """A plane that no journey breaks."""
    made = House(ground, "house")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def laptop(house: House) -> Laptop:
    """A laptop of that plane whose daemon no journey stops."""
    return house.laptop("laptop").start()
