"""``moor skills``: the skills that lie on this laptop, by the agent that finds them, as the plane is told of them."""

from __future__ import annotations

import argparse

import msgspec

from ..daemon.agents import Agents
from ..daemon.local_skills import local_skills
from ..edge.config import read_config
from ..edge.creds import paths
from .result import Result, Screen, Table
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor skills`` and its verb."""
    group = verbs.group("skills", "See the skills that agents find on this laptop.")
    list_ = group.add("list", "Show them as the plane is told of them.", _run)
    list_.add_argument("--agent", metavar="ID", help="only those of this agent")


def run(agent_id: str | None = None) -> Result:
    """Looks and tells.

    Args:
        agent_id: of which agent, by any of its names; None = of all that are here.

    Raises:
        MoorError: ``bad_config``, ``agent_not_found``.
    """
    agents = Agents(read_config(paths().config))
    found = local_skills(agents, None if agent_id is None else [agents.found(agent_id).id])
    data = {"skills": msgspec.to_builtins(found.skills), "left_out": found.left_out, "shortened": found.shortened}
    rows = [
        (one.id, agent, one.source, one.description[:100]) for agent, skills in found.skills.items() for one in skills
    ]
    lines = [] if rows else ["No agent finds a skill here."]
    lines += [f"{agent}: {count} more are not reported: there are too many." for agent, count in found.left_out.items()]
    return Result(0, lines, data, Table(("SKILL", "AGENT", "FROM", "DESCRIPTION"), rows) if rows else None)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.agent)
