"""``moor agents list``: the agents that are here, and what is known of each."""

from __future__ import annotations

import argparse
from typing import Any, Final

import msgspec

from ..daemon.agents import Agents
from ..edge.agent_facts import AgentFacts, fingerprint, read_facts
from ..edge.config import read_config
from ..edge.creds import paths
from ..providers.acp_registry import Registry
from ..providers.registry import pin_of
from ..wire.frames import AgentCapabilities, AgentMeasures, AgentReport
from .result import Result, Screen, Table
from .verbs import Verbs

_SOURCES: Final = {
    "configuration": "config.toml",
    "own": "moor agents install",
    "path": "PATH",
    "daemon": "the daemon",
}


def add_list(verbs: Verbs) -> None:
    """Adds ``moor agents list``."""
    one = verbs.add("list", "Show the agents of this laptop and what is known of them.", _run)
    one.add_argument("--all", action="store_true", help="also those of the ACP registry that are not here")


def run(*, everything: bool = False) -> Result:
    """Looks and tells; starts nothing.

    Args:
        everything: also what is not here.

    Raises:
        MoorError: ``bad_config``.
    """
    agents = Agents(read_config(paths().config))
    shown, table = told(agents)
    registry = agents.registry
    data: dict[str, Any] = {"agents": shown, "registry": {"as_of": registry.as_of, "source": registry.source}}
    lines = [f"{one['id']} does not work: {one['problem']}" for one in shown if one.get("problem")]
    if any("capabilities" not in one for one in shown):
        lines.append("What is empty is not known yet; `moor agents refresh` asks those agents.")
    if everything:
        others = _others(registry, {one["id"] for one in shown})
        data["others"] = others
        lines.append(f"Not here, of the ACP registry as of {registry.as_of}:")
        lines += [f"  {one['id']}: {one['name']} {one['version']}, {one['how']}" for one in others]
    return Result(0, lines, data, table)


def told(agents: Agents) -> tuple[list[dict[str, Any]], Table]:
    """The agents that are here, for programs and for people."""
    reports, facts = {one.id: one for one in agents.reports()}, read_facts(agents.where)
    shown, rows = [], []
    for one in agents.detected():
        report, known = reports[one.id], facts.get(one.id)
        said: dict[str, Any] = msgspec.to_builtins(report)
        said |= {"source": one.source, "command": list(one.command), "login": report.login}
        said["works"] = "no" if report.problem else "yes" if report.capabilities else "unknown"
        said["evidence"] = _evidence(known, fingerprint(one.command))
        shown.append(said)
        rows.append((one.id, report.name, report.version, _SOURCES[one.source], report.login, _can(report)))
    return shown, Table(("ID", "NAME", "VERSION", "FROM", "LOGIN", "CAN"), rows)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(everything=given.all)


def _evidence(known: AgentFacts | None, program: str) -> dict[str, str]:
    return known.evidence if known is not None and known.program == program else {}


def _can(report: AgentReport) -> str:
    """What an agent can do in a few words; what was measured counts above what it says."""
    if report.problem:
        return "does not work"
    says, did = report.capabilities, report.measured or AgentMeasures()
    known = {
        "asks": did.asks,
        "resumes": _of(did.resumes, says, "resume", "load"),
        "cancels": did.cancels,
        "images": _of(did.images, says, "image"),
        "mcp": _of(did.mcp, says, "mcp_http"),
    }
    return ", ".join(name if answer else f"not {name}" for name, answer in known.items() if answer is not None)


def _of(measured: bool | None, says: AgentCapabilities | None, *names: str) -> bool | None:
    if measured is not None or says is None:
        return measured
    return any(getattr(says, name) for name in names)


def _others(registry: Registry, here: set[str]) -> list[dict[str, Any]]:
    found = []
    for entry in registry.agents:
        if entry.id not in here:
            pin = pin_of(entry.id, registry)
            how = f"`moor agents install {entry.id}`" if pin else "to be installed by its own instructions"
            version = pin.version if pin else entry.version
            found.append({"id": entry.id, "name": entry.name, "version": version, "kind": entry.kind, "how": how})
    return found
