"""A session's folder: whole or not at all, never outside its place, gone when it is disposed of."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.creds import Paths
from mooring.edge.folder import Folders
from mooring.errors import MoorError
from mooring.wire.bundle import Bundle, BundleFile
from mooring.wire.ids import SessionId, TurnId

S, T = SessionId("sesn_1"), TurnId("turn_1")
AGENTS = BundleFile(path="AGENTS.md", content="# Be kind\n")


def text(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize(
    ("agent", "extra"),
    [
        ("codex-acp", {}),
        ("claude-acp", {"CLAUDE.md": "@./AGENTS.md\n"}),
        ("gemini", {"GEMINI.md": "@./AGENTS.md\n"}),
    ],
)
def test_each_agent_finds_its_instructions_under_the_name_it_reads(home: Paths, agent: str, extra: object) -> None:
    folder = Folders(home).make(S, agent, Bundle(files=(AGENTS,)))
    assert text(folder) == {"AGENTS.md": "# Be kind\n"} | dict(extra)  # type: ignore[call-overload]


def test_a_bundle_without_instructions_makes_them_of_the_system_prompt(home: Paths) -> None:
    assert text(Folders(home).make(S, "echo", Bundle(system_prompt="Be kind."))) == {"AGENTS.md": "Be kind.\n"}
    assert text(Folders(home).make(SessionId("sesn_2"), "claude-acp", Bundle())) == {}


def test_what_the_bundle_brings_itself_is_kept(home: Paths) -> None:
    own = BundleFile(path="./CLAUDE.md", content="mine")
    assert text(Folders(home).make(S, "claude-acp", Bundle(files=(AGENTS, own))))["CLAUDE.md"] == "mine"


def test_a_whole_tree_with_its_modes(home: Paths) -> None:
    files = (BundleFile(path=".claude/skills/x/run.sh", content="é", executable=True), AGENTS)
    folder = Folders(home).make(S, "echo", Bundle(files=files))
    assert (folder / ".claude/skills/x/run.sh").stat().st_mode & 0o777 == 0o700
    assert (folder / "AGENTS.md").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x",
        "../x",
        "a/../../x",
        "a/..",
        "",
        ".",
        "a/",
        "C:\\x",
        "C:x",
        "a\\..\\x",
        "a\0b",
        "a\nb",
        "..",
        "AGENTS.md/x",
        # There a link would lead into the owner's own configuration.
        ".claude-config/settings.json",
        "./.Claude-Config/skills/x/SKILL.md",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_is_written(home: Paths, path: str) -> None:
    with pytest.raises(MoorError) as caught:
        Folders(home).make(S, "echo", Bundle(files=(AGENTS, BundleFile(path=path, content="x"))))
    assert caught.value.code == "bundle_path_refused"
    assert not home.sessions.exists() or list(home.sessions.iterdir()) == []


def test_two_files_of_one_name_are_refused(home: Paths) -> None:
    with pytest.raises(MoorError, match="bundle_path_refused"):
        Folders(home).make(S, "echo", Bundle(files=(AGENTS, BundleFile(path="./AGENTS.md", content="x"))))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x" * 129])
def test_a_session_id_that_is_no_name_is_refused(home: Paths, name: str) -> None:
    with pytest.raises(MoorError, match="bad_session_id"):
        Folders(home).make(SessionId(name), "echo", Bundle())
    with pytest.raises(MoorError, match="bad_session_id"):
        Folders(home).remove(SessionId(name))


def test_a_folder_that_exists_stays_as_its_agent_left_it(home: Paths) -> None:
    folder = Folders(home).make(S, "echo", Bundle(files=(AGENTS,)))
    (folder / "AGENTS.md").write_text("changed")
    assert Folders(home).make(S, "echo", Bundle(files=(AGENTS,))) == folder
    assert text(folder) == {"AGENTS.md": "changed"}


def test_removal_takes_everything_and_follows_no_link_out(home: Paths, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = Folders(home).make(S, "echo", Bundle(files=(AGENTS,)))
    (folder / "out").symlink_to(outside)
    (folder / "locked").mkdir()
    (folder / "locked" / "file").write_text("x")
    (folder / "locked").chmod(0o500)
    Folders(home).remove(S)
    Folders(home).remove(S)
    assert list(home.sessions.iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_a_folder_that_is_a_link_is_removed_and_not_what_it_names(home: Paths, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    home.sessions.mkdir(parents=True)
    (home.sessions / S).symlink_to(outside)
    Folders(home).remove(S)
    assert outside.is_dir()
    assert list(home.sessions.iterdir()) == []


def test_what_a_killed_daemon_left_half_made_is_swept(home: Paths) -> None:
    folder = Folders(home).make(S, "echo", Bundle(files=(AGENTS,)))
    (home.sessions / ".new-sesn_2-abc").mkdir()
    (home.sessions / ".gone-sesn_3").mkdir()
    Folders(home).sweep()
    assert list(home.sessions.iterdir()) == [folder]


def test_a_folder_that_can_not_be_made_says_so(home: Paths) -> None:
    home.home.mkdir(mode=0o700)
    home.sessions.write_text("a file")
    with pytest.raises(MoorError, match="folder_unusable"):
        Folders(home).make(S, "echo", Bundle())


def test_a_file_that_a_turn_brings_lies_in_the_sessions_folder(home: Paths) -> None:
    """Catches a file that a second preparation of the same turn can't write, or that outlives its session."""
    folders = Folders(home)
    folder = folders.make(S, "echo", Bundle(files=(AGENTS,)))
    for body in (b"one", b"two\x00"):
        path = folders.keep(S, T, "1-a.png", body)
        assert path == folder / ".attachments" / "turn_1" / "1-a.png"
        assert path.read_bytes() == body
        assert path.stat().st_mode & 0o777 == 0o600
    folders.remove(S)
    assert not folder.exists()


def test_a_session_that_works_elsewhere_has_a_folder_for_what_is_brought(home: Paths) -> None:
    path = Folders(home).keep(S, T, "1-a.png", b"x")
    assert path.read_bytes() == b"x"
    assert path.is_relative_to(home.sessions / S)


@pytest.mark.parametrize("linked", [".attachments", ".attachments/turn_1", ".attachments/turn_1/1-a"])
def test_a_link_that_an_agent_has_laid_leads_nowhere(home: Paths, tmp_path: Path, linked: str) -> None:
    """Catches a file that is written where a link points: an agent might be made to lay one."""
    folder = Folders(home).make(S, "echo", Bundle())
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "1-a"
    victim.write_text("mine")
    link = folder / linked
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim if linked.endswith("1-a") else outside)
    assert Folders(home).keep(S, T, "1-a", b"theirs").resolve().is_relative_to(folder.resolve())
    assert victim.read_text() == "mine"
    assert list(outside.iterdir()) == [victim]


def test_a_turn_that_can_not_be_a_folders_name_is_refused(home: Paths) -> None:
    with pytest.raises(MoorError, match="bad_session_id"):
        Folders(home).keep(S, TurnId("../x"), "a", b"")


def test_a_file_that_can_not_be_written_fails_with_a_reason(home: Paths) -> None:
    folder = Folders(home).make(S, "echo", Bundle())
    (folder / ".attachments").write_text("in the way")
    with pytest.raises(MoorError, match="folder_unusable"):
        Folders(home).keep(S, T, "a", b"")
