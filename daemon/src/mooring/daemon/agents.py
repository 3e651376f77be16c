"""The agents of this laptop: what is installed, as its owner's configuration has it, and what is known of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from .. import __version__
from ..edge.agent_facts import AgentFacts, fingerprint, read_facts
from ..edge.agent_places import command_of, installed
from ..edge.config import AgentConfig, Config
from ..edge.creds import Paths, paths
from ..errors import MoorError
from ..providers.acp_registry import Registry, read_registry, snapshot
from ..providers.logins import login_of
from ..providers.manners import never_asked
from ..providers.ports import ChildSpec
from ..providers.registry import AgentOverride, Detected, canonical, child_env, detect, name_of
from ..wire.frames import AgentCapabilities, AgentReport

OURS: Final = AgentCapabilities(load=True, resume=True, image=True, embedded_context=True)
"""What echo says that it can do. It is of this very wheel, so that no process has to be started to hear it."""

_log = logging.getLogger("mooring.agents")


class Agents:
    """Looks anew at each call: somebody may install an agent while the daemon runs.

    Args:
        config: the owner's.
        where: the home in which agents are installed and what is known of them is kept; None = this process's.
    """

    def __init__(self, config: Config, where: Paths | None = None) -> None:
        self._config = {canonical(agent_id): agent for agent_id, agent in config.agents.items()}
        self.where = where or paths()

    def detected(self) -> list[Detected]:
        """The agents that can be started now."""
        overrides = {
            agent_id: AgentOverride(command=agent.command, args=agent.args, env=agent.env)
            for agent_id, agent in self._config.items()
        }
        own = {agent_id: command_of(self.where, note) for agent_id, note in installed(self.where).items()}
        return detect(os.environ.get("PATH"), overrides, own, self.registry)

    @property
    def registry(self) -> Registry:
        """The ACP registry as it last answered; where it never did, as of the day of the daemon's snapshot."""
        try:
            raw = self.where.registry.read_bytes()
        except FileNotFoundError:
            return snapshot()
        try:
            return read_registry(raw)
        except MoorError as exc:
            _log.warning("path=%s %s", self.where.registry, exc.message)
            return snapshot()

    def reports(self) -> tuple[AgentReport, ...]:
        """The same, as ``hello`` has it, with what was found out about each of them as it is now."""
        known, registry = read_facts(self.where), self.registry
        return tuple(self._report(one, known.get(one.id), registry) for one in self.detected())

    def command(self, agent_id: str) -> tuple[str, ...]:
        """Program and arguments of an agent.

        Raises:
            MoorError: ``agent_not_found``.
        """
        return self.found(agent_id).command

    def found(self, agent_id: str) -> Detected:
        """One agent.

        Raises:
            MoorError: ``agent_not_found``.
        """
        there = self.detected()
        for one in there:
            if one.id == canonical(agent_id):
                return one
        names = ", ".join(sorted(one.id for one in there)) or "none"
        raise MoorError("agent_not_found", f"This laptop has no agent {agent_id!r}; it has: {names}.")

    def config(self, agent_id: str) -> AgentConfig:
        """What the owner says of an agent."""
        return self._config.get(canonical(agent_id), AgentConfig())

    def env(self, agent_id: str) -> Mapping[str, str]:
        """The owner's variables for an agent."""
        return self.config(agent_id).env

    def spec(self, one: Detected, folder: Path, variables: Mapping[str, str] = MappingProxyType({})) -> ChildSpec:
        """How an agent is started that is only to be looked at, in a folder that is thrown away afterwards."""
        return ChildSpec(
            command=one.command,
            cwd=folder,
            env=child_env(one.id, os.environ, {**variables, **self.env(one.id)}),
            agent_id=one.id,
            stderr_path=folder.parent / f"{folder.name}.log",
            children_path=self.where.children,
        )

    def _report(self, one: Detected, facts: AgentFacts | None, registry: Registry) -> AgentReport:
        if facts is None or facts.program != fingerprint(one.command):
            facts = AgentFacts(program="", at=0.0)
        if one.source == "daemon":
            facts = replace(facts, version=__version__, capabilities=OURS)
        return AgentReport(
            id=one.id,
            binary=os.path.basename(one.command[0]),
            version=facts.version,
            name=name_of(one.id, registry),
            login=login_of(one.id, child_env(one.id, os.environ, self.env(one.id))),
            problem=facts.problem,
            capabilities=facts.capabilities,
            measured=facts.measured,
            never_asks=never_asked(one.id),
        )
