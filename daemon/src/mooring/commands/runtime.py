"""``moor runtime``: the laptops that your team's plane knows."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from ..edge.creds import NotSetUp, Paths, paths, read_credentials, read_login
from ..edge.person import Person
from ..errors import MoorError
from .result import Result, Screen, Table
from .times import moment
from .verbs import Verbs

_COLUMNS = ("ID", "HOST", "STATUS", "AGENTS", "SHARED", "LAST SEEN")


def add(verbs: Verbs) -> None:
    """Adds ``moor runtime`` and its verbs."""
    group = verbs.group("runtime", "See and remove your team's laptops.")
    group.add("list", "Show the laptops that the plane knows.", lambda *_: show())
    remove_ = group.add("rm", "Remove a laptop from the plane; its sessions stay readable.", _remove)
    remove_.add_argument("runtime", metavar="ID", help="which, or `this`")
    remove_.add_argument("--yes", action="store_true", help="do not ask")


def show() -> Result:
    """The tenant's runtimes; an asterisk marks this laptop.

    Raises:
        MoorError: ``not_logged_in``, or the plane's refusal.
    """
    where = paths()
    with closing(Person(read_login(where))) as person:
        runtimes = person.runtimes()
    own = _own(where)
    told = [] if runtimes else ["The plane knows no laptop yet; `moor setup` connects one."]
    rows = [_row(one, own) for one in runtimes]
    data = {"runtimes": runtimes, "this": own}
    return Result(0, told, data, Table(_COLUMNS, rows) if rows else None)


def remove(screen: Screen, runtime_id: str, *, yes: bool) -> Result:
    """Takes a runtime away from the plane, with its tokens.

    Args:
        screen: asks whether it is meant.
        runtime_id: which; ``this`` is this laptop.
        yes: it is meant.

    Raises:
        MoorError: ``not_confirmed``, ``not_set_up``, ``not_logged_in``, or the plane's refusal.
    """
    where = paths()
    which = read_credentials(where).runtime_id if runtime_id == "this" else runtime_id
    with closing(Person(read_login(where))) as person:
        if not yes and not screen.confirm(
            f"Remove {which} from the plane? Nobody will reach it until it is set up anew."
        ):
            raise MoorError("not_confirmed", "Nothing was removed; say yes, or use --yes.")
        person.remove_runtime(which)
    lines = [f"Removed {which} from the plane; its sessions stay readable."]
    if which == _own(where):
        lines.append("This laptop still has its files; `moor uninstall` removes them, `moor setup` connects it again.")
    return Result(0, lines, {"removed": which})


def _remove(given: argparse.Namespace, screen: Screen) -> Result:
    return remove(screen, given.runtime, yes=given.yes)


def _own(where: Paths) -> str | None:
    try:
        return read_credentials(where).runtime_id
    except NotSetUp:
        return None


def _row(runtime: dict[str, Any], own: str | None) -> tuple[str, ...]:
    mark = " *" if runtime["id"] == own else ""
    waiting = f" ({runtime['waiting']} waiting)" if runtime.get("waiting") else ""
    return (
        f"{runtime['id']}{mark}",
        str(runtime.get("hostname")),
        f"{runtime.get('status')}{waiting}",
        ", ".join(str(one.get("id")) for one in runtime.get("agents") or ()),
        "yes" if runtime.get("shared") else "no",
        moment(runtime.get("last_heartbeat")),
    )
