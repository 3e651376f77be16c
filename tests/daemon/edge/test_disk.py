"""A session gets a folder only where there is room for one, and nobody's work makes room for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.disk import check_room, size_of
from mooring.errors import MoorError


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    made = tmp_path / "sessions"
    for name, size in (("sesn_small", 10_000), ("sesn_large", 1_500_000), ("sesn_middle", 400_000)):
        (made / name / "src").mkdir(parents=True)
        (made / name / "src" / "a.bin").write_bytes(b"x" * size)
    (made / "sesn_small" / "up").symlink_to(made)
    (made / "linked").symlink_to(made / "sesn_large")
    return made


def test_what_all_sessions_hold_together_is_bounded(sessions: Path) -> None:
    """Catches a bound per session, a link counted as what it leads to, and a refusal that does not say what to do."""
    check_room(sessions, 2, 0)
    with pytest.raises(MoorError) as refused:
        check_room(sessions, 1.9, 0)
    assert refused.value.code == "disk_quota"
    assert "hold 2 MB" in refused.value.message
    assert "largest are sesn_large (2 MB), sesn_middle (0 MB), sesn_small" in refused.value.message
    assert size_of(sessions / "sesn_large") == 1_500_000, "nothing was removed"


def test_no_session_begins_on_a_disk_that_is_nearly_full(sessions: Path) -> None:
    with pytest.raises(MoorError, match="MB free") as refused:
        check_room(sessions, None, 1e12)
    assert refused.value.code == "disk_quota"


def test_a_file_that_goes_away_meanwhile_holds_nothing(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(folder: Path) -> list[tuple[str, list[str], list[str]]]:
        return [(str(folder), [], ["gone.bin"]), (str(folder / "src"), [], ["a.bin"])]

    monkeypatch.setattr("os.walk", walk)
    assert size_of(sessions / "sesn_small") == 10_000
