"""What the daemon's tests share: a plane of their own, and a home that is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.edge.creds import Paths
from tests.daemon.fake_plane import FakePlane


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    yield from FakePlane().serve()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home folder that ``paths()`` finds."""
    for name in ("MOOR_API_KEY", "MOOR_SERVER", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOOR_PROFILE", "")  # Set, so that what `--profile` makes of it ends with the test.
    return Paths(tmp_path / "home")
