"""Changing the list of allowed folders in a file that is its owner's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mooring.edge.config import read_config
from mooring.edge.config_edit import add_workspace, remove_workspaces
from mooring.errors import MoorError

MINE = """\
# How I like it.
max_sessions = 4    # four
workspaces = [
    '/src/shop',    # the shop
    "~/notes",
]

[agents.codex-acp]  # mine
command = "/opt/codex-acp"
"""


def test_all_but_the_entry_stays_as_its_owner_wrote_it(tmp_path: Path) -> None:
    """Catches an editor that writes out what it has parsed: comments, quotes and order would be gone."""
    path = tmp_path / "config.toml"
    path.write_text(MINE)
    path.chmod(0o640)
    add_workspace(path, "/src/web")
    assert path.read_text() == MINE.replace('    "~/notes",\n', '    "~/notes",\n    "/src/web",\n')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    remove_workspaces(path, ["/src/web", "~/notes"])
    assert path.read_text() == MINE.replace('    "~/notes",\n', "")
    assert [one.name for one in tmp_path.iterdir()] == ["config.toml"]


def test_a_list_that_is_not_there_yet_stands_before_the_tables(tmp_path: Path) -> None:
    """Catches a key that is written at the end of the file, where it belongs to the last table."""
    path = tmp_path / "config.toml"
    path.write_text('[agents.echo]\nargs = ["x"]\n')
    add_workspace(path, "/src/web")
    assert read_config(path).workspaces == ("/src/web",)
    path.unlink()
    add_workspace(path, "/src/web")
    assert read_config(path).workspaces == ("/src/web",)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_to_the_owners_settings_stays_a_link(tmp_path: Path) -> None:
    """Catches a replaced link: the settings that its owner keeps elsewhere would count no longer."""
    (tmp_path / "dotfiles").mkdir()
    real, path = tmp_path / "dotfiles" / "moor.toml", tmp_path / "config.toml"
    real.write_text(MINE)
    path.symlink_to(real)
    add_workspace(path, "/src/web")
    assert path.is_symlink()
    assert read_config(real).workspaces == ("/src/shop", "~/notes", "/src/web")


def test_a_file_that_is_not_in_order_or_can_not_be_written_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for text in ('workspaces = "/src"\n', "workspaces = [", "maximum = 3\n"):
        path.write_text(text)
        with pytest.raises(MoorError) as caught:
            add_workspace(path, "/src/web")
        assert (caught.value.code, path.read_text()) == ("bad_config", text)
    with pytest.raises(MoorError) as caught:
        add_workspace(tmp_path / "absent" / "config.toml", "/src/web")
    assert caught.value.code == "config_not_written"
