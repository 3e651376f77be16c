"""What a service has to be given of a shell's variables, so that its agents know their keys and find their programs.

A service is started by no shell: it has neither the keys that a person's start files set, nor their PATH, nor their
proxy. What its agents may see is listed by ``providers/registry.py``; of that, with its owner's consent, what is set
here is written where the service's daemon reads it. Values go from one to the other and are shown to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..edge.creds import Paths
from ..edge.env_file import read_env_file, write_env_file
from ..providers.registry import variables_of
from .agents import Agents


def wanted_variables(agents: Agents, env: Mapping[str, str], agent_id: str | None = None) -> dict[str, tuple[str, ...]]:
    """The names of what is set in ``env`` for each agent, by its id; under "" for all of them.

    Args:
        agents: which agents are here.
        env: a shell's environment.
        agent_id: only for this one.

    Raises:
        MoorError: ``agent_not_found``.
    """
    ids = [one.id for one in agents.detected()] if agent_id is None else [agents.found(agent_id).id]
    return variables_of(ids, env)


def save_variables(where: Paths, wanted: Mapping[str, tuple[str, ...]], env: Mapping[str, str]) -> tuple[str, ...]:
    """Writes ``service.env``: what is wanted has the values of ``env``, what was kept before stays.

    Returns:
        The names that the file holds now.

    Raises:
        MoorError: ``bad_env_file``, ``home_unusable``.
    """
    kept = read_env_file(where) | {name: env[name] for names in wanted.values() for name in names}
    write_env_file(where, kept)
    return tuple(sorted(kept))
