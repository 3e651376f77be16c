"""``agents.json``: what was found out about the agents of this laptop, so that nobody has to be asked twice.

A fact is about a program as it was: path, time and size of what the command names. Another program under the same name,
an update above all, has to be looked at again. The daemon and ``moor agents`` both write the file, one agent at a time
and under a lock, so that neither takes the other's word back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ..wire.frames import AgentCapabilities, AgentMeasures
from .creds import Paths, make_home, write_secret
from .lock import waited_for

_log = logging.getLogger("mooring.agents")


class AgentFacts(Struct, frozen=True, kw_only=True):
    """What is known of one agent.

    Attributes:
        program: see ``fingerprint``.
        at: when the agent was greeted (epoch seconds).
        problem: why it does not work; empty = it answered.
        evidence: by the name of what was measured: what was seen.
    """

    program: str
    at: float
    version: str = ""
    problem: str = ""
    capabilities: AgentCapabilities | None = None
    measured: AgentMeasures | None = None
    evidence: dict[str, str] = {}


def fingerprint(command: Sequence[str]) -> str:
    """What tells a program from another one under the same name. Costs a look at each file that the command names."""
    parts = []
    for part in command:
        try:
            seen = Path(part).stat() if Path(part).is_absolute() else None
        except OSError:
            seen = None
        parts.append(f"{part} {seen.st_mtime_ns} {seen.st_size}" if seen else part)
    return "\n".join(parts)


def read_facts(where: Paths) -> dict[str, AgentFacts]:
    """What is known, by agent id. A file that can't be read is said once and counts as none: all can be found again."""
    try:
        return msgspec.json.decode(where.agent_facts.read_bytes(), type=dict[str, AgentFacts])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeError) as exc:
        _log.warning("path=%s what is known of agents can't be read: %s", where.agent_facts, exc)
        return {}


def keep_facts(where: Paths, agent_id: str, facts: AgentFacts | None) -> None:
    """Keeps what is known of one agent; None forgets it.

    Raises:
        MoorError: ``home_unusable``.
    """
    make_home(where)
    with waited_for(where.agent_facts_lock):
        known = read_facts(where)
        if facts is None:
            known.pop(agent_id, None)
        else:
            known[agent_id] = facts
        write_secret(where, where.agent_facts, msgspec.json.encode(known))
