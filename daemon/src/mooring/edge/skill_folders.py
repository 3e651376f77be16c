"""Where skills lie: the folders with a SKILL.md below some root, within bounds that no tree of links can break."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

SKILL_FILE: Final = "SKILL.md"

MAX_FOLDERS: Final = 5000
"""How many folders are looked into below one root."""

_log = logging.getLogger("mooring.skills")


def skill_folders(root: Path, depth: int = 1, *, hidden: bool = True) -> list[Path]:
    """The folders below ``root`` that hold a SKILL.md, sorted. What can't be read is passed over.

    A skill's own folder may be a link, as people keep them elsewhere; what lies below a link is not looked at.

    Args:
        root: not itself a skill's.
        depth: how many folders down.
        hidden: also those whose name begins with a dot.
    """
    found: list[Path] = []
    waiting = [(root, 1)]
    seen = 0
    while waiting:
        folder, level = waiting.pop()
        for entry in _folders_in(folder):
            seen += 1
            if seen > MAX_FOLDERS:
                _log.warning("%s has more than %d folders; the rest is left out", root, MAX_FOLDERS)
                return sorted(found)
            if not hidden and entry.name.startswith("."):
                continue
            if has_skill(entry):
                found.append(entry)
            if level < depth and not entry.is_symlink():
                waiting.append((entry, level + 1))
    return sorted(found)


def has_skill(folder: Path) -> bool:
    """Whether there is a SKILL.md in it, of whatever kind."""
    return os.path.lexists(folder / SKILL_FILE)


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(one.path) for one in entries if _is_folder(one))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        _log.warning("%s is left out: %s", folder, exc.strerror or exc)
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself.
        return False
