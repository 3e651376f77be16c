"""What the tests of the running daemon share."""

from __future__ import annotations

import pytest

from mooring.daemon import loop, outflow


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plane of the test's own need not be waited for."""
    monkeypatch.setattr(loop, "FLUSH_S", 0.2)
    monkeypatch.setattr(outflow, "FIRST_PAUSE_S", 0.01)
