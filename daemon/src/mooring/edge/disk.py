"""The disk: whether a session may have a folder on it. What is there stays: nobody's work is removed to make room."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from ..errors import MoorError

MB: Final = 1_000_000
_NAMED: Final = 3


def check_room(sessions: Path, max_mb: float | None, min_free_mb: float) -> None:
    """Whether one more session may have a folder in ``sessions``. May take as long as looking at all their files does.

    Args:
        sessions: where the sessions' folders are; it exists.
        max_mb: how much all of them may hold (megabytes); None = any amount, and nothing is looked at.
        min_free_mb: how much the disk must have free (megabytes).

    Raises:
        MoorError: ``disk_quota``, with what to do.
    """
    free_mb = shutil.disk_usage(sessions).free / MB
    if free_mb < min_free_mb:
        why = f"The laptop's disk has {free_mb:.0f} MB free, and no new session begins with less than {min_free_mb:g}."
        raise MoorError("disk_quota", f"{why} Free some space there, or delete sessions that are done.")
    if max_mb is None:
        return
    sizes = {one.name: size_of(one) for one in sessions.iterdir() if one.is_dir() and not one.is_symlink()}
    held_mb = sum(sizes.values()) / MB
    if held_mb >= max_mb:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED]
        named = ", ".join(f"{name} ({sizes[name] / MB:.0f} MB)" for name in largest)
        why = f"The laptop's sessions hold {held_mb:.0f} MB, and its configuration allows {max_mb:g} (max_disk_mb)."
        raise MoorError("disk_quota", f"{why} Delete sessions that are done; the largest are {named}.")


def size_of(folder: Path) -> int:
    """What all files below hold (bytes). Links are not followed, and what goes away meanwhile holds nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue
    return total
