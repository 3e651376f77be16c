"""Agents that were installed for the daemon alone: which installation counts, and what is cleared away when."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mooring.edge import agent_places
from mooring.edge.agent_places import Installed, command_of, installed, keep_note, new_folder, remove_place
from mooring.edge.creds import Paths
from mooring.errors import MoorError


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """A home that nothing is in."""
    return Paths(tmp_path / "home")


def put(home: Paths, version: str) -> Installed:
    folder = new_folder(home, "gemini", version)
    (folder / "program").touch()
    note = Installed(
        id="gemini", package="@google/gemini-cli", version=version, folder=folder.name, program="program", args=("-a",)
    )
    keep_note(home, note)
    return note


def test_an_installation_counts_once_its_note_is_there(home: Paths) -> None:
    """Catches half an installation that is started."""
    assert installed(home) == {}
    new_folder(home, "gemini", "1")
    assert installed(home) == {}
    note = put(home, "1")
    assert installed(home) == {"gemini": note}
    assert command_of(home, note) == (str(home.agents / "gemini" / note.folder / "program"), "-a")
    assert home.home.stat().st_mode & 0o077 == 0


def test_the_installation_before_stays_for_the_sessions_that_run_it(home: Paths) -> None:
    """Catches an update that takes the files away from a running agent, and updates that fill the disk."""
    first, second = put(home, "1"), put(home, "1")
    assert first.folder != second.folder
    assert installed(home) == {"gemini": second}
    folders = {one.name for one in (home.agents / "gemini").glob("*/")}
    assert folders == {first.folder, second.folder}
    third = put(home, "2")
    assert {one.name for one in (home.agents / "gemini").glob("*/")} == {second.folder, third.folder}


def test_an_agent_is_removed_and_a_repeat_finds_nothing(home: Paths) -> None:
    """Catches a note without its program, and a second removal that fails."""
    put(home, "1")
    assert remove_place(home, "gemini")
    assert not (home.agents / "gemini").exists()
    assert not remove_place(home, "gemini")


def test_what_can_not_be_removed_is_told(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an agent that is said to be gone."""
    put(home, "1")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(MoorError, match="Permission denied") as caught:
        remove_place(home, "gemini")
    assert caught.value.code == "agent_not_removed"
    assert installed(home) == {}


@pytest.mark.parametrize(
    "content", ["", '{"id": "other", "package": "p", "version": "1", "folder": "f", "program": "p"}']
)
def test_a_note_that_is_not_ours_counts_as_none(home: Paths, content: str) -> None:
    """Catches a folder that was copied or damaged, and is started under another agent's name."""
    (home.agents / "gemini").mkdir(parents=True)
    (home.agents / "gemini" / agent_places.NOTE).write_text(content)
    assert installed(home) == {}
