"""``moor agents probe``: measures what agents do, in a short conversation that a model answers."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from ..daemon.agent_probe import measure
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import make_home, paths
from ..errors import EXIT_FAILED, EXIT_USAGE, MoorError
from ..providers.ports import ProviderError
from ..providers.probe import Cost, Finding
from ..providers.registry import Detected
from .agents_refresh import tell_daemon
from .result import Result, Screen
from .verbs import Verbs


def add_probe(verbs: Verbs) -> None:
    """Adds ``moor agents probe``."""
    one = verbs.add("probe", "Measure what agents do, in a short conversation. It may cost money.", _run)
    one.add_argument("agent", metavar="ID", nargs="?", help="only this agent; without it, all that need a model")
    one.add_argument("--yes", action="store_true", help="do not ask whether it may cost money")


def run(agent_id: str | None, screen: Screen, *, yes: bool = False) -> Result:
    """Measures agents, keeps what was found out, and has the daemon report it.

    Args:
        agent_id: by any of its names; None = all but ours.
        screen: asks, and shows each fact.
        yes: whether that it may cost money has been said already.

    Raises:
        MoorError: ``usage``, ``agent_not_found``, ``not_agreed``, ``bad_config``, ``home_unusable``.
    """
    where = paths()
    agents = Agents(read_config(where.config), where)
    chosen = [agents.found(agent_id)] if agent_id else [one for one in agents.detected() if one.source != "daemon"]
    if not chosen:
        return Result(0, ["There is no agent to measure."], {"probed": []})
    if not yes:
        _agree(chosen, screen)
    make_home(where)
    probed = [_probe(agents, one, screen) for one in chosen]
    _, line = tell_daemon(where)
    has_failed = any("error" in one for one in probed)
    return Result(EXIT_FAILED if has_failed else 0, [*_lines(probed), line], {"probed": probed})


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.agent, screen, yes=given.yes)


def _agree(chosen: list[Detected], screen: Screen) -> None:
    names = ", ".join(one.id for one in chosen)
    what = f"This holds a conversation of four short turns with the model of each of: {names}. It may cost money."
    if not screen.asks:
        raise MoorError("usage", f"{what} Say --yes.", EXIT_USAGE)
    if not screen.confirm(f"{what} Go on?"):
        raise MoorError("not_agreed", "Nothing was measured.")


def _probe(agents: Agents, one: Detected, screen: Screen) -> dict[str, Any]:
    def tell(finding: Finding) -> None:
        screen.note(f"{one.id}: {_said(finding)}")

    try:
        with screen.progress(f"Measuring {one.id}"):
            found = asyncio.run(measure(agents, one, tell))
    except ProviderError as exc:
        return {"id": one.id, "error": {"code": exc.code, "message": exc.message}}
    facts = {finding.fact: {"answer": finding.answer, "evidence": finding.evidence} for finding in found.facts}
    cost = {"seconds": round(found.cost.seconds, 1), "turns": found.cost.turns, "tokens": found.cost.tokens}
    return {"id": one.id, "facts": facts, "cost": {**cost, "money": found.cost.money}, "told": _cost(found.cost)}


def _said(finding: Finding) -> str:
    answer = {True: finding.fact, False: f"not {finding.fact}", None: f"{finding.fact}: unknown"}[finding.answer]
    return f"{answer}. {finding.evidence}"


def _cost(cost: Cost) -> str:
    tokens = "tokens unknown" if cost.tokens is None else f"{cost.tokens} tokens"
    return ", ".join(filter(None, (f"{cost.turns} turns", f"{cost.seconds:.0f} s", tokens, cost.money)))


def _lines(probed: list[dict[str, Any]]) -> list[str]:
    return [
        f"{one['id']} could not be measured: {one['error']['message']} [{one['error']['code']}]"
        if "error" in one
        else f"{one['id']} is measured: {one['told']}."
        for one in probed
    ]
