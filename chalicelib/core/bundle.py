"""What a session's folder on the laptop gets, made from the agent as it was when the session was."""

from __future__ import annotations

from collections.abc import Iterable

from ..wire.bundle import Bundle, BundleFile, BundleMCPServer
from .catalog import Agent

ALIASES = {
    "claude-code-acp": "claude-acp",
    "claude-agent-acp": "claude-acp",
    "codex-cli": "codex-acp",
    "codex-acp-bridge": "codex-acp",
    "gemini-cli": "gemini",
}
"""Other names under which people know an ACP agent. Source: the ACP registry and its older entries."""


def canonical_acp_agent(name: str) -> str:
    """The id under which daemons report an ACP agent."""
    return ALIASES.get(name, name)


def bundle_of(agent: Agent) -> Bundle:
    """The bundle of a session with ``agent``, which must be bound to a runtime."""
    binding = agent.runtime_binding
    return Bundle(
        files=(BundleFile(path="AGENTS.md", content=_instructions(agent)),),
        local_skill_blocklist=binding.local_skill_blocklist if binding else (),
        mcp_servers=tuple(BundleMCPServer(name=one["name"], url=one["url"]) for one in agent.mcp_servers),
        system_prompt=_prompt(agent) or None,
        permission_policy=agent.permission_policy,
        idle_limit_s=agent.idle_limit_s,
        hard_limit_s=agent.hard_limit_s,
        permission_policies=agent.permission_policies,
        workspace=agent.workspace,
    )


def _instructions(agent: Agent) -> str:
    parts = [f"# {agent.name}"]
    if agent.description:
        parts.append(agent.description)
    if prompt := _prompt(agent):
        parts += ["## Instructions", prompt]
    return _paragraphs(parts) + "\n"


def _prompt(agent: Agent) -> str:
    """The system prompt with what is appended to it; empty without either."""
    return _paragraphs([part for part in (agent.system, *agent.appendable_prompts) if part])


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts)
