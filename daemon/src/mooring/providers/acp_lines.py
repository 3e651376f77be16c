"""ACP's messages as lines of JSON over a child's pipes: the message transport under the library's connection.

The library lets its stream of bytes be replaced by any object that moves whole messages. Ours differs from its own in
five ways, each for a child that does not behave:

- a line that is not a JSON object is skipped and counted (the library's receive loop dies of ``[1,2]``);
- a line has a greatest length;
- the stream ends when the child has exited, even if a grandchild holds the pipe, so every pending request is rejected;
- a write to a child that does not read ends in an error, not never;
- ``session/update`` is handed on here, one after the other and at once. Within the library each would be a task of its
  own after a strict validation, which drops an update with one unknown value and prints its content into the log.

Between two messages the loop is yielded to, so that what a message started (a request's handler, a response's waiter)
has run as far as it can before the next message is looked at: the agent's order is the order of what is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from .children import Child

STEPS: Final = 2
"""Yields to the loop before each message: a request's handler begins in the first, its question in the second."""

_LONE_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

_log = logging.getLogger("mooring.acp")


class Lines:
    """One child's messages, each way. Satisfies the library's ``Transport``.

    Args:
        child: nobody else reads or writes its pipes.
        on_update: is given the params of each ``session/update``.
        write_timeout_s: how long the child may leave its input unread.
        max_line_bytes: a longer line ends the stream.

    Attributes:
        ended: set when no further message will come.
        why: what ended the stream, if it was not just its end.
    """

    def __init__(
        self, child: Child, on_update: Callable[[dict[str, Any]], None], *, write_timeout_s: float, max_line_bytes: int
    ) -> None:
        self.ended = asyncio.Event()
        self.why: str | None = None
        self._child, self._on_update = child, on_update
        self._write_timeout_s, self._max_line_bytes = write_timeout_s, max_line_bytes
        self._buffer = bytearray()
        self._lines: list[bytes] = []

    async def send(self, message: dict[str, Any]) -> None:
        """Writes a message.

        Raises:
            ConnectionError: the child can't be written to; the stream ends with it.
        """
        try:
            line = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
            await self._child.write(line, self._write_timeout_s)
        except ConnectionError as exc:
            self.end(str(exc))
            raise

    async def receive(self) -> dict[str, Any] | None:
        """Returns the next message for the library; None = the stream has ended.

        Raises:
            Exception: what ``on_update`` raised; the stream has ended with it.
        """
        message = None
        try:
            while message is None and not self.ended.is_set():
                for _ in range(STEPS):
                    await asyncio.sleep(0)
                line = await self._next_line()
                if line is None:
                    break
                message = self._sift(_parse(line))
        finally:
            if message is None:
                self.end(None)
        return message

    async def close(self) -> None:
        """Lets no further message through. The pipes are the child's to close."""
        self.end(None)

    def end(self, why: str | None) -> None:
        """Ends the stream; the first reason given stays."""
        if not self.ended.is_set():
            self.why = why
            self.ended.set()

    def _sift(self, message: dict[str, Any] | None) -> dict[str, Any] | None:
        """Handles notifications, and returns what the library is to see: responses and the agent's requests."""
        if message is None:
            return None
        method = message.get("method")
        if not isinstance(method, str) or "id" in message:
            return message
        if method == "session/update":
            params = message.get("params")
            if isinstance(params, dict):
                self._on_update(params)
        else:
            # Extensions ("_…") and what newer protocols have ("$/…"): none of them means anything to us.
            _log.debug("child=%s notification %s passed over", self._child.pid, method)
        return None

    async def _next_line(self) -> bytes | None:
        while not self._lines:
            chunk = await self._child.read()
            if not chunk:
                return None
            first, *rest = chunk.split(b"\n")
            self._buffer += first
            if rest:
                self._lines = [*reversed(rest[:-1]), bytes(self._buffer)]
                self._buffer = bytearray(rest[-1])
            if len(self._buffer) > self._max_line_bytes:
                self.end(f"The agent wrote a line of more than {self._max_line_bytes} bytes.")
                return None
        return self._lines.pop()


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        # Not the line itself: it may hold anything the user or the agent said.
        _log.warning("a line of %d bytes that is no JSON object was passed over", len(line))
        return None
    if _LONE_SURROGATE.search(line):
        mended: dict[str, Any] = _mend(message)
        return mended
    return message


def _mend(value: Any) -> Any:
    """Replaces halves of surrogate pairs, which JSON can hold and UTF-8 can't."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_mend(key): _mend(part) for key, part in value.items()}
        case list():
            return [_mend(part) for part in value]
        case _:
            return value
