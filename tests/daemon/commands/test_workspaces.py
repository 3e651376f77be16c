"""``moor workspaces``: the owner's list of folders, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.edge.config import read_config
from mooring.edge.creds import Paths
from tests.daemon.commands.command_line import moor


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in somebody's home, which is where commands are run."""
    folder = tmp_path.resolve() / "me" / "shop"
    (folder / "web").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent)
    return folder


def test_a_folder_is_allowed_once_and_removed_again(
    home: Paths, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an entry that means another folder elsewhere (``shop``), and one for each time that it is said."""
    told = {"path": str(shop), "changed": True, "exists": True}
    assert moor(capsys, "workspaces", "allow", "shop", "--json")[:2] == (0, told)
    assert moor(capsys, "workspaces", "allow", "~/shop/", "--json")[:2] == (0, {**told, "changed": False})
    assert moor(capsys, "workspaces", "allow", "shop/web", "--json")[1]["changed"] is False
    assert read_config(home.config).workspaces == (str(shop),)
    entry = {"entry": str(shop), "path": str(shop), "exists": True}
    assert moor(capsys, "workspaces", "list", "--json")[:2] == (0, {"workspaces": [entry]})
    assert f"still allowed, because {shop} is" in moor(capsys, "workspaces", "remove", "shop/web")[1]
    gone = {"path": str(shop), "changed": True, "still_allowed_by": []}
    assert moor(capsys, "workspaces", "remove", "shop", "--json")[:2] == (0, gone)
    assert moor(capsys, "workspaces", "remove", "shop", "--json")[:2] == (0, {**gone, "changed": False})
    assert read_config(home.config).workspaces == ()


def test_an_owners_own_entry_is_removed_however_it_is_written(
    home: Paths, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.home.mkdir()
    home.config.write_text('workspaces = ["~/shop", "/gone"]\n')
    assert moor(capsys, "workspaces", "remove", str(shop))[0] == 0
    assert home.config.read_text() == 'workspaces = ["/gone"]\n'
    assert moor(capsys, "workspaces", "list")[1] == "FOLDER\tNOTE\n/gone\tis not there\n"


def test_what_is_not_there_is_allowed_with_a_warning_and_what_is_dangerous_is_not(
    home: Paths, shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Beware" in moor(capsys, "workspaces", "allow", "later")[1]
    (shop / "all").symlink_to(home.home)
    monkeypatch.setenv("MOOR_PROFILE", "work")
    for path in ("/", "~", str(home.home), "shop/all", str(home.home / "profiles" / "other")):
        status, told, _ = moor(capsys, "workspaces", "allow", path, "--json")
        assert (status, told["error"]["code"]) == (1, "workspace_refused"), path
