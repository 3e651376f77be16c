"""``moor agents``: the agents of this laptop, and your team's agents that run on it."""

from __future__ import annotations

from .agents_create import add_create
from .agents_env import add_env
from .agents_install import add_install
from .agents_list import add_list
from .agents_probe import add_probe
from .agents_refresh import add_refresh
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor agents`` and its verbs."""
    group = verbs.group("agents", "See, install and define agents.")
    add_list(group)
    add_refresh(group)
    add_install(group)
    add_probe(group)
    add_env(group)
    add_create(group)
