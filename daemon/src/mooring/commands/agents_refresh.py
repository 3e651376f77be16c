"""``moor agents refresh``: looks again at the agents of this laptop, and has a running daemon tell the plane."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from ..daemon.agent_watch import look_at, needing
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import Paths, paths, write_secret
from ..edge.https import Channel
from ..edge.lock import read_holder
from ..errors import MoorError
from ..providers.acp_registry import LIVE_ADDRESS, read_registry
from .agents_list import told
from .result import Result, Screen
from .verbs import Verbs

REGISTRY_VARIABLE: Final = "MOOR_AGENT_REGISTRY"
"""Another address of the ACP registry, such as a copy within a company."""


def add_refresh(verbs: Verbs) -> None:
    """Adds ``moor agents refresh``."""
    one = verbs.add("refresh", "Look again at the agents of this laptop, and report them to the plane.", _run)
    one.add_argument("--registry", action="store_true", help="also ask the ACP registry which agents there are")
    one.add_argument("--all", action="store_true", help="also greet agents that are known to work")


def run(screen: Screen, *, registry: bool = False, everything: bool = False) -> Result:
    """Greets the agents that are new, changed or did not work, and tells the daemon. Sessions go on.

    Args:
        screen: shows whom it waits for.
        registry: ask the ACP registry too.
        everything: greet those too that are known as they are.

    Raises:
        MoorError: ``bad_config``, ``home_unusable``.
    """
    where = paths()
    lines = [_ask_registry(where)] if registry else []
    agents = Agents(read_config(where.config), where)
    for one in agents.detected() if everything else needing(agents, problems=True):
        with screen.progress(f"Asking {one.id} what it can do"):
            asyncio.run(look_at(agents, one))
    shown, table = told(agents)
    lines += [f"{one['id']} does not work: {one['problem']}" for one in shown if one.get("problem")]
    is_told, line = tell_daemon(where)
    return Result(0, [*lines, line], {"agents": shown, "daemon_told": is_told}, table)


def tell_daemon(where: Paths) -> tuple[bool, str]:
    """Has a running daemon report the agents to the plane: whether it was told, and how to say that."""
    pid = read_holder(where.lock)
    if pid is None:
        return False, "No daemon runs; the next one reports them."
    if sys.platform == "win32":
        return False, "The daemon reports them within two hours, or at once when it is restarted."
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return False, "The daemon has just stopped; the next one reports them."
    return True, "The daemon reports them to the plane; its sessions go on."


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(screen, registry=given.registry, everything=given.all)


def _ask_registry(where: Paths) -> str:
    """Keeps the registry's answer; says what counts now, also when there was none."""
    address = os.environ.get(REGISTRY_VARIABLE) or LIVE_ADDRESS
    parts = urlsplit(address)
    try:
        with closing(Channel(f"{parts.scheme}://{parts.netloc}", None, attempts=1)) as channel:
            found = read_registry(channel.ask("GET", parts.path))
        if not found.agents:
            raise MoorError("bad_registry", "The ACP registry names no agent.")
    except MoorError as exc:
        counts = Agents(read_config(where.config), where).registry
        return f"The ACP registry can't be had ({exc.message}) What it said on {counts.as_of} counts."
    today = time.strftime("%Y-%m-%d", time.gmtime())
    write_secret(where, where.registry, msgspec.json.encode(replace(found, as_of=today, source=address)))
    return f"The ACP registry lists {len(found.agents)} agents."
