"""Logins: what files and variables tell, and what they don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.providers.logins import login_of


@pytest.mark.parametrize(
    ("agent_id", "env", "files", "platform", "login"),
    [
        ("claude-acp", {"ANTHROPIC_API_KEY": "k"}, (), "linux", "yes"),
        ("claude-acp", {"ANTHROPIC_API_KEY": ""}, (), "linux", "no"),
        ("claude-acp", {}, (".claude/.credentials.json",), "linux", "yes"),
        ("claude-acp", {}, (".claude/settings.json",), "linux", "unknown"),
        ("claude-acp", {}, (), "darwin", "unknown"),
        ("codex-acp", {"OPENAI_API_KEY": "k"}, (), "linux", "yes"),
        ("codex-acp", {}, (".codex/auth.json",), "linux", "yes"),
        ("codex-acp", {}, (".codex/config.toml",), "linux", "unknown"),
        ("codex-acp", {}, (".claude/.credentials.json",), "linux", "no"),
        ("gemini", {"GOOGLE_API_KEY": "k"}, (), "linux", "yes"),
        ("gemini", {}, (".gemini/oauth_creds.json",), "linux", "yes"),
        ("gemini", {}, (), "linux", "no"),
        ("opencode", {}, (".local/share/opencode/auth.json",), "linux", "yes"),
        ("opencode", {}, (), "linux", "unknown"),
        ("echo", {}, (), "linux", "yes"),
        ("mine", {}, (), "linux", "unknown"),
    ],
)
def test_a_login_is_a_variable_that_is_set_or_a_file_that_is_there(
    tmp_path: Path, agent_id: str, env: dict[str, str], files: tuple[str, ...], platform: str, login: str
) -> None:
    """Catches a laptop that is said to be logged in when it is not, or told to log in when it need not."""
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert login_of(agent_id, {"HOME": str(tmp_path), **env}, platform) == login


def test_a_folder_that_a_variable_names_counts_above_the_home(tmp_path: Path) -> None:
    """Catches a login that is looked for where the agent does not."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "auth.json").write_text("{}")
    env = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "elsewhere")}
    assert login_of("codex-acp", env, "linux") == "yes"
    assert login_of("codex-acp", {**env, "CODEX_HOME": str(tmp_path)}, "linux") == "no"
    assert login_of("codex-acp", {}, "linux") == "unknown"


def test_what_is_empty_or_can_not_be_looked_at_is_no_login(tmp_path: Path) -> None:
    """Catches an empty file that counts, and a file where a folder should be that ends the hello."""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").touch()
    assert login_of("codex-acp", {"HOME": str(tmp_path)}, "linux") == "no"
    (tmp_path / ".gemini").write_text("no folder")
    assert login_of("gemini", {"HOME": str(tmp_path)}, "linux") == "unknown"
