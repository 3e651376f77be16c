"""The least there can be between two clients: a WebSocket server that hands each message to everybody else.

`python -m bench.hop_server` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main() -> None:
    """Serves."""
    there: set[ServerConnection] = set()

    async def talk(connection: ServerConnection) -> None:
        there.add(connection)
        try:
            async for message in connection:
                broadcast(there - {connection}, message)
        finally:
            there.discard(connection)

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
