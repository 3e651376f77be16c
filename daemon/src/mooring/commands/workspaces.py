"""``moor workspaces``: the folders of yours in which agents may work, with all that is below them.

They stand in ``config.toml``. A running daemon looks there whenever it opens a session, so a change counts at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..edge.config import read_config
from ..edge.config_edit import add_workspace, remove_workspaces
from ..edge.creds import Paths, make_home, paths
from ..edge.workspaces import allowable, real
from .result import Result, Screen, Table
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor workspaces`` and its verbs."""
    group = verbs.group("workspaces", "Say in which of your folders agents may work.")
    group.add("list", "Show the folders that are allowed.", lambda *_: show())
    allow_ = group.add("allow", "Allow a folder, with all that is below it.", _allow)
    allow_.add_argument("path", metavar="PATH", help="the folder")
    remove_ = group.add("remove", "Allow a folder no longer.", _remove)
    remove_.add_argument("path", metavar="PATH", help="the folder")


def show() -> Result:
    """The list as it stands, and whether each folder is there.

    Raises:
        MoorError: ``bad_config``.
    """
    found = [
        {"entry": entry, "path": str(real(entry)), "exists": real(entry).is_dir()}
        for entry in read_config(paths().config).workspaces
    ]
    rows = [(str(one["entry"]), "" if one["exists"] else "is not there") for one in found]
    told = [] if rows else ["No folder is allowed: each session works in one of its own. `moor workspaces allow PATH`"]
    return Result(0, told, {"workspaces": found}, Table(("FOLDER", "NOTE"), rows) if rows else None)


def allow(path: str) -> Result:
    """Allows a folder. One that is allowed already, by itself or with one above it, stays so.

    Args:
        path: the folder; links in it are resolved, so that nobody turns them to another place later.

    Raises:
        MoorError: ``workspace_refused``, ``workspace_no_folder``, ``bad_config``, ``config_not_written``.
    """
    where = paths()
    folder = allowable(path, _base(where))
    above = [one for one in read_config(where.config).workspaces if folder.is_relative_to(real(one))]
    if not above:
        make_home(where)
        add_workspace(where.config, str(folder))
    lines = [f"Agents may work in {folder}" + (f": {above[0]} is allowed already." if above else ".")]
    if not folder.exists():
        lines.append("Beware: it is not there yet; sessions in it fail until it is.")
    return Result(0, lines, {"path": str(folder), "changed": not above, "exists": folder.exists()})


def remove(path: str) -> Result:
    """Allows a folder no longer; running sessions that are in it stay there until they are closed.

    Args:
        path: the folder, or an entry just as it stands in the list.

    Raises:
        MoorError: ``bad_config``, ``config_not_written``.
    """
    where = paths()
    folder = real(path)
    entries = read_config(where.config).workspaces
    gone = [one for one in entries if one == path or real(one) == folder]
    if gone:
        remove_workspaces(where.config, gone)
    above = [one for one in entries if one not in gone and folder.is_relative_to(real(one))]
    lines = [f"{folder} is allowed no longer." if gone else f"{folder} was not in the list."]
    if above:
        lines = [f"{folder} is still allowed, because {above[0]} is."]
    return Result(0, lines, {"path": str(folder), "changed": bool(gone), "still_allowed_by": above})


def _allow(given: argparse.Namespace, screen: Screen) -> Result:
    return allow(given.path)


def _remove(given: argparse.Namespace, screen: Screen) -> Result:
    return remove(given.path)


def _base(where: Paths) -> Path:
    """The folder of all profiles."""
    return where.home.parents[1] if where.profile else where.home
