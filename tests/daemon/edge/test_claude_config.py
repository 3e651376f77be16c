"""A session's own configuration of Claude Code: without the blocked skills, with all else, and nobody's but its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mooring.edge import claude_config as module
from mooring.edge.claude_config import without_skills
from mooring.edge.claude_plugins import plugin_skills
from mooring.edge.skills import scan
from mooring.errors import MoorError
from tests.daemon.skill_home import ClaudeHome, named_in, print_of, skill, write_json


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    """A home in use: login, settings, conversations, two skills, and a plugin with two."""
    made = ClaudeHome(tmp_path / "home")
    made.skill("audit")
    made.skill("deploy")
    made.install("tools", skills=["lint", "format"])
    for name in (".credentials.json", "projects/slug/talk.jsonl", "commands/greet.md"):
        (made.config / name).parent.mkdir(parents=True, exist_ok=True)
        (made.config / name).write_text("mine")
    (made.home / ".claude.json").write_text("{}")
    return made


def build(home: ClaudeHome, folder: Path, *blocked: str) -> dict[str, str]:
    """Builds it; gives the variables that a child finds it by."""
    return home.env | without_skills(home.env, folder, blocked)


def seen(env: dict[str, str]) -> list[str]:
    """The ids of the skills that a child with these variables finds."""
    return sorted(one.id for one in scan("claude-acp", env))


def refusal(home: ClaudeHome, folder: Path, *blocked: str) -> str:
    with pytest.raises(MoorError) as caught:
        build(home, folder, *blocked)
    assert caught.value.code == "blocklist_unsupported"
    return caught.value.message


ALL = ["audit", "deploy", "tools:format", "tools:lint"]


@pytest.mark.parametrize(
    ("blocked", "left"),
    [
        ([], ALL),
        (["deploy"], ["audit", "tools:format", "tools:lint"]),
        (["tools:lint"], ["audit", "deploy", "tools:format"]),
        (["lint", "tools:", "tools", "Deploy", "../deploy", "*", "never heard of"], ALL),
        (ALL, []),
    ],
)
def test_exactly_the_blocked_skills_are_absent(
    home: ClaudeHome, tmp_path: Path, blocked: list[str], left: list[str]
) -> None:
    """Catches a blocked skill that is there, one that is missing for a name like it, and an id that breaks the turn."""
    assert seen(build(home, tmp_path / "own", *blocked)) == left
    assert seen(home.env) == ALL


@pytest.mark.parametrize("is_read_only", [False, True])
def test_nothing_of_the_owners_is_written_at_the_first_start_nor_at_the_next(
    home: ClaudeHome, tmp_path: Path, is_read_only: bool
) -> None:
    """Catches a file, a mode or a time that is another afterwards; and a home that has to be writable."""
    skill(home.config / "skills" / "bundle" / "skills" / "one")
    write_json(home.config / "skills" / "bundle" / ".claude-plugin" / "plugin.json", {})
    if is_read_only:
        for folder, _, files in os.walk(home.home, topdown=False):
            for path in (*(Path(folder, one) for one in files), Path(folder)):
                path.chmod(path.stat().st_mode & 0o555)
    before = print_of(home.home)
    try:
        for _ in range(2):
            env = build(home, tmp_path / "own", "deploy", "tools:lint", "bundle:one")
            assert seen(env) == ["audit", "tools:format"]
        assert print_of(home.home) == before
    finally:
        for folder, _, _ in os.walk(home.home):
            Path(folder).chmod(0o700)


def test_all_else_is_the_owners_own(home: ClaudeHome, tmp_path: Path) -> None:
    """Catches a login that is asked for again, and conversations that end with the session's folder."""
    folder = tmp_path / "own"
    env = build(home, folder, "deploy")
    assert env["CLAUDE_CONFIG_DIR"] == str(folder)
    assert env["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == ""
    assert (folder / ".claude.json").resolve() == home.home / ".claude.json"
    (folder / "projects" / "slug" / "talk.jsonl").write_text("went on")
    assert (home.config / "projects/slug/talk.jsonl").read_text() == "went on"
    linked = {one.name for one in folder.iterdir() if one.is_symlink()}
    assert linked == {".claude.json", ".credentials.json", "commands", "projects", "settings.json"}
    assert named_in(folder) - linked == {"skills", "plugins"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_configuration_elsewhere_stays_the_one_whose_login_counts(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home", tmp_path / "work")
    home.skill("deploy")
    (home.config / ".claude.json").write_text("{}")
    (home.home / ".claude.json").write_text('{"another": 1}')
    env = build(home, tmp_path / "own", "deploy")
    assert env["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == str(home.config)
    assert (tmp_path / "own" / ".claude.json").resolve() == home.config / ".claude.json"
    home.env["CLAUDE_SECURESTORAGE_CONFIG_DIR"] = "/mine"
    assert build(home, tmp_path / "own")["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == "/mine"


def test_a_home_without_any_configuration_is_no_hindrance(tmp_path: Path) -> None:
    env = build(ClaudeHome(tmp_path / "home", tmp_path / "none"), tmp_path / "own", "deploy")
    assert seen(env) == []
    home = ClaudeHome(tmp_path / "home")
    home.config.rmdir()
    assert seen(build(home, tmp_path / "own", "deploy")) == []
    assert not home.config.exists()


def test_what_claude_code_has_put_there_itself_stays(home: ClaudeHome, tmp_path: Path) -> None:
    """Catches a daemon's restart that takes a session its settings, its conversation or a skill that it made."""
    folder = tmp_path / "own"
    build(home, folder, "deploy")
    (folder / "settings.json").unlink()
    (folder / "settings.json").write_text("{}")
    (folder / "todos").mkdir()
    made = skill(folder / "skills" / "made")
    (home.config / "todos").mkdir()
    (home.config / "history.jsonl").write_text("new")
    (home.config / "commands" / "greet.md").unlink()
    (home.config / "commands").rmdir()
    home.skill("later")
    build(home, folder, "audit")
    assert (folder / "settings.json").read_text() == "{}"
    assert not (folder / "todos").is_symlink()
    assert named_in(folder / "skills") == {"deploy", "later", "made"}
    assert made.is_dir()
    assert (folder / "history.jsonl").read_text() == "new"
    assert not os.path.lexists(folder / "commands")


def test_folders_that_were_turned_into_links_are_not_written_through(home: ClaudeHome, tmp_path: Path) -> None:
    """Catches an agent's link by which the owner's own plugins would be cleared away."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "skills").symlink_to(home.config / "skills")
    (folder / "plugins").symlink_to(home.config / "plugins")
    before = print_of(home.home)
    assert seen(build(home, folder, "deploy", "tools:lint")) == ["audit", "tools:format"]
    (folder / "plugins" / "cache" / "out").symlink_to(home.config)
    build(home, folder, "deploy")
    assert print_of(home.home) == before
    moved = tmp_path / "other"
    moved.symlink_to(home.config)
    build(home, moved, "deploy")
    assert print_of(home.home) == before


def test_only_plugins_with_a_blocked_skill_are_copied(home: ClaudeHome, tmp_path: Path) -> None:
    """Catches a copy of everything for every session, and an old version that is brought back."""
    home.install("other", skills=["kept"])
    skill(home.cached("tools", version="0.9.0") / "skills" / "old")
    root = home.cached("tools")
    script = root / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for name in (".git", ".in_use"):
        (root / name).mkdir()
    folder = tmp_path / "own"
    build(home, folder, "tools:lint")
    copied = folder / "plugins/cache/shop/tools/1.0.0"
    assert named_in(folder / "plugins/cache/shop") == {"tools"}
    assert named_in(copied.parent) == {"1.0.0"}
    assert named_in(copied) == {".claude-plugin", "run.sh", "skills"}
    assert (copied / "run.sh").stat().st_mode & 0o777 == 0o700
    assert not any(one.is_symlink() for one in copied.rglob("*"))
    listed = json.loads((folder / "plugins/installed_plugins.json").read_text())["plugins"]
    assert listed["tools@shop"][0]["installPath"] == str(copied)
    assert listed["other@shop"][0]["installPath"] == str(home.cached("other"))
    assert not (folder / "plugins/cache").is_symlink()


def test_a_plugin_that_lies_outside_of_the_cache_is_copied_too(home: ClaudeHome, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    place = tmp_path / "away" / ".." / "place"
    skill(tmp_path / "place" / "skills" / "one")
    skill(tmp_path / "place" / "skills" / "two")
    record = {"installPath": str(place)}
    write_json(home.config / "plugins/installed_plugins_v2.json", {"plugins": {"odd@x": record}})
    write_json(home.config / "plugins/installed_plugins.json", {"plugins": {"odd@x": [record]}})
    folder = tmp_path / "own"
    build(home, folder, "odd:one")
    for name in ("installed_plugins.json", "installed_plugins_v2.json"):
        found = json.loads((folder / "plugins" / name).read_text())["plugins"]["odd@x"]
        path = Path((found[0] if isinstance(found, list) else found)["installPath"])
        assert path.is_relative_to(folder)
        assert named_in(path / "skills") == {"two"}


@pytest.mark.parametrize("source", ["directory", "file"])
def test_a_plugin_that_is_read_from_its_marketplace_is_left_out_there_too(
    home: ClaudeHome, tmp_path: Path, source: str
) -> None:
    """Catches a blocked skill that comes by the other of the two ways."""
    place = tmp_path / "market"
    entries: list[dict[str, Any]] = [{"name": name, "source": f"./{name}"} for name in ("kit", "box", "free")]
    for name in ("kit", "box", "free"):
        for one in ("saw", "axe"):
            skill(place / name / "skills" / one)
    home.install("kit", marketplace="mine", skills=["saw", "axe"])
    home.install("box", marketplace="mine")
    home.marketplace("mine", place, entries, source)
    before = print_of(place)
    env = build(home, tmp_path / "own", "kit:saw")
    assert seen(env) == ["audit", "box:axe", "box:saw", "deploy", "kit:axe", "tools:format", "tools:lint"]
    known = json.loads((tmp_path / "own/plugins/known_marketplaces.json").read_text())["mine"]
    assert named_in(Path(known["installLocation"])) == {".claude-plugin", "kit", "box"}
    listed = json.loads((tmp_path / "own/plugins/installed_plugins.json").read_text())["plugins"]
    assert named_in(Path(listed["kit@mine"][0]["installPath"]) / "skills") == {"axe"}
    assert print_of(place) == before
    build(home, tmp_path / "own", "deploy")
    known = json.loads((tmp_path / "own/plugins/known_marketplaces.json").read_text())["mine"]
    assert known["installLocation"] == str(place)


def test_a_marketplace_that_is_a_plugin_itself_and_holds_another(home: ClaudeHome, tmp_path: Path) -> None:
    place = tmp_path / "market"
    entries: list[dict[str, Any]] = [
        {"name": "docs", "source": "./", "skills": ["./pdf", "./docx"]},
        {"name": "kit", "source": "./kit"},
    ]
    for one in ("pdf", "docx", "kit/skills/saw", "kit/skills/axe"):
        skill(place / one)
    (place / "kit" / "readme").symlink_to("skills/axe/SKILL.md")
    home.install("docs", marketplace="mine")
    home.install("kit", marketplace="mine")
    home.marketplace("mine", place, entries, "directory")
    env = build(home, tmp_path / "own", "docs:pdf", "kit:saw")
    assert seen(env) == ["audit", "deploy", "docs:docx", "kit:axe", "tools:format", "tools:lint"]
    here = Path(json.loads((tmp_path / "own/plugins/known_marketplaces.json").read_text())["mine"]["installLocation"])
    assert named_in(here) == {".claude-plugin", "docx", "kit"}
    assert named_in(here / "kit/skills") == {"axe"}


def test_a_skill_that_is_its_whole_plugin_loses_its_text_only(home: ClaudeHome, tmp_path: Path) -> None:
    root = home.install("solo", manifest={"skills": ["./"]})
    skill(root, name="all")
    (root / "hooks").mkdir()
    assert "solo:all" in seen(home.env)
    env = build(home, tmp_path / "own", "solo:all")
    assert "solo:all" not in seen(env)
    assert named_in(tmp_path / "own/plugins/cache/shop/solo/1.0.0") == {".claude-plugin", "hooks"}


def test_a_plugin_among_the_skills_is_left_out_in_part_or_with_the_skill_that_it_is(
    home: ClaudeHome, tmp_path: Path
) -> None:
    """Catches a plugin that goes because its folder has a blocked name, which is no skill's."""
    root = home.config / "skills" / "bundle"
    skill(root / "skills" / "one")
    skill(root / "skills" / "two")
    write_json(root / ".claude-plugin" / "plugin.json", {})
    assert seen(build(home, tmp_path / "own", "bundle", "bundle:one")) == ["audit", "bundle:two", *ALL[1:]]
    skill(root)
    assert seen(build(home, tmp_path / "own", "bundle", "bundle:one")) == ALL


def test_links_in_a_plugin_do_not_lead_to_what_is_left_out(home: ClaudeHome, tmp_path: Path) -> None:
    """Catches a copied link behind which the blocked skill is as whole as before."""
    root = home.install("knots")
    for one in ("saw", "axe"):
        skill(root / "src" / one)
    skill(tmp_path / "library" / "plane")
    (root / "skills").symlink_to("src")
    (root / "src" / "plane").symlink_to(tmp_path / "library" / "plane")
    (root / "notes").symlink_to("src/axe/SKILL.md")
    (tmp_path / "shelf").mkdir()
    (root / "shelf").symlink_to(os.path.relpath(tmp_path / "shelf", root))
    (root / "again").symlink_to(".")
    for one, other in (("saw", "east"), ("plane", "west")):
        skill(root / other / one, name="x")
    (root / "east" / "round").symlink_to("../west")
    (root / "west" / "round").symlink_to("../east")
    (root / "skills.txt").symlink_to("nowhere")
    write_json(root / ".claude-plugin" / "plugin.json", {"name": "knots", "skills": ["./east", "./west"]})
    env = build(home, tmp_path / "own", "knots:saw", "knots:plane")
    copied = tmp_path / "own/plugins/cache/shop/knots/1.0.0"
    assert named_in(copied / "src") == named_in(copied / "skills") == {"axe"}
    assert os.readlink(copied / "notes") == "src/axe/SKILL.md"
    assert os.readlink(copied / "skills.txt") == "nowhere"
    assert (copied / "shelf").resolve() == tmp_path / "shelf"
    assert not list(copied.rglob("saw")) + list(copied.rglob("plane"))
    found = [one.folder for one in plugin_skills(env) if one.plugin.name == "knots"]
    assert [one.name for one in found] == ["axe"]


def test_a_plugin_too_large_to_copy_is_refused_and_only_then(
    home: ClaudeHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a start that fills the disk, or one without what was to be hidden."""
    monkeypatch.setattr(module, "MAX_COPY_BYTES", 1000)
    (home.cached("tools") / "model.bin").write_bytes(b"x" * 2000)
    assert "too large" in refusal(home, tmp_path / "own", "tools:lint")
    build(home, tmp_path / "own", "deploy")


@pytest.mark.parametrize("name", ["CLAUDE_CODE_PLUGIN_CACHE_DIR", "CLAUDE_CODE_PLUGIN_SEED_DIR"])
def test_a_claude_code_that_looks_elsewhere_is_refused(home: ClaudeHome, tmp_path: Path, name: str) -> None:
    """Catches a list that is kept in a folder at which nobody looks."""
    home.env[name] = "/elsewhere"
    assert name in refusal(home, tmp_path / "own", "deploy")
    del home.env[name]
    for one in (name, "CLAUDE_CONFIG_DIR"):
        home.settings = {"env": {one: "/elsewhere"}}
        home.write()
        assert one in refusal(home, tmp_path / "own", "deploy")
    home.settings = {"env": ["nonsense"]}
    home.write()
    home.env["CLAUDE_CONFIG_DIR"] = "relative"
    assert "not an absolute path" in refusal(home, tmp_path / "own", "deploy")


def test_a_folder_that_can_not_be_built_is_told(home: ClaudeHome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "could not be rebuilt" in refusal(home, tmp_path / "file" / "own", "deploy")
    place = tmp_path / "market"
    skill(tmp_path / "beside" / "skills" / "saw")
    home.install("kit", marketplace="mine")
    home.marketplace("mine", place, [{"name": "kit", "source": "../beside"}], "directory")
    assert "does not lie in it" in refusal(home, tmp_path / "own", "kit:saw")
