"""The laptop's own skills: what ``hello`` says of them, and how those that a definition blocks are hidden.

============  ==============================================================================================
agent         how
============  ==============================================================================================
claude-acp    A configuration folder of the session's own, in which they are absent (``edge.claude_config``).
codex-acp     A rule of its configuration turns each of them off.
opencode      A permission denies each of them: its model is not told of them and can't load them.
echo          It has no skills.
all others    Not at all: their session does not start. Gemini CLI's does when it has none of them.
============  ==============================================================================================
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..core.skills import Manifest, manifest
from ..edge.claude_config import without_skills
from ..edge.folder import CLAUDE_CONFIG
from ..edge.skills import scan
from ..errors import MoorError
from ..providers.registry import canonical, child_env
from ..wire.frames import LocalSkill
from .agents import Agents

_BY_VARIABLE: Final = ("codex-acp", "opencode")
"""Agents that are told by a variable (``providers.manners``)."""

_log = logging.getLogger("mooring.skills")


def local_skills(agents: Agents, agent_ids: Sequence[str] | None = None) -> Manifest:
    """What is reported of the skills of some agents; None = of all that are here."""
    ids = [one.id for one in agents.detected()] if agent_ids is None else map(canonical, agent_ids)
    return manifest({one: scan(one, child_env(one, os.environ, agents.env(one))) for one in ids})


def reported_skills(agents: Agents) -> dict[str, tuple[LocalSkill, ...]]:
    """The same as ``hello`` has it; what of them it leaves out stands in the log."""
    made = local_skills(agents)
    for agent_id, count in made.left_out.items():
        _log.warning("agent=%s %d of its skills are not reported: there are too many", agent_id, count)
    return made.skills


def hide(agent_id: str, blocked: Sequence[str], env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Hides blocked skills from an agent that is about to start.

    Args:
        agent_id: canonical.
        blocked: their ids; empty = nothing is done.
        env: the variables of its child.
        folder: the session's own.

    Returns:
        What its child's variables must be beside or in place of those.

    Raises:
        MoorError: ``blocklist_unsupported``.
    """
    if not blocked or agent_id == "echo" or agent_id in _BY_VARIABLE:
        return {}
    if agent_id == "claude-acp":
        return without_skills(env, folder / CLAUDE_CONFIG, blocked)
    if agent_id == "gemini":
        there = sorted({one.id for one in scan(agent_id, env)}.intersection(blocked))
        if not there:
            return {}
        blocked = there
    why = f"The agent's definition blocks local skills ({', '.join(blocked)[:200]}), and {agent_id} can't be kept"
    raise MoorError("blocklist_unsupported", f"{why} from them. Remove them from its blocklist.")
