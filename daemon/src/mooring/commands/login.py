"""``moor login``: keeps a person's API key, after the plane has taken it once."""

from __future__ import annotations

import argparse
import os

from ..edge.creds import API_KEY_VARIABLE, SERVER_VARIABLE, Login, paths, write_login
from ..edge.network import check_server_url, is_exposed
from ..edge.person import Person
from ..errors import EXIT_USAGE, MoorError
from .result import Result, Screen
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor login``."""
    one = verbs.add("login", "Keep your API key for the commands that speak as a person.", _run)
    one.add_argument("--server", metavar="URL", help=f"the plane's address (or {SERVER_VARIABLE})")
    one.add_argument("--api-key", metavar="KEY", help=f"moor_… (or {API_KEY_VARIABLE})")


def run(server: str | None, api_key: str | None) -> Result:
    """Stores server and key.

    Args:
        server: the plane's address; None = not given.
        api_key: ``moor_…``; None = not given.

    Raises:
        MoorError: ``usage``; ``bad_server_url``; the plane's refusal of the key, or ``plane_unreachable``.
    """
    if not server or not api_key:
        why = f"A server and a key are needed: --server and --api-key, or {SERVER_VARIABLE} and {API_KEY_VARIABLE}."
        raise MoorError("usage", why, EXIT_USAGE)
    login = Login(server_url=check_server_url(server), api_key=api_key)
    person = Person(login)
    try:
        runtimes = person.runtimes()
    finally:
        person.close()
    where = paths()
    write_login(where, login)
    n_runtimes = "1 runtime" if len(runtimes) == 1 else f"{len(runtimes)} runtimes"
    lines = [f"Logged in to {login.server_url}; {n_runtimes} there."]
    if is_exposed(login.server_url):
        lines.append("Beware: this address is not encrypted, and the key travels to it in the clear.")
    return Result(0, lines, {"server_url": login.server_url, "runtimes": len(runtimes)})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.server or os.environ.get(SERVER_VARIABLE), given.api_key or os.environ.get(API_KEY_VARIABLE))
