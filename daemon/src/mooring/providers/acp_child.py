"""A child that speaks ACP: its process, its lines, the library's connection over them, and the watch over all three.

Whatever ends the stream of messages (exit, closed output, a line without end, a child that does not read) ends the
child: the watch stops its group and has the library reject what is pending, so that every call over ``connection``
returns.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, cast

from acp.client.connection import ClientSideConnection
from acp.interfaces import Client

from .acp_client import ACPClient
from .acp_lines import Lines
from .children import Child
from .ports import ChildSpec, MCPRemote, ProviderError
from .stderr_log import blot, secrets_of

LEFTOVER_TERM_S: Final = 2.0
"""What the group of a dead child is given between TERM and KILL."""

EXIT_NOTICE_S: Final = 0.5
"""How much later than the end of its output a child's exit may be noticed and still be its cause."""


class ACPChild:
    """One live child. Made by ``start``; ``stop`` must be called, also when it died by itself.

    Attributes:
        connection: the library's; a call that is pending when the child dies raises ``ConnectionError``.
    """

    def __init__(self, child: Child, lines: Lines, connection: ClientSideConnection, secrets: tuple[str, ...]) -> None:
        self.connection = connection
        self._child, self._lines, self._secrets = child, lines, secrets
        self._own_exit: int | None = None
        self._watch = asyncio.get_running_loop().create_task(self._bury(), name=f"watch child {child.pid}")

    @classmethod
    async def start(cls, spec: ChildSpec, client: ACPClient, on_update: Callable[[dict[str, Any]], None]) -> ACPChild:
        """Starts the program of ``spec``.

        Raises:
            ProviderError: ``agent_not_found``, or ``agent_failed`` if the folder is missing.
        """
        program = spec.command[0]
        if not spec.cwd.is_dir():
            raise ProviderError("agent_failed", f"The session's folder {spec.cwd} is missing.")
        try:
            child = await Child.spawn(
                spec.command, cwd=spec.cwd, env=spec.env, stderr_path=spec.stderr_path, children_path=spec.children_path
            )
        except OSError as exc:
            text = f"The agent's program {program} can't be started ({exc.strerror}). Run `moor doctor`."
            raise ProviderError("agent_not_found", text) from exc
        lines = Lines(child, on_update, write_timeout_s=spec.write_timeout_s, max_line_bytes=spec.max_line_bytes)
        connection = ClientSideConnection(cast(Client, client), lines)
        return cls(child, lines, connection, _secrets(spec))

    @property
    def is_alive(self) -> bool:
        """Whether it can be called."""
        return not self._lines.ended.is_set() and not self._child.exited.is_set()

    @property
    def last_output(self) -> float:
        """When it last wrote to standard output (``time.monotonic``)."""
        return self._child.last_output

    def blot(self, text: str) -> str:
        """Returns the text without the values of the child's secrets."""
        return blot(text, self._secrets)

    def give_up(self, why: str) -> None:
        """Kills the child and ends its messages at once; ``why`` is said in ``obituary``."""
        self._lines.end(why)
        self._child.kill()

    async def buried(self) -> None:
        """Waits until the child and its group are gone and everything pending is rejected."""
        await asyncio.shield(self._watch)

    async def stop(self, term_s: float = 10.0) -> None:
        """Stops the child and all its group: TERM, KILL after ``term_s``. A repeat does nothing."""
        self._lines.end("It was stopped.")
        await self._child.stop(term_s)
        await self.buried()

    def obituary(self) -> str:
        """Returns why the child is gone, and what it last wrote to standard error. To be read after ``buried``."""
        if self._lines.why:
            cause = self._lines.why
        elif self._own_exit is None:
            cause = "The agent closed its output."
        elif self._own_exit < 0:
            cause = f"The agent was ended by signal {-self._own_exit}."
        else:
            cause = f"The agent ended by itself with status {self._own_exit}."
        tail = self._child.stderr.tail(self._secrets)
        return f"{cause} It last said: {tail}" if tail else cause

    async def _bury(self) -> None:
        await self._lines.ended.wait()
        try:
            async with asyncio.timeout(EXIT_NOTICE_S):
                await self._child.exited.wait()
            self._own_exit = self._child.returncode
        except TimeoutError:
            # It lives, but says nothing any more: what comes now is our doing.
            self._own_exit = None
        await self._child.stop(LEFTOVER_TERM_S)
        # A request of the child's that was just being answered can't be written any more.
        with contextlib.suppress(ConnectionError):
            await self.connection.close()


def _secrets(spec: ChildSpec) -> tuple[str, ...]:
    servers = [server.headers if isinstance(server, MCPRemote) else server.env for server in spec.mcp_servers]
    return secrets_of(spec.env, *servers)
