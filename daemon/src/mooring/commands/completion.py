"""``moor completion``: the script by which a shell completes ``moor``. It holds all it needs: no TAB starts Python."""

from __future__ import annotations

import argparse

import shtab

from .result import Result, Screen
from .verbs import Verbs

SHELLS = ("bash", "zsh", "fish")


def add(verbs: Verbs) -> None:
    """Adds ``moor completion``."""
    one = verbs.add("completion", "Print the script that completes `moor` in a shell.", run)
    one.add_argument("shell", choices=SHELLS, help="for which shell")


def run(given: argparse.Namespace, screen: Screen) -> Result:
    """The script, as text."""
    script = shtab.complete(given.tree(), given.shell)
    return Result(0, [script.rstrip()], {"shell": given.shell, "script": script})
