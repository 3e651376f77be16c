"""Planes to act on."""

from __future__ import annotations

import pytest

from tests.actors.plane import C1, Plane


@pytest.fixture
def plane() -> Plane:
    """A plane with one runtime that has never been online, and nothing else."""
    return Plane()


@pytest.fixture
def live(plane: Plane) -> Plane:
    """A plane whose laptop is online, with an idle session."""
    plane.laptop()
    plane.session()
    return plane


@pytest.fixture
def running(live: Plane) -> Plane:
    """A plane whose laptop has a turn on disk."""
    live.post()
    live.accept()
    live.heard(C1)
    return live
