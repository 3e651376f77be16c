"""`moor-echo-agent`: a small ACP agent that repeats what it is told, to try a plane without a model or a key.

Words in the prompt drive it (see ``commands``), so that demonstrations and tests can have it think, call tools, ask,
be slow, fail and crash on demand.
"""

from __future__ import annotations


def main() -> None:
    """Speaks ACP over standard input and output until the input ends."""
    # Here, because the ACP library takes most of a second to import.
    import asyncio
    from typing import cast

    from acp import run_agent
    from acp.interfaces import Agent

    from .agent import EchoAgent

    # The library's protocol lists all methods there are; it answers "method not found" for those that we leave out.
    asyncio.run(run_agent(cast(Agent, EchoAgent()), use_unstable_protocol=True))
