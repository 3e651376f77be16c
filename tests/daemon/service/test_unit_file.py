"""A service manager's file: whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mooring.errors import MoorError
from mooring.service.unit_file import put


def test_a_file_is_written_whole_with_its_folders_and_can_be_read_by_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "unit"
    put(path, b"one")
    put(path, b"two")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o644)
    assert list(path.parent.iterdir()) == [path]


def test_what_can_not_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """Catches half a unit beside the true one, which systemd would warn of for ever."""
    (tmp_path / "unit").mkdir()
    with pytest.raises(MoorError, match="service_failed.*could not be written"):
        put(tmp_path / "unit", b"one")
    assert list(tmp_path.iterdir()) == [tmp_path / "unit"]
