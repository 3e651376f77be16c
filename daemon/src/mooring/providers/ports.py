"""What a provider is: the daemon's adapter to one kind of agent, as the turns that use it see it.

One ``Provider`` object is one live agent child of one session. It is opened once, queried any number of times, one
query at a time, and ended once; after the child's death (``alive`` is False) it can only be ended, and another one
opened with its ``continuation``.

What the agent does is told to a ``Sink`` as happenings (``core/happenings.py``), in the order in which the agent said
it. A provider tells neither ``Asked`` nor ``Settled``: whoever gives it ``Ask`` knows both. For each ``call_id`` of a
turn it tells one ``ToolStarted``, then any ``ToolUpdated``, then one ``ToolEnded``, whatever the agent's own sequence
was; calls still open when the turn ends are ended then. Happenings may also come between turns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from ..core.happenings import Happening
from ..core.permissions import Permissions
from ..errors import MoorError

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""The longest line believed from a child. Whole files and images cross in one line; one without an end must not."""

ErrorCode = Literal["agent_not_found", "agent_crashed", "handshake_timeout", "authentication_required", "agent_failed"]
"""Why an agent could not be opened, or a turn failed."""

Sink = Callable[[Happening], None]


class ProviderError(MoorError):
    """The agent could not be opened; no process of it is left.

    ``code`` is an ``ErrorCode``; the message may hold the end of what the child wrote to standard error, with the
    values of its secret variables blotted out.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)


@dataclass(frozen=True)
class MCPStdio:
    """An MCP server that the agent starts itself."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class MCPRemote:
    """An MCP server that the agent reaches over HTTP."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    transport: Literal["http", "sse"] = "http"


MCPServer = MCPStdio | MCPRemote


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """All that is needed to start an agent child for a session.

    Attributes:
        command: program and arguments; the program is looked up in ``env``'s PATH.
        cwd: the session's folder, which exists.
        env: the child's whole environment, see ``registry.child_env``.
        agent_id: canonical id, see ``registry``.
        mcp_servers: offered to the agent; one it can't speak to is left out and noted.
        stderr_path: what the child writes to standard error; the last megabyte is kept, in this file and ``<name>.1``.
        children_path: the folder in which the child's process group is written down while it lives, see ``orphans``.
        system_prompt: passed through the adapter where it has an extension for that; otherwise it is in a file in
        ``cwd``.
        permissions: who answers the agent's questions: a person, or the provider with allow-once.
        handshake_timeout_s: limit for the whole of ``open``.
        cancel_timeout_s: how long a cancelled turn may take to settle before the child is killed.
        write_timeout_s: how long the child may leave its standard input unread.
        max_line_bytes: a longer line ends the child.
    """

    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    agent_id: str
    stderr_path: Path
    children_path: Path
    mcp_servers: tuple[MCPServer, ...] = ()
    system_prompt: str | None = None
    permissions: Permissions = Permissions()
    handshake_timeout_s: float = 60.0
    cancel_timeout_s: float = 5.0
    write_timeout_s: float = 30.0
    max_line_bytes: int = MAX_LINE_BYTES


@dataclass(frozen=True)
class TextBlock:
    """What the user says, as text."""

    text: str


@dataclass(frozen=True)
class FileBlock:
    """An image or a document that the user hands over: its bytes, and the file that holds them where the agent works.

    Attributes:
        name: as the user calls it.
        path: absolute.
    """

    kind: Literal["image", "document"]
    media_type: str
    name: str
    path: Path
    body: bytes = field(repr=False)


ContentBlock = TextBlock | FileBlock
"""A part of a prompt."""


@dataclass(frozen=True)
class Choice:
    """One answer the agent offers to its question."""

    option_id: str
    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """The agent asks whether it may run exactly this call.

    Attributes:
        input: the call's arguments; where the agent gives none, what it shows instead (title, content, locations).
        call_hash: see ``call_hash``; over ``tool_name``, ``input`` and the session's folder.
    """

    call_id: str
    title: str
    tool_name: str
    kind: str
    input: dict[str, Any]
    options: tuple[Choice, ...]
    call_hash: str


@dataclass(frozen=True)
class Verdict:
    """The answer to a ``Question``; ``message`` goes to agents that can be told why."""

    outcome: Literal["allow", "deny", "cancelled"]
    message: str | None = None


Ask = Callable[[Question], Awaitable[Verdict]]
"""Puts a question to a person; asyncio-cancelled when the question is gone: turn cancelled or over, child dead."""


@dataclass(frozen=True)
class TurnError:
    """Why a turn failed."""

    code: ErrorCode
    message: str


@dataclass(frozen=True)
class TurnOutcome:
    """How a turn ended.

    Attributes:
        stop_reason: the agent's own word for it (ACP's stop reasons for ACP agents); None if it gave none.
        outcome: a turn cut short by a limit or refused by the model is ``completed``; the stop reason tells.
        error: set if and only if ``outcome`` is ``failed``.
    """

    stop_reason: str | None
    outcome: Literal["completed", "failed", "cancelled"]
    error: TurnError | None = None


@dataclass(frozen=True)
class Activity:
    """Signs of life.

    Attributes:
        last_output_monotonic: when the child last said something (``time.monotonic``, seconds).
        open_calls: tool calls started and not ended; a call that waits for a permission is one of them.
    """

    last_output_monotonic: float
    open_calls: int


class Provider(Protocol):
    """One live agent child of one session. All calls come from one event loop."""

    @property
    def continuation(self) -> str | None:
        """What resumes this conversation in another child; opaque, good for the same agent; None before ``open``."""

    @property
    def alive(self) -> bool:
        """Whether the child can be queried."""

    @property
    def may_ask(self) -> bool:
        """Whether questions are put to people at all."""

    async def open(self, continuation: str | None) -> None:
        """Starts the child and its conversation, the one of ``continuation`` if that can be had (else ``ContextLost``).

        Raises:
            ProviderError: it could not be had; nothing is left running.
        """

    async def query(self, prompt: Sequence[ContentBlock]) -> TurnOutcome:
        """Runs one turn to its end, which always comes once the child ends or is cancelled; failures are an outcome.

        Raises:
            RuntimeError: a turn is running, or the provider was never opened.
            Exception: what the sink or ``Ask`` raised during the turn.
        """

    async def push(self, prompt: Sequence[ContentBlock]) -> bool:
        """Adds to the running turn; False if this agent can't take that, and nothing happened."""

    async def cancel(self) -> None:
        """Cancels the running turn, if any, and returns when its ``query`` has what it needs to return."""

    async def end(self) -> None:
        """Stops the child and all its process group; a running query returns ``cancelled``. A repeat does nothing."""

    def activity(self) -> Activity:
        """Signs of life as of now."""


def call_hash(tool: str, arguments: Mapping[str, Any], cwd: Path) -> str:
    """Names exactly this call: SHA-256 in hex of the JSON ``[tool, arguments, cwd]``, compact, keys sorted, ASCII."""
    canonical = json.dumps([tool, arguments, str(cwd)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
