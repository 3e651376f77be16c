"""What is said to an ACP agent about a session, and what is read from its answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from acp import RequestError
from acp.schema import (
    AcpMcpServer,
    AgentCapabilities,
    EnvVariable,
    HttpHeader,
    HttpMcpServer,
    InitializeResponse,
    McpServerStdio,
    PromptResponse,
    SseMcpServer,
)
from msgspec import Struct
from msgspec import ValidationError as BadContinuation
from msgspec.json import decode, encode
from pydantic import ValidationError

from .manners import failure_in
from .ports import ErrorCode, MCPServer, MCPStdio

ACPServer = HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio

MAX_ERROR: Final = 2_000
"""Characters of an agent's error message that are passed on."""

_AUTH_REQUIRED: Final = -32000


class Continuation(Struct, frozen=True):
    """What resumes a conversation: the agent's own session id, good with the same agent; its version is for the log."""

    agent_id: str
    session_id: str
    version: str | None = None

    def dump(self) -> str:
        """Returns it as the string that others keep."""
        return encode(self).decode()


def read_continuation(kept: str, agent_id: str) -> Continuation | None:
    """Returns the continuation in a kept string; None = it is unreadable or another agent's."""
    try:
        continuation = decode(kept, type=Continuation)
    except (BadContinuation, ValueError):
        return None
    return continuation if continuation.agent_id == agent_id else None


def version_of(hello: InitializeResponse) -> str | None:
    """Returns the agent's name and version as it tells them."""
    return f"{hello.agent_info.name} {hello.agent_info.version}" if hello.agent_info else None


def ways_back(capabilities: AgentCapabilities | None) -> tuple[str, ...]:
    """Returns how the agent can take a session up again, best first: ``resume`` replays nothing, ``load`` all."""
    if capabilities is None:
        return ()
    sessions = capabilities.session_capabilities
    can_resume = sessions is not None and sessions.resume is not None
    return ("resume",) * can_resume + ("load",) * bool(capabilities.load_session)


def mcp_servers(
    servers: Sequence[MCPServer], capabilities: AgentCapabilities | None
) -> tuple[list[ACPServer], list[str]]:
    """Returns the servers in ACP's form, and the names of those whose transport the agent does not speak."""
    spoken = capabilities.mcp_capabilities if capabilities else None
    offered: list[ACPServer] = []
    refused: list[str] = []
    for server in servers:
        if isinstance(server, MCPStdio):
            env = [EnvVariable(name=name, value=value) for name, value in server.env.items()]
            offered.append(McpServerStdio(name=server.name, command=server.command, args=list(server.args), env=env))
            continue
        headers = [HttpHeader(name=name, value=value) for name, value in server.headers.items()]
        if server.transport == "http" and spoken is not None and spoken.http:
            offered.append(HttpMcpServer(type="http", name=server.name, url=server.url, headers=headers))
        elif server.transport == "sse" and spoken is not None and spoken.sse:
            offered.append(SseMcpServer(type="sse", name=server.name, url=server.url, headers=headers))
        else:
            refused.append(server.name)
    return offered, refused


def error_of(exc: RequestError) -> tuple[ErrorCode, str]:
    """Returns our code for an agent's error, and its message with the detail that agents put beside it."""
    message = str(exc) or "The agent reports an error without a message."
    detail = exc.data
    if isinstance(detail, dict):
        detail = next((detail[key] for key in ("details", "message", "error") if detail.get(key)), None)
    if isinstance(detail, str) and detail not in message:
        message = f"{message}: {detail}"
    code: ErrorCode = "authentication_required" if exc.code == _AUTH_REQUIRED else "agent_failed"
    return code, message[:MAX_ERROR]


def failure_of(response: PromptResponse) -> tuple[ErrorCode, str] | None:
    """Returns our code and the message for a turn that failed although its response is none of an error."""
    failure = failure_in(response.field_meta)
    if failure is None or failure.get("severity") != "error":
        return None
    code: ErrorCode = "authentication_required" if failure.get("category") == "auth_required" else "agent_failed"
    return code, str(failure.get("title") or "The agent reports a failure without a message.")[:MAX_ERROR]


def stop_reason_of(exc: ValidationError) -> str | None:
    """Returns the stop reason that the library's model of a prompt response refused; None = that was not it."""
    for error in exc.errors():
        if error["loc"] == ("stopReason",) and isinstance(error["input"], str):
            return error["input"]
    return None


def used_in(response: PromptResponse) -> dict[str, Any]:
    """Returns the tokens that a prompt response tells of; empty = none. Gemini CLI tells them in ``_meta`` alone."""
    if response.usage:
        return response.usage.model_dump(mode="json", exclude_none=True, exclude={"field_meta"})
    found: object = response.field_meta
    for key in ("quota", "token_count"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
