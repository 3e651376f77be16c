"""``moor doctor``: looks at everything that this laptop needs, says what is wrong and what to do about it.

The status is 0 only if nothing is. What could be better but keeps nobody from working is a note, not a problem.
"""

from __future__ import annotations

import argparse

from .. import __version__
from ..edge.creds import Paths, paths, read_credentials
from .checks import look
from .findings import Finding
from .prove import prove
from .result import EXIT_FAILED, EXIT_OK, Result, Screen
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor doctor``."""
    one = verbs.add("doctor", "Look for what is wrong on this laptop, and say what to do.", _run)
    one.add_argument("--prove", action="store_true", help="also send a canary session through the plane and back")


def run(screen: Screen, *, proves: bool) -> Result:
    """Looks, and tells as it goes.

    Args:
        screen: shows that it takes a while.
        proves: also sends a canary.
    """
    where = paths()
    with screen.progress("Looking"):
        found = list(look(where))
    if proves:
        with screen.progress("Sending a canary"):
            found += _proved(where, found)
    problems = [one.name for one in found if one.level == "problem"]
    data = {"ok": not problems, "version": __version__, "findings": [one.body for one in found]}
    told = f"Something is wrong: {', '.join(problems)}." if problems else "All is well."
    return Result(EXIT_FAILED if problems else EXIT_OK, [*(one.line for one in found), told], data)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, proves=given.prove)


def _proved(where: Paths, found: list[Finding]) -> list[Finding]:
    """Sends a canary where it could come back."""
    if any(one.level == "problem" for one in found):
        return [Finding("canary", "note", "No canary is sent while something else is wrong.")]
    return list(prove(read_credentials(where)))
