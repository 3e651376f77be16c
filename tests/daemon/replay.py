"""Replay: the events that the daemon makes of a recorded agent, through provider, transcript and the turn's end.

`python -m tests.daemon.replay` freezes them anew, beside each record.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mooring.edge.config import AgentConfig

from .rehearsal import Event, Rehearsal
from .scenarios import AGENTS, PLAYED, SCENARIOS, perform

RECORDS: Final = Path(__file__).parent / "providers" / "transcripts"
PLAYER: Final = Path(__file__).parent / "player.py"

_MADE_HERE: Final = re.compile(r"sevt_[0-9a-f]{24}|\b[0-9a-f]{64}\b")


def record_of(agent_id: str, name: str) -> Path:
    """The record of an agent in a scenario."""
    return RECORDS / f"{agent_id}-{name}.jsonl"


def frozen_of(agent_id: str, name: str) -> Path:
    """The events that were made of it."""
    return RECORDS / f"{agent_id}-{name}.events.json"


def replayed(agent_id: str, name: str, home: Path) -> list[Event]:
    """Plays a record. Returns its events, with their ids and hashes counted instead of drawn."""
    command = ("-S", str(PLAYER), str(record_of(agent_id, name)))
    return counted(asyncio.run(_play(agent_id, name, home, AgentConfig(command=sys.executable, args=command))))


def counted(events: Sequence[Event]) -> list[Event]:
    """Events whose ids and hashes say only which of them are the same."""
    numbers: dict[str, dict[str, int]] = {"sevt": {}, "hash": {}}

    def count(found: re.Match[str]) -> str:
        kind = "sevt" if found[0].startswith("sevt_") else "hash"
        return f"{kind}_{numbers[kind].setdefault(found[0], len(numbers[kind]) + 1)}"

    counted: list[Event] = json.loads(_MADE_HERE.sub(count, json.dumps(events)))
    return counted


def as_text(events: Sequence[Event]) -> str:
    """Events as a file holds them: one in each line."""
    lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in events)
    return f"[\n{lines}\n]\n"


async def _play(agent_id: str, name: str, home: Path, agent: AgentConfig) -> list[Event]:
    stage = Rehearsal(home, agent_id, agent, SCENARIOS[name].bundle)
    try:
        await perform(SCENARIOS[name], stage)
    finally:
        await stage.close()
    return stage.events


def freeze(agent_ids: Sequence[str] = AGENTS) -> None:
    """Writes the events of these agents' records."""
    for agent_id, name in PLAYED:
        if agent_id not in agent_ids:
            continue
        with tempfile.TemporaryDirectory() as home:
            frozen_of(agent_id, name).write_text(as_text(replayed(agent_id, name, Path(home, "moor"))), "utf-8")


if __name__ == "__main__":
    freeze()
