"""What the tests of services share: a user of their own, and service managers that are played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.service.tools import Tools


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """No command is on PATH but those that the test offers, and the user's home is empty."""
    user = tmp_path / "user"
    folder = tmp_path / "tools"
    user.mkdir()
    folder.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return Tools(folder)
