"""One plane and one laptop for all journeys that break neither, the logs of those that fail, and who clears up."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

from .ground import Ground, House, Laptop
from .leftovers import running
from .waiting import until_ended

TAIL_LINES = 40

_GROUND = pytest.StashKey[Ground]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of all logs to the report of a journey that failed."""
    report = yield
    ground = item.config.stash.get(_GROUND, None)
    if report.failed and ground is not None:
        for log in sorted(ground.folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            if lines:
                report.sections.append((f"end of {log.relative_to(ground.folder)}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The ground. When all journeys are over, no process of theirs may be left; one that is fails the last of them."""
    made = Ground(tmp_path_factory.mktemp("journeys"))
    request.config.stash[_GROUND] = made
    yield made
    left = running(made.mark, made.folder)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        until_ended(pid)
    assert left == {}, "processes outlived their journey (and were killed now)"


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
