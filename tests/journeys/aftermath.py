"""After journeys: the logs of one that failed, and who clears up behind them all."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

from .ground import Ground
from .leftovers import running
from .waiting import until_ended

TAIL_LINES = 40

_GROUND = pytest.StashKey[Ground]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of all logs to the report of a test that failed. For a conftest to import."""
    report = yield
    ground = item.config.stash.get(_GROUND, None)
    if report.failed and ground is not None:
        for log in sorted(ground.folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            if lines:
                report.sections.append((f"end of {log.relative_to(ground.folder)}", "\n".join(lines)))
    return report


def watched_ground(config: pytest.Config, made: Ground) -> Iterator[Ground]:
    """The ground for as long as its tests run. A process of theirs that is left then fails the last of them."""
    config.stash[_GROUND] = made
    yield made
    left = running(made.mark, made.folder)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        until_ended(pid)
    assert left == {}, "processes outlived their tests (and were killed now)"
