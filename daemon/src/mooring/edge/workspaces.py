"""Workspaces: the folders of the laptop's owner in which sessions may work, besides folders of their own.

The plane names one; whether that is allowed is decided here, by where paths really lead. So a link that stands in an
allowed folder and leads out of it opens nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import MoorError


def workspace_of(wanted: str, allowed: Sequence[str]) -> Path:
    """The folder that ``wanted`` really is: one that is allowed, or one below it.

    Args:
        wanted: an absolute path, as the plane names it.
        allowed: absolute paths; ``~`` is the owner's home.

    Raises:
        MoorError: ``workspace_not_allowed``, whether it exists or not; ``workspace_missing``: it is no folder.
    """
    there = Path(os.path.realpath(wanted)) if os.path.isabs(wanted) and "\0" not in wanted else None
    roots = (Path(os.path.realpath(Path(one).expanduser())) for one in allowed)
    if there is None or not any(there.is_relative_to(root) for root in roots):
        why = (
            f"The agent's definition wants to work in {wanted[:200]!r}, which this laptop's owner has not allowed: add"
            " it to workspaces in config.toml and restart the daemon, or change the definition."
        )
        raise MoorError("workspace_not_allowed", why)
    if not there.is_dir():
        raise MoorError("workspace_missing", f"The workspace {wanted[:200]!r} is no folder on this laptop.")
    return there
