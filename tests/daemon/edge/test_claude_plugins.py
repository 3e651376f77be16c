"""Claude Code's plugins: which there are, where each is read from, and which skills it brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.claude_plugins import config_folder, home_of, plugin_skills, plugins, records_of
from tests.daemon.skill_home import ClaudeHome, skill, write_json


def folders(home: ClaudeHome) -> dict[str, list[str]]:
    """By plugin, the folders of its skills."""
    found: dict[str, list[str]] = {}
    for one in plugin_skills(home.env):
        found.setdefault(one.plugin.name, []).append(str(one.folder.relative_to(one.plugin.root)))
    return found


def test_a_plugin_is_read_from_the_version_that_is_installed(tmp_path: Path) -> None:
    """Catches skills of an older version, which stays in the cache for days, and of one that was removed."""
    home = ClaudeHome(tmp_path / "home")
    home.install("tools", version="2.0.0", skills=["new"])
    skill(home.cached("tools", version="1.0.0") / "skills" / "old")
    skill(home.cached("gone") / "skills" / "gone")
    assert folders(home) == {"tools": ["skills/new"]}


def test_a_plugin_of_a_marketplace_on_this_laptop_is_read_from_there(tmp_path: Path) -> None:
    """Catches a manifest that tells what lies in the cache, when Claude Code reads the developer's own folder."""
    home = ClaudeHome(tmp_path / "home")
    for number, source in enumerate(("directory", "file", "git")):
        name, place = f"tools{number}", tmp_path / source
        skill(place / name / "skills" / "live")
        home.install(name, marketplace=source, skills=["cached"])
        home.marketplace(source, place, [{"name": name, "source": f"./{name}"}], source)
    assert folders(home) == {"tools0": ["skills/live"], "tools1": ["skills/live"], "tools2": ["skills/cached"]}


def test_a_plugin_names_skills_itself_or_its_marketplace_does_and_none_outside_of_it(tmp_path: Path) -> None:
    """Catches a manifest that has the daemon read where it has no business."""
    home = ClaudeHome(tmp_path / "home")
    home.marketplace("shop", tmp_path / "shop", [{"name": "docs", "source": {}, "skills": ["./kit/pdf"]}], "git")
    outside = ["../../../outside", str(tmp_path / "outside"), "\0", 7, "./loop", "./absent"]
    root = home.install("docs", manifest={"skills": ["./extra", *outside]})
    skill(tmp_path / "outside")
    for one in ("kit/pdf", "kit/docx", "extra/one", "extra/two"):
        skill(root / one)
    (root / "loop").symlink_to(root / "loop")
    assert folders(home) == {"docs": ["extra/one", "extra/two", "kit/pdf"]}
    write_json(root / ".claude-plugin" / "plugin.json", {"skills": "./kit"})
    assert folders(home) == {"docs": ["kit/docx", "kit/pdf", "kit/pdf"]}


def test_a_plugin_may_lie_among_the_skills(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home")
    root = home.config / "skills" / "bundle"
    skill(root / "skills" / "one")
    write_json(root / ".claude-plugin" / "plugin.json", {"name": "parcel"})
    assert [(one.id, one.name, one.is_enabled) for one in plugins(home.config)] == [
        ("bundle@skills-dir", "parcel", True)
    ]
    assert folders(home) == {"parcel": ["skills/one"]}


@pytest.mark.parametrize("body", ["", "[]", "{", '{"plugins": 1}', '{"plugins": {"a@b": [1, {"installPath": 2}]}}'])
def test_a_list_that_can_not_be_read_brings_no_skill(tmp_path: Path, body: str) -> None:
    home = ClaudeHome(tmp_path / "home")
    home.install("tools", skills=["lint"])
    (home.config / "plugins" / "installed_plugins.json").write_text(body)
    assert plugins(home.config) == []


@pytest.mark.parametrize("known", [[], {"shop": 1}, {"shop": {"installLocation": 3}}, {"shop": {"source": []}}])
def test_marketplaces_that_can_not_be_read_leave_the_plugins_where_they_were_installed(
    tmp_path: Path, known: object
) -> None:
    home = ClaudeHome(tmp_path / "home")
    home.install("tools", skills=["lint"])
    write_json(home.config / "plugins" / "known_marketplaces.json", known)
    (home.config / "settings.json").write_text("no JSON")
    assert folders(home) == {"tools": ["skills/lint"]}
    assert [one.is_enabled for one in plugins(home.config)] == [False]


def test_a_catalogue_of_nonsense_leaves_them_too(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home")
    home.marketplace("shop", tmp_path / "shop", [], "directory")
    home.install("tools", skills=["lint"])
    for listed in ("none", [1, {"name": "other"}]):
        write_json(tmp_path / "shop" / ".claude-plugin" / "marketplace.json", {"plugins": listed})
        assert folders(home) == {"tools": ["skills/lint"]}


def test_the_first_form_of_the_list_had_one_record_for_each() -> None:
    record = {"installPath": "/x"}
    assert records_of({"plugins": {"a@b": record, "c@d": [record]}}) == {"a@b": [record], "c@d": [record]}


def test_the_home_is_the_childs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (home_of({}), home_of({"USERPROFILE": "/u"}), home_of({"HOME": "/h"})) == (tmp_path, Path("/u"), Path("/h"))
    assert config_folder({"HOME": "/h", "CLAUDE_CONFIG_DIR": ""}) == Path("/h/.claude")
