"""``moor agents install`` and ``moor agents remove``: agents for the daemon alone, from npm."""

from __future__ import annotations

import argparse
import asyncio
import re

from ..daemon.agent_installs import install, wanted
from ..daemon.agent_watch import look_at
from ..daemon.agents import Agents
from ..edge.agent_facts import keep_facts
from ..edge.agent_places import remove_place
from ..edge.config import read_config
from ..edge.creds import paths
from ..errors import EXIT_FAILED, EXIT_USAGE, MoorError
from ..providers.registry import canonical
from .agents_refresh import tell_daemon
from .result import Result, Screen
from .verbs import Verbs


def add_install(verbs: Verbs) -> None:
    """Adds ``moor agents install`` and ``moor agents remove``."""
    one = verbs.add("install", "Install an agent for the daemon, from npm.", _install)
    one.add_argument("agent", metavar="ID", help="such as claude-acp, codex-acp, gemini or opencode")
    one.add_argument("--version", metavar="V", help="another version than the one that is known to work")
    other = verbs.add("remove", "Remove an agent that was installed so.", _remove)
    other.add_argument("agent", metavar="ID")


def run(agent_id: str, screen: Screen, *, version: str | None = None) -> Result:
    """Installs an agent, asks it what it can do, and has the daemon report it.

    Args:
        agent_id: by any of its names.
        screen: shows how long it takes.
        version: another than the one that is known to work.

    Raises:
        MoorError: ``usage``, ``agent_unknown``, ``agent_not_from_npm``, ``node_missing``, ``install_failed``,
            ``bad_config``, ``home_unusable``.
    """
    where, agent_id = paths(), _checked(agent_id)
    agents = Agents(read_config(where.config), where)
    registry = agents.registry
    pin = wanted(agent_id, registry, version)
    with screen.progress(f"Installing {agent_id} {pin.version}"):
        note = install(where, agent_id, pin, registry)
    one = agents.found(agent_id)
    with screen.progress(f"Asking {agent_id} what it can do"):
        facts = asyncio.run(look_at(agents, one))
    _, line = tell_daemon(where)
    said = {"id": agent_id, "package": note.package, "version": note.version, "problem": facts.problem}
    if one.source == "configuration":
        line = f"Your config.toml gives {agent_id} another command, which counts above this one."
    if facts.problem:
        why = f"{agent_id} {note.version} is installed, but does not work: {facts.problem}"
        return Result(EXIT_FAILED, [why], {"installed": said})
    return Result(0, [f"{agent_id} {note.version} is installed and answers.", line], {"installed": said})


def remove(agent_id: str) -> Result:
    """Removes an agent that was installed for the daemon. A repeat does nothing.

    Args:
        agent_id: by any of its names.

    Raises:
        MoorError: ``usage``, ``agent_not_removed``, ``home_unusable``.
    """
    where, agent_id = paths(), _checked(agent_id)
    removed = remove_place(where, agent_id)
    if removed:
        keep_facts(where, agent_id, None)
        tell_daemon(where)
    told = f"{agent_id} is removed." if removed else f"{agent_id} was not installed by `moor agents install`."
    return Result(0, [told], {"id": agent_id, "removed": removed})


def _install(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.agent, screen, version=given.version)


def _remove(given: argparse.Namespace, screen: Screen) -> Result:
    return remove(given.agent)


def _checked(agent_id: str) -> str:
    """It names a folder."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", agent_id):
        raise MoorError("usage", f"{agent_id!r} is no agent's id.", EXIT_USAGE)
    return canonical(agent_id)
