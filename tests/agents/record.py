"""`python -m tests.agents.record [AGENT…]`: records what the real agents say over ACP, and freezes what comes of it.

Each scenario is one session of the daemon with the agent behind `tee`, which writes down what is said both ways. What
differs from run to run is counted anew, so that a record changes only where its agent has.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from mooring.edge.config import AgentConfig
from mooring.wire.bundle import Bundle
from tests.daemon.rehearsal import Rehearsal
from tests.daemon.replay import freeze, record_of
from tests.daemon.scenarios import PLAYED, SCENARIOS, perform

from . import tee
from .agents import AGENTS, Agent
from .fake_llm import FakeLLM
from .install import install
from .notes_server import NotesServer

PATIENCE_S: Final = 120.0
"""How long anything may take: OpenCode starts slowly where much else runs (seconds)."""

_LISTS: Final = ("availableCommands", "configOptions", "authMethods", "models", "availableModes")
"""What agents tell of their settings: long, and nothing that the daemon looks at."""

_COUNTED: Final = re.compile(
    r"(?P<kind>toolu|call|msg|ses)_(?:[0-9]{6}|[0-9A-Za-z]{20,})\b"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_FIXED: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "2026-01-01T00:00:00.000Z"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:9"),
    (re.compile(r"(Wall time: )[0-9.]+"), r"\g<1>0.0"),
    (re.compile(r"(Chunk ID: )[0-9a-f]+"), r"\g<1>0"),
    (re.compile(r"(PGID: )\d+"), r"\g<1>1"),
)


def main(wanted: Sequence[str]) -> None:
    """Records the agents that are named, or all of them."""
    wanted = wanted or [agent.id for agent in AGENTS]
    install()
    llm, notes = FakeLLM(), NotesServer()
    try:
        for agent_id, name in PLAYED:
            if agent_id in wanted:
                (agent,) = (one for one in AGENTS if one.id == agent_id)
                record_of(agent_id, name).write_text(recorded(agent, name, llm, notes), "utf-8")
                sys.stderr.write(f"{agent_id} {name}\n")
    finally:
        llm.close()
        notes.close()
    freeze(wanted)


def recorded(agent: Agent, name: str, llm: FakeLLM, notes: NotesServer) -> str:
    """The record of a scenario."""
    scenario = SCENARIOS[name]
    servers = tuple(replace(server, url=notes.url) for server in scenario.bundle.mcp_servers)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        home = folder / "private"
        home.mkdir()
        command = (sys.executable, "-S", tee.__file__, str(folder / "said"), *agent.command)
        config = AgentConfig(command=command[0], args=command[1:], env=agent.variables(home, llm.url))
        asyncio.run(_play(folder / "moor", agent.id, config, name, replace(scenario.bundle, mcp_servers=servers)))
        said = [json.loads(line) for line in (folder / "said").read_text("utf-8").splitlines()]
        return cleaned(said, {str(folder / "moor" / "sessions" / "sesn_1"): "/session", str(folder): "/laptop"})


def cleaned(said: Sequence[dict[str, Any]], places: dict[str, str]) -> str:
    """What was said, one message in a line, without what differs from run to run."""
    text = "".join(json.dumps(_short(one), ensure_ascii=False) + "\n" for one in said)
    for place, name in places.items():
        # Without its slash too, as OpenCode shows places.
        text = text.replace(place.lstrip("/"), name.lstrip("/"))
    for pattern, fixed in _FIXED:
        text = pattern.sub(fixed, text)
    numbers: dict[str, int] = {}
    return _COUNTED.sub(lambda found: f"{found['kind'] or 'id'}_{numbers.setdefault(found[0], len(numbers) + 1)}", text)


async def _play(home: Path, agent_id: str, agent: AgentConfig, name: str, bundle: Bundle) -> None:
    stage = Rehearsal(home, agent_id, agent, bundle, patience_s=PATIENCE_S)
    try:
        await perform(SCENARIOS[name], stage)
    finally:
        await stage.close()


def _short(value: Any) -> Any:
    match value:
        case dict():
            return {key: [] if key in _LISTS else _short(one) for key, one in value.items()}
        case list():
            return [_short(one) for one in value]
        case _:
            return value


if __name__ == "__main__":
    main(sys.argv[1:])
