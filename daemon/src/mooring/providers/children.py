"""An agent's process: started in a group of its own, read without blocking it, stopped with all its group.

asyncio's own ``Process`` is not used: its ``wait`` waits for the pipes too, which a grandchild that outlives the child
holds open; several agents are wrappers that start the real agent as a grandchild. Here the child's exit is an event of
its own: output that was written before it is still read, for ``EXIT_GRACE_S`` at most, then the stream ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from . import orphans, process_group
from .stderr_log import StderrLog

EXIT_GRACE_S: Final = 1.0
"""How long after the child's exit its output is still read, if someone keeps the pipe open."""

KILL_GRACE_S: Final = 5.0
"""How long a killed group may take to vanish before it is said to have survived."""

MAX_UNREAD_BYTES: Final = 256 * 1024
"""The child is not read any further while this much of its output waits."""

CONFIRM_S: Final = 2.0
"""How often it is noted for the next daemon that the child is alive: see ``orphans``."""

_SCAN_S: Final = 0.05

_log = logging.getLogger("mooring.child")


class Child:
    """One child process. Made by ``spawn``; to be stopped exactly once or more.

    Attributes:
        pid: also the id of its process group and session.
        stderr: what it writes to standard error.
        last_output: when it last wrote to standard output (``time.monotonic``).
        exited: set once the process itself is gone, whatever its group does.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes, record: orphans.Record) -> None:
        self._transport, self._pipes, self._record = transport, pipes, record
        self._stopping: asyncio.Task[None] | None = None
        self.pid = transport.get_pid()
        self.stderr = pipes.stderr
        self.exited = pipes.exited

    @classmethod
    async def spawn(
        cls, command: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], stderr_path: Path, children_path: Path
    ) -> Child:
        """Starts a program with exactly ``env``, and writes its group down in the folder ``children_path``.

        Raises:
            OSError: it can't be run, or not be written down, and does not run; ``FileNotFoundError`` if the program or
                the folder is not there.
        """
        loop = asyncio.get_running_loop()
        transport, pipes = await loop.subprocess_exec(
            lambda: _Pipes(StderrLog(stderr_path)), *command, cwd=cwd, env=dict(env), start_new_session=True
        )
        try:
            record = orphans.write_down(children_path, transport.get_pid())
        except OSError:
            transport.close()  # It kills the child, which has not got far enough to have any of its own.
            raise
        child = cls(transport, pipes, record)
        loop.call_later(CONFIRM_S, child._confirm)
        return child

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._transport.get_returncode()

    @property
    def last_output(self) -> float:
        """When it last wrote to standard output (``time.monotonic``)."""
        return self._pipes.last_output

    async def read(self) -> bytes:
        """Returns the next piece of standard output; empty = it has ended, or the child has."""
        return await self._pipes.read()

    async def write(self, message: bytes, timeout_s: float) -> None:
        """Writes to standard input, and waits while the child does not read it.

        Raises:
            ConnectionError: the pipe is closed, or was left unread for ``timeout_s``.
        """
        stdin = self._transport.get_pipe_transport(0)
        if stdin is None or stdin.is_closing() or self.exited.is_set():
            raise ConnectionResetError("The agent's standard input is closed.")
        cast(asyncio.WriteTransport, stdin).write(message)
        await self._pipes.drain(timeout_s)

    async def stop(self, term_s: float = 10.0) -> None:
        """Closes standard input, sends TERM to the group, and KILL to what is left of it after ``term_s``.

        Returns when no process of the group lives. Calls at the same time share one stop, with the first one's time;
        a shorter time later is ``kill``'s work. It goes on when the caller is cancelled.
        """
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(term_s), name=f"stop child {self.pid}")
        await asyncio.shield(self._stopping)

    def kill(self) -> None:
        """Sends KILL to the whole group at once. ``stop`` is still to be called."""
        if sys.platform == "win32":
            if self.returncode is None:
                self._transport.kill()
        elif not self._is_stopped:
            process_group.signal_all(self.pid, signal.SIGKILL)

    @property
    def _is_stopped(self) -> bool:
        """Whether the group is known to be gone: from then on its number may belong to somebody else."""
        return self._stopping is not None and self._stopping.done()

    def _confirm(self) -> None:
        if self.exited.is_set():
            return
        try:
            self._record.confirm()
        except OSError as exc:
            _log.warning("child=%s its record is no longer kept up to date: %s", self.pid, exc)
            return
        asyncio.get_running_loop().call_later(CONFIRM_S, self._confirm)

    async def _stop(self, term_s: float) -> None:
        try:
            if await self._ended(term_s):
                self._record.strike()
        finally:
            # Closes our ends of the pipes; a process that still holds the others no longer matters to us.
            self._transport.close()

    async def _ended(self, term_s: float) -> bool:
        """Ends the group: input, TERM, KILL. False = somebody survives."""
        loop = asyncio.get_running_loop()
        if (stdin := self._transport.get_pipe_transport(0)) is not None:
            stdin.close()
        if sys.platform == "win32":
            if self.returncode is None:
                self._transport.terminate()
        else:
            process_group.signal_all(self.pid, signal.SIGTERM)
        if await self._gone(loop.time() + term_s):
            return True
        _log.warning("child=%s did not stop within %g s of TERM; killed", self.pid, term_s)
        self.kill()
        if await self._gone(loop.time() + KILL_GRACE_S):
            return True
        _log.error("child=%s processes survive KILL: %s", self.pid, process_group.members(self.pid))
        return False

    async def _gone(self, deadline: float) -> bool:
        """Waits until the child has exited and nobody of its group lives; False = not so at the deadline (loop s)."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                await self.exited.wait()
        except TimeoutError:
            return False
        # There is no event for the end of a process that is not our child: the group is looked at now and then.
        while process_group.members(self.pid):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(_SCAN_S)
        return True


class _Pipes(asyncio.SubprocessProtocol):
    """The child's pipes and its exit, as asyncio tells of them."""

    def __init__(self, stderr: StderrLog) -> None:
        self.stderr = stderr
        self.exited = asyncio.Event()
        self.last_output = time.monotonic()
        self._chunks: deque[bytes] = deque()
        self._unread = 0
        self._has_ended = False
        self._is_paused = False
        self._read_until: float | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pipe = cast(asyncio.SubprocessTransport, transport).get_pipe_transport(1)
        self._stdout = cast(asyncio.ReadTransport, pipe)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.stderr.write(data)
            return
        self.last_output = time.monotonic()
        self._chunks.append(data)
        self._unread += len(data)
        if self._unread > MAX_UNREAD_BYTES and not self._is_paused and self._stdout is not None:
            self._stdout.pause_reading()
            self._is_paused = True
        self._readable.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._has_ended = True
            self._readable.set()
        elif fd == 0:
            self._writable.set()

    def process_exited(self) -> None:
        self._read_until = asyncio.get_running_loop().time() + EXIT_GRACE_S
        self.exited.set()
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def read(self) -> bytes:
        while not self._chunks or self._is_overdue():
            if self._has_ended or self._is_overdue():
                return b""
            self._readable.clear()
            try:
                async with asyncio.timeout_at(self._read_until):
                    await self._readable.wait()
            except TimeoutError:
                return b""
        chunk = self._chunks.popleft()
        self._unread -= len(chunk)
        if self._is_paused and not self._chunks and self._stdout is not None:
            self._is_paused = False
            if not self._stdout.is_closing():
                self._stdout.resume_reading()
        return chunk

    async def drain(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._writable.wait()
        except TimeoutError as exc:
            raise ConnectionAbortedError(f"The agent has not read its input for {timeout_s:g} s.") from exc

    def _is_overdue(self) -> bool:
        return self._read_until is not None and asyncio.get_running_loop().time() >= self._read_until
