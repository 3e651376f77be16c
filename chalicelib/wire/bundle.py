"""Bundle: what a session's folder on the laptop gets before its agent starts.

Served by ``GET /agents/runtime/sessions/{session_id}/bundle?agent_id=<acp agent id>`` to the runtime that the session
is bound to. The daemon writes ``files`` under the session's folder and refuses a path that climbs out of it. A bundle
that can't be had fails the turn with its reason: an agent never starts without its instructions.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class BundleFile(Struct, frozen=True, kw_only=True):
    """One file: ``path`` relative to the session's folder with forward slashes, ``content`` as UTF-8 text."""

    path: str
    content: str
    executable: bool = False


class BundleMCPServer(Struct, frozen=True, kw_only=True):
    """One MCP server that the agent may reach, over HTTP."""

    name: str
    url: str
    type: Literal["http", "sse"] = "http"


class BundleVariable(Struct, frozen=True, kw_only=True):
    """One environment variable for the agent's process."""

    name: str
    value: str


class Bundle(Struct, frozen=True, kw_only=True):
    """The whole. Limits are seconds, 0 = none.

    Attributes:
        permission_policy: the ceiling that the plane sets, for calls whose tool has no policy of its own or can't be
            told; no policy of a tool is stricter.
        permission_policies: by tool: ``bash``, ``edit``, ``glob``, ``grep``, ``read``, ``web_fetch``, ``web_search``,
            ``write``, ``mcp__<server>``, ``mcp__<server>__<tool>``.
        workspace: the folder on the laptop to work in, an absolute path; None = a folder of the session's own. The
            daemon refuses one that the laptop's owner has not allowed.
    """

    files: tuple[BundleFile, ...] = ()
    local_skill_blocklist: tuple[str, ...] = ()
    mcp_servers: tuple[BundleMCPServer, ...] = ()
    env: tuple[BundleVariable, ...] = ()
    system_prompt: str | None = None
    permission_policy: Literal["always_ask", "always_allow"] = "always_ask"
    idle_limit_s: float = 600.0
    hard_limit_s: float = 3600.0
    permission_policies: dict[str, Literal["always_ask", "always_allow"]] = field(default_factory=dict)
    workspace: str | None = None
