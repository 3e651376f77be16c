"""``moor share``: lets the whole team use a laptop, or its owner alone."""

from __future__ import annotations

import argparse
from contextlib import closing

from ..edge.creds import paths, read_credentials, read_login
from ..edge.person import Person
from .result import Result, Screen
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor share``."""
    one = verbs.add("share", "Let your whole team use this laptop.", _run)
    one.add_argument("--off", action="store_true", help="take it back: only its owner uses it")
    one.add_argument("--runtime", metavar="ID", help="another runtime of yours")


def run(runtime_id: str | None, *, shared: bool) -> Result:
    """Shares a runtime, or takes it back. A repeat changes nothing.

    Args:
        runtime_id: which; None = this laptop.
        shared: whether the team may use it.

    Raises:
        MoorError: ``not_set_up``, ``not_logged_in``, or the plane's refusal.
    """
    where = paths()
    which = runtime_id or read_credentials(where).runtime_id
    with closing(Person(read_login(where))) as person:
        changed = person.share_runtime(which, shared=shared)
    who = "Your whole team" if shared else "Only its owner"
    return Result(0, [f"{who} can use {changed.get('hostname') or 'the runtime'} ({which}) now."], {"runtime": changed})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.runtime, shared=not given.off)
