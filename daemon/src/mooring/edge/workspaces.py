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
    there = _real(Path(wanted)) if os.path.isabs(wanted) and "\0" not in wanted else None
    if there is None or not any(there.is_relative_to(real(one)) for one in allowed):
        why = (
            f"The agent's definition wants to work in {wanted[:200]!r}, which this laptop's owner has not allowed: run"
            " `moor workspaces allow` for it there, or change the definition."
        )
        raise MoorError("workspace_not_allowed", why)
    if not there.is_dir():
        raise MoorError("workspace_missing", f"The workspace {wanted[:200]!r} is no folder on this laptop.")
    return there


def allowable(wanted: str, moor_home: Path) -> Path:
    """The folder that ``wanted`` really is, if its owner can allow it without giving everything away.

    Args:
        wanted: a path; ``~`` is the owner's home. It need not be there.
        moor_home: the folder of Mooring's own files.

    Raises:
        MoorError: ``workspace_refused``; ``workspace_no_folder``: it is a file.
    """
    try:
        there, home = _real(Path(wanted).expanduser()), _real(Path.home())
    except RuntimeError as exc:
        raise MoorError("workspace_refused", f"{wanted} can't be told: {exc}") from exc
    ours = _real(moor_home)
    if _holds(there, home) or there == Path(there.anchor):
        why = f"{there} holds your whole home folder, or more: agents could read your keys. Allow a project's folder."
        raise MoorError("workspace_refused", why)
    if _holds(there, ours) or _holds(ours, there):
        why = f"{there} touches Mooring's own files in {ours}: agents could read this laptop's token."
        raise MoorError("workspace_refused", why)
    if there.exists() and not there.is_dir():
        raise MoorError("workspace_no_folder", f"{there} is no folder.")
    return there


def real(entry: str) -> Path:
    """The folder that an entry of the owner's list means."""
    return _real(Path(entry).expanduser())


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _holds(folder: Path, inner: Path) -> bool:
    """Whether ``inner`` is ``folder`` or below it; a file system may know a folder by names of other case."""
    line = (inner, *inner.parents)
    return any(folder == one or (folder.exists() and one.exists() and folder.samefile(one)) for one in line)
