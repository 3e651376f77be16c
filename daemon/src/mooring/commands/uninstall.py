"""``moor uninstall``: undoes ``moor setup``. What the laptop's owner wrote or logged in with stays."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..edge.creds import paths
from ..edge.lock import read_holder
from ..errors import MoorError
from ..providers import orphans
from .result import EXIT_FAILED, Result, Screen
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor uninstall``."""
    one = verbs.add("uninstall", "Undo `moor setup`.", _run)
    one.add_argument("--yes", action="store_true", help="do not ask")


def run(screen: Screen, *, yes: bool) -> Result:
    """Removes credentials, journals, session folders and logs. Run again, it finds nothing to do.

    Args:
        screen: asks whether it is meant.
        yes: it is meant.

    Raises:
        MoorError: ``daemon_running``, ``not_removed``.
    """
    where = paths()
    pid = read_holder(where.lock)
    if pid is not None:
        raise MoorError("daemon_running", f"The daemon (pid {pid}) is running; stop it first.")
    marks = (where.children, where.lock, where.taken_over)
    ours = (where.credentials, *where.journals, where.sessions, where.logs, *marks)
    there = [path for path in ours if _is(path)]
    if not there:
        return Result(0, ["Nothing is installed here."], {"removed": []})
    if not yes and not screen.confirm(f"Remove this laptop's pairing and all session folders under {where.home}?"):
        return Result(EXIT_FAILED, ["Nothing was removed; say yes, or use --yes."], {"removed": []})
    orphans.sweep(where.children)
    for path in there:
        _remove(path)
    lines = [f"Removed {path}" for path in there]
    lines.append("The machine id stays, so that a new setup gives the same runtime; so do config.toml and the login.")
    return Result(0, lines, {"removed": [str(path) for path in there]})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, yes=given.yes)


def _is(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as exc:
        raise MoorError("not_removed", f"{path} could not be removed: {exc.strerror or exc}.") from exc
