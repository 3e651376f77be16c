"""The owner's settings: what may stand in them, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.config import AgentConfig, Config, read_config
from mooring.errors import MoorError

WHOLE = """
permission_policy = "always_ask"
max_sessions = 2
idle_close_minutes = 0.5
connection_minutes = 50
workspaces = ["/src/shop", "~/src", "~", "C:\\\\src"]
permission_policies = { bash = "always_ask", mcp__notes = "always_allow" }

[agents.codex-acp]
command = "/opt/codex"
args = ["--a"]
env = { KEY = "secret" }
idle_limit_s = 5
hard_limit_s = 10.5
"""


def test_no_file_allows_what_the_plane_asks(tmp_path: Path) -> None:
    assert read_config(tmp_path / "config.toml") == Config(permission_policy="always_allow")


def test_everything_that_may_be_set(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(WHOLE)
    codex = AgentConfig(command="/opt/codex", args=("--a",), env={"KEY": "secret"}, idle_limit_s=5.0, hard_limit_s=10.5)
    found = read_config(tmp_path / "config.toml")
    assert found == Config(
        permission_policy="always_ask",
        max_sessions=2,
        idle_close_minutes=0.5,
        connection_minutes=50.0,
        agents={"codex-acp": codex},
        workspaces=("/src/shop", "~/src", "~", "C:\\src"),
        permission_policies={"bash": "always_ask", "mcp__notes": "always_allow"},
    )
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nmax_sessions = 0\n", "line 1.*unknown field `a`"),
        ("\nmax_sessions = 0\n", "line 2.*>= 1"),
        ("connection_minutes = 120\n", "line 1.*<= 110"),
        ("[agents.x]\ncommand = 'c'\n[agents.y]\n\ncommand = 1\n", "line [25].*Expected `str"),
        ('permission_policy = "never"\n', "line 1.*never"),
        ('permission_policies = { Bash = "always_ask" }\n', "line 1.*matching regex"),
        ('\n[permission_policies]\nbash = "ask"\n', "line 2.*Invalid enum value 'ask'"),
        ("\nworkspaces = ['src']\n", "line 2.*matching regex"),
        ("workspaces = ['~ada/src']\n", "line 1.*matching regex"),
        ("proxy = 'socks5://proxy.example'\n", "line 1.*matching regex"),
        ("ca_file = 'company.pem'\n", "line 1.*matching regex"),
        ("x = [\n", "config.toml can't be read"),
        ("[agents]\nx = 1\n", "Expected `object`"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(MoorError, match=told) as caught:
        read_config(tmp_path / "config.toml")
    assert caught.value.code == "bad_config"
