"""Where skills lie, and that no tree of folders and links keeps the daemon from going on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mooring.edge import skill_folders as module
from mooring.edge.skill_folders import skill_folders
from tests.daemon.skill_home import skill


def names(root: Path, depth: int = 1, *, hidden: bool = True) -> list[str]:
    return [str(one.relative_to(root)) for one in skill_folders(root, depth, hidden=hidden)]


def test_skills_are_found_as_deep_as_is_asked_for(tmp_path: Path) -> None:
    for one in ("a", "b/c", "b/c/d", ".h", "e/f/g/h"):
        skill(tmp_path / one)
    (tmp_path / "plain").write_text("no folder")
    (tmp_path / "empty").mkdir()
    assert names(tmp_path) == [".h", "a"]
    assert names(tmp_path, 3) == [".h", "a", "b/c", "b/c/d"]
    assert names(tmp_path, 3, hidden=False) == ["a", "b/c", "b/c/d"]
    assert (names(tmp_path / "absent"), names(tmp_path / "plain")) == ([], [])


def test_a_skill_may_be_a_link_and_nothing_below_a_link_is_looked_at(tmp_path: Path) -> None:
    """Catches a walk through somebody's whole home, and one round and round a loop."""
    root = tmp_path / "skills"
    root.mkdir()
    (root / "linked").symlink_to(skill(tmp_path / "library" / "linked"))
    (root / "self").symlink_to(root / "self")
    (root / "up").symlink_to(tmp_path)
    skill(tmp_path / "library" / "linked" / "inner")
    (tmp_path / "library" / "linked" / "back").symlink_to(root)
    assert names(root) == ["linked"]
    assert names(root, 9) == ["linked"]


def test_a_folder_with_too_many_in_it_is_looked_at_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_FOLDERS", 3)
    for number in range(5):
        skill(tmp_path / f"s{number}")
    assert names(tmp_path) == ["s0", "s1", "s2"]
    assert "more than 3 folders" in caplog.text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_told_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    skill(tmp_path / "closed" / "s")
    skill(tmp_path / "open")
    (tmp_path / "closed").chmod(0)
    try:
        assert names(tmp_path, 2) == ["open"]
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert "closed is left out: Permission denied" in caplog.text


def test_a_folder_that_can_not_be_listed_is_told_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same for those who run the tests as root."""

    def refused(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refused)
        assert names(tmp_path) == []
    assert "is left out: Permission denied" in caplog.text
