"""The agents of this laptop: what is installed, as its owner's configuration has it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..edge.config import AgentConfig, Config
from ..errors import MoorError
from ..providers.registry import AgentOverride, Detected, canonical, detect
from ..wire.frames import AgentReport


class Agents:
    """Looks anew at each call: somebody may install an agent while the daemon runs."""

    def __init__(self, config: Config) -> None:
        self._config = {canonical(agent_id): agent for agent_id, agent in config.agents.items()}

    def detected(self) -> list[Detected]:
        """The agents that can be started now."""
        overrides = {
            agent_id: AgentOverride(command=agent.command, args=agent.args, env=agent.env)
            for agent_id, agent in self._config.items()
        }
        return detect(os.environ.get("PATH"), overrides)

    def reports(self) -> tuple[AgentReport, ...]:
        """The same, as ``hello`` has it."""
        return tuple(AgentReport(id=one.id, binary=os.path.basename(one.command[0])) for one in self.detected())

    def command(self, agent_id: str) -> tuple[str, ...]:
        """Program and arguments of an agent.

        Raises:
            MoorError: ``agent_not_found``.
        """
        for one in self.detected():
            if one.id == canonical(agent_id):
                return one.command
        there = ", ".join(sorted(one.id for one in self.detected())) or "none"
        raise MoorError("agent_not_found", f"This laptop has no agent {agent_id!r}; it has: {there}.")

    def config(self, agent_id: str) -> AgentConfig:
        """What the owner says of an agent."""
        return self._config.get(canonical(agent_id), AgentConfig())

    def env(self, agent_id: str) -> Mapping[str, str]:
        """The owner's variables for an agent."""
        return self.config(agent_id).env
