"""One measurement of `chunks`: the ACP library alone. `python -m bench.chunks_library N` prints one JSON line."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from typing import Any, cast

from acp import PROTOCOL_VERSION, spawn_agent_process, text_block
from acp.interfaces import Client

from bench.chunks import ChunksLost
from bench.memory import peak_mb


class Counting:
    """An ACP client that counts updates."""

    def __init__(self) -> None:
        self.n = 0

    def on_connect(self, _agent: object) -> None:
        """The connection is there."""

    async def session_update(self, session_id: str, update: object, **_: Any) -> None:
        """One piece."""
        self.n += 1


async def run(pieces: int, folder: str) -> dict[str, Any]:
    """Has the echo agent say so many pieces. Raises ChunksLost."""
    client = Counting()
    command = (sys.executable, "-m", "mooring.echo_agent")
    async with spawn_agent_process(cast(Client, client), *command, cwd=folder) as (connection, _process):
        await connection.initialize(protocol_version=PROTOCOL_VERSION)
        session = await connection.new_session(cwd=folder, mcp_servers=[])
        before = peak_mb()
        began = time.perf_counter()
        await connection.prompt(session_id=session.session_id, prompt=[text_block(f"/chunks {pieces}")])
        while client.n < pieces:
            # The library hands updates to tasks of their own, some of which run after the response.
            await asyncio.sleep(0)
        seconds = time.perf_counter() - began
    if client.n != pieces:
        raise ChunksLost(f"The library handed over {client.n} of {pieces} pieces.")
    return {"seconds": seconds, "rss_before_mb": before, "rss_peak_mb": peak_mb()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as made:
        sys.stdout.write(json.dumps(asyncio.run(run(int(sys.argv[1]), made))) + "\n")
