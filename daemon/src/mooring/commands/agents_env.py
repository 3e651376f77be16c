"""``moor agents env``: which variables of this shell the agents need, and writing them down for the service."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..daemon.agent_env import save_variables, wanted_variables
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import paths
from ..edge.env_file import read_env_file
from .result import Result, Screen
from .verbs import Verbs


def add_env(verbs: Verbs) -> None:
    """Adds ``moor agents env``."""
    one = verbs.add("env", "Show which variables of this shell the agents need, by name.", _run)
    one.add_argument("agent", metavar="ID", nargs="?", help="only this agent's")
    one.add_argument("--save", action="store_true", help="write them down for the service, in a file for you alone")


def run(agent_id: str | None = None, *, save: bool = False) -> Result:
    """Names what is set; values are shown to nobody.

    Args:
        agent_id: by any of its names; None = all agents that are here.
        save: write them down.

    Raises:
        MoorError: ``agent_not_found``, ``bad_config``, ``bad_env_file``, ``home_unusable``.
    """
    where = paths()
    wanted = wanted_variables(Agents(read_config(where.config), where), os.environ, agent_id)
    lines = [f"{one or 'all agents'}: {', '.join(names) or 'nothing is set'}" for one, names in wanted.items()]
    kept = save_variables(where, wanted, os.environ) if save else tuple(sorted(read_env_file(where)))
    if save:
        lines.append(f"Written to {where.service_env}, which only you can read. Restart the service to use it.")
    elif kept:
        lines.append(f"The service has: {', '.join(kept)}.")
    data: dict[str, Any] = {"set": {one: list(names) for one, names in wanted.items()}, "kept": list(kept)}
    return Result(0, lines, {**data, "path": str(where.service_env), "saved": save})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.agent, save=given.save)
