"""What ``moor setup`` may do for agents once their owner has said yes: give them variables, and measure them."""

from __future__ import annotations

import os

from ..daemon.agent_env import save_variables, wanted_variables
from ..daemon.agents import Agents
from ..edge.creds import Paths
from ..edge.env_file import read_env_file
from . import agents_probe
from .result import Screen


def offer_variables(where: Paths, agents: Agents, screen: Screen) -> None:
    """Writes down for the service what its agents need of this shell, where it is not written down yet.

    Raises:
        MoorError: ``bad_env_file``, ``home_unusable``.
    """
    everything, kept = wanted_variables(agents, os.environ), read_env_file(where)
    # Its definition brings the PATH along.
    wanted = {agent_id: tuple(name for name in names if name != "PATH") for agent_id, names in everything.items()}
    new = sorted({name for names in wanted.values() for name in names if kept.get(name) != os.environ[name]})
    if not new:
        return
    named = ", ".join(new)
    if not screen.asks:
        screen.note(f"The service does not see this shell's {named}; `moor agents env --save` writes them down for it.")
        return
    why = "A service does not see this shell. Write down for its agents, in a file that only you can read"
    if screen.confirm(f"{why}: {named}?"):
        save_variables(where, wanted, os.environ)


def offer_probe(agents: Agents, screen: Screen) -> None:
    """Measures the agents that nobody has measured as they are now. It may cost money, so that it is always asked.

    Raises:
        MoorError: ``bad_config``, ``home_unusable``.
    """
    new = [one.id for one in agents.reports() if one.measured is None and not one.problem and one.id != "echo"]
    if not new or not screen.asks:
        return
    what = "Measure now what they do (do they ask, stop, remember)? Four short turns with the model of each; it may"
    if screen.confirm(f"Nobody has measured {', '.join(new)} here. {what} cost money."):
        for agent_id in new:
            for line in agents_probe.run(agent_id, screen, yes=True).lines:
                screen.note(line)
