"""``moor uninstall``: undoes ``moor setup`` in one profile. What the laptop's owner wrote or logged in with stays.

The service goes first, so that nothing runs any more; then the token is revoked, while it is still known; then the
files. A plane that can't be reached keeps nobody from leaving.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..edge.creds import Paths, paths, read_credentials
from ..edge.lock import read_holder
from ..errors import MoorError
from ..providers import orphans
from .result import EXIT_FAILED, Result, Screen
from .service import service_of
from .setup import revoke
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor uninstall``."""
    one = verbs.add("uninstall", "Undo `moor setup`.", _run)
    one.add_argument("--yes", action="store_true", help="do not ask")
    one.add_argument("--keep-id", action="store_true", help="let a later setup give the same runtime")
    one.add_argument("--keep-sessions", action="store_true", help="keep the folders in which agents have worked")


def run(screen: Screen, *, yes: bool, keep_id: bool = False, keep_sessions: bool = False) -> Result:
    """Removes service, token, credentials, journals, session folders and logs. Run again, it finds nothing to do.

    Args:
        screen: asks whether it is meant.
        yes: it is meant.
        keep_id: whether the laptop's id stays.
        keep_sessions: whether session folders stay.

    Raises:
        MoorError: ``daemon_running``, ``not_removed``, or why the service can't be removed.
    """
    where = paths()
    kept = [*([where.machine_id] if keep_id else ()), *([where.sessions] if keep_sessions else ())]
    service = service_of(where)
    name = service.status().name if service.status().installed else None
    if name is None and not _there(where, kept):
        return _told(0, "Nothing is installed here.")
    what = "pairing" if keep_sessions else "pairing and all session folders"
    if not yes and not screen.confirm(f"Remove this laptop's {what} under {where.home}?"):
        return _told(EXIT_FAILED, "Nothing was removed; say yes, or use --yes.")
    if name is not None:
        service.uninstall()
    pid = read_holder(where.lock)
    if pid is not None:
        raise MoorError("daemon_running", f"The daemon (pid {pid}) is running; stop it first.")
    orphans.sweep(where.children)
    revoked, said = _revoke(where)
    there = _there(where, kept)
    for path in there:
        _remove(path)
    _remove_empty(where)
    gone = [*([f"the service {name}"] if name else ()), *map(str, there)]
    data = {"removed": [str(path) for path in there], "service": name, "revoked": revoked}
    return Result(0, [*said, *(f"Removed {one}" for one in gone)], data)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, yes=given.yes, keep_id=given.keep_id, keep_sessions=given.keep_sessions)


def _told(exit_code: int, line: str) -> Result:
    return Result(exit_code, [line], {"removed": [], "service": None, "revoked": None})


def _there(where: Paths, kept: list[Path]) -> list[Path]:
    """What is to go."""
    return [path for path in where.made if _is(path) and path not in kept]


def _revoke(where: Paths) -> tuple[bool | None, list[str]]:
    """Has the plane forget the token. Returns whether it did, None = none is known, and what there is to say of it."""
    try:
        known = read_credentials(where)
    except MoorError:  # There are none, or what they were can't be told.
        return None, []
    failed = revoke(known.server_url, known.token)
    if failed is None:
        return True, [f"The plane at {known.server_url} no longer takes this laptop's token."]
    remedy = f"Remove runtime {known.runtime_id} there, or let its token end by itself."
    return False, [f"Beware: the token was not revoked. {failed.message} {remedy}"]


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


def _remove_empty(where: Paths) -> None:
    """Removes the home, for a profile the folders above it too, where nothing is left in them."""
    for folder in [where.home, *(where.home.parents[:2] if where.profile else ())]:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
