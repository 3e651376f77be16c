"""The skills of each agent, where it looks for them; and files that are no skill, which stop nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mooring.edge.skills import scan
from mooring.wire.frames import LocalSkill
from tests.daemon.skill_home import ClaudeHome, skill, write_json


def told(agent_id: str, env: dict[str, str]) -> dict[str, str]:
    """The sources of an agent's skills by id, the first of each."""
    return {one.id: one.source for one in reversed(scan(agent_id, env))}


def test_claude_has_its_users_skills_and_those_of_the_plugins_that_are_on(tmp_path: Path) -> None:
    """Catches a plugin that is off and told of, and an id by which Claude Code does not know its skill."""
    home = ClaudeHome(tmp_path / "home")
    home.skill("audit", "Look closely.")
    skill(home.config / "skills" / "deploy", "Ship it.", name="Deploy To Production")
    home.install("tools", skills=["lint", "format"])
    home.install("off", skills=["none"], enabled=False)
    assert scan("claude-acp", home.env) == [
        LocalSkill(id="audit", name="audit", description="Look closely.", source="global"),
        LocalSkill(id="deploy", name="Deploy To Production", description="Ship it.", source="global"),
        LocalSkill(id="tools:format", name="format", description="tools format", source="plugin:tools@shop"),
        LocalSkill(id="tools:lint", name="lint", description="tools lint", source="plugin:tools@shop"),
    ]


def test_a_skill_that_a_plugin_names_by_itself_is_known_by_its_name(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home")
    root = home.install("kit", manifest={"name": "toolkit", "skills": ["./solo", "./more"]})
    skill(root / "solo", name="alone")
    skill(root / "more" / "one", name="other")
    assert sorted(told("claude-acp", home.env)) == ["toolkit:alone", "toolkit:one"]
    (root / "solo" / "SKILL.md").write_text("---\ndescription: no name\n---\n")
    assert "toolkit:solo" in told("claude-acp", home.env)


def test_claudes_configuration_is_where_its_child_looks_for_it(tmp_path: Path) -> None:
    home = ClaudeHome(tmp_path / "home", tmp_path / "elsewhere")
    home.skill("audit")
    skill(tmp_path / "home" / ".claude" / "skills" / "unseen")
    assert told("claude-acp", home.env) == {"audit": "global"}


def test_codex_has_those_of_its_own_and_the_shared_ones_by_their_names_and_not_what_comes_with_it(
    tmp_path: Path,
) -> None:
    skill(tmp_path / ".codex/skills/deep/one", name="first")
    skill(tmp_path / ".codex/skills/.system/creator")
    skill(tmp_path / ".agents/skills/two")
    assert told("codex-acp", {"HOME": str(tmp_path)}) == {"first": "global", "two": "agents"}
    skill(tmp_path / "moved/skills/three")
    env = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "moved")}
    assert told("codex-acp", env) == {"three": "global", "two": "agents"}


def test_gemini_has_the_shared_ones_its_own_and_those_of_its_extensions(tmp_path: Path) -> None:
    assert scan("gemini", {"HOME": str(tmp_path)}) == []
    skill(tmp_path / ".gemini/skills/one")
    skill(tmp_path / ".gemini/skills/deep/unseen")
    skill(tmp_path / ".agents/skills/one")
    skill(tmp_path / ".gemini/extensions/maps/skills/route")
    write_json(tmp_path / ".gemini/extensions/enablement.json", {})
    assert told("gemini", {"HOME": str(tmp_path)}) == {"one": "agents", "route": "extension:maps"}


def test_opencode_has_its_own_and_those_of_its_neighbours_at_any_depth(tmp_path: Path) -> None:
    skill(tmp_path / ".config/opencode/skill/one", name="first")
    skill(tmp_path / ".config/opencode/skills/deep/er/two")
    skill(tmp_path / ".claude/skills/three/inner")
    skill(tmp_path / ".agents/skills/two")
    env = {"HOME": str(tmp_path)}
    assert told("opencode", env) == {"first": "global", "two": "global", "inner": "claude"}
    assert told("opencode", {**env, "XDG_CONFIG_HOME": str(tmp_path / "x")}) == {"two": "agents", "inner": "claude"}


def test_an_agent_that_is_not_known_has_none(tmp_path: Path) -> None:
    skill(tmp_path / ".claude/skills/one")
    assert scan("mine", {"HOME": str(tmp_path)}) == []


BAD = {
    "absent": None,
    "empty": b"",
    "bare": b"# Only words",
    "open": b"---\nname: open\n",
    "nested": b"---\nname: " + b"[" * 5_000 + b"\n---\n",
    "list": b"---\n- name\n---\n",
    "tagged": b"---\nname: !!python/object/apply:os.system [exit]\ndescription: x\n---\n",
    "colon": b"---\nname: colon\ndescription: Use when: it says: so\n---\n",
    "bytes": b"---\nname: \xff\xfe\n---\n",
    "large": b"---\nname: " + b"x" * 100_000 + b"\n---\n",
    "date": b"---\nname: 2024-13-45\n---\n",
}


def test_a_file_that_is_no_skill_is_left_out_with_a_line_and_the_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches one broken file that costs all skills, code that a file has run, and a line of log at every hello."""
    home = ClaudeHome(tmp_path / "home")
    home.skill("good", "Works.")
    for name, body in BAD.items():
        folder = home.config / "skills" / name
        folder.mkdir()
        if body is not None:
            (folder / "SKILL.md").write_bytes(body)
    (home.config / "skills" / "absent" / "SKILL.md").symlink_to(tmp_path / "nowhere")
    (home.config / "skills" / "a-folder" / "SKILL.md").mkdir(parents=True)
    found = {one.id: one for one in scan("claude-acp", home.env)}
    assert sorted(found) == ["bytes", "colon", "date", "good", "list", "nested", "tagged"]
    assert found["colon"].description == "Use when: it says: so"
    assert found["date"].name == "2024-13-45"
    assert found["good"].description == "Works."
    for name in ("absent", "empty", "bare", "open", "large", "a-folder"):
        assert f"{name}/SKILL.md is left out: " in caplog.text
    caplog.clear()
    scan("claude-acp", home.env)
    assert "bare" not in caplog.text


def test_a_skill_that_has_changed_is_read_again(tmp_path: Path) -> None:
    """Catches a refresh that tells what was there before."""
    home = ClaudeHome(tmp_path / "home")
    file = home.skill("audit", "Before.") / "SKILL.md"
    assert [one.description for one in scan("claude-acp", home.env)] == ["Before."]
    home.skill("audit", "After it was changed.")
    os.utime(file, ns=(1, 1))
    assert [one.description for one in scan("claude-acp", home.env)] == ["After it was changed."]


def test_a_skill_without_a_name_or_with_one_that_can_not_be_blocked_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skill(tmp_path / ".agents/skills/one", name="x" * 200)
    (tmp_path / ".agents/skills/two").mkdir()
    (tmp_path / ".agents/skills/two/SKILL.md").write_text("---\ndescription: who am I\n---\n")
    assert scan("codex-acp", {"HOME": str(tmp_path)}) == []
    assert "skills/one is not reported" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files there")
def test_a_pipe_in_a_skills_place_keeps_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = ClaudeHome(tmp_path / "home")
    folder = home.config / "skills" / "pipe"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "SKILL.md")
    assert scan("claude-acp", home.env) == []
    assert "it is no file" in caplog.text
