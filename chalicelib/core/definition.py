"""Definition: what an agent is to be, and what it becomes by that. Making one is changing one that says nothing.

A model ``acp:<id>`` names the ACP agent, for whoever can't say it in a binding. A binding may leave it to the model; it
may not name another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from ..wire.frames import AgentReport
from ..wire.ids import AgentId, RuntimeId, TenantId
from .bundle import canonical_acp_agent
from .catalog import Agent, PermissionPolicy, RuntimeBinding
from .errors import BadRequest, Conflicting, NotFound, TooLarge
from .permissions import policies_of

MAX_AGENT_BYTES: Final = 128 * 1024
"""An agent's definition is copied into each of its sessions' rows, and a DynamoDB item holds 400 KB."""

MAX_METADATA: Final = 16
"""Pairs of metadata. Source: Managed Agents API."""

MODEL_OF_ACP: Final = "acp:"
"""Begins a model that is an ACP agent's id."""


class AgentChange(Struct, frozen=True, kw_only=True):
    """What of an agent is to be another: what is unset stays, None and "" clear, lists replace.

    Attributes:
        runtime_binding: an empty ``acp_agent_id`` in it leaves that to the model.
        metadata: a patch, in which None deletes a key.
    """

    name: str | UnsetType = UNSET
    model: str | None | UnsetType = UNSET
    model_options: dict[str, Any] | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    system: str | None | UnsetType = UNSET
    appendable_prompts: tuple[str, ...] | None | UnsetType = UNSET
    runtime_binding: RuntimeBinding | None | UnsetType = UNSET
    workspace: str | None | UnsetType = UNSET
    policy_said: PermissionPolicy | None | UnsetType = UNSET
    idle_limit_s: float | None | UnsetType = UNSET
    hard_limit_s: float | None | UnsetType = UNSET
    tools: tuple[dict[str, Any], ...] | None | UnsetType = UNSET
    mcp_servers: tuple[dict[str, Any], ...] | None | UnsetType = UNSET
    skills: tuple[dict[str, Any], ...] | None | UnsetType = UNSET
    metadata: dict[str, str | None] | None | UnsetType = UNSET


_BLANK: Final = Agent(tenant_id=TenantId(""), agent_id=AgentId(""), version=1, name="", created_at=0.0, updated_at=0.0)


def blank(tenant_id: TenantId, agent_id: AgentId, now: float) -> Agent:
    """An agent that says nothing yet. ``now`` is epoch seconds."""
    return replace(_BLANK, tenant_id=tenant_id, agent_id=agent_id, created_at=now, updated_at=now)


def changed(agent: Agent, change: AgentChange) -> Agent:
    """The agent with the change. Version, times and mark are the same: an equal agent was not changed at all.

    Raises:
        BadRequest: ``unsupported_policy``, ``unsupported_field``, ``bad_tool``, ``too_much_metadata``,
            ``acp_agent_missing``, ``acp_agent_mismatch``, ``mcp_server_repeated``.
        TooLarge: ``content_too_large``.
    """
    said = {name: value for name, value in asdict(change).items() if value is not UNSET}
    if isinstance(change.metadata, dict):
        said["metadata"] = patched(agent.metadata, change.metadata)
    cleared = {name: getattr(_BLANK, name) for name, value in said.items() if value is None or value == ""}
    after: Agent = replace(agent, **said | cleared)
    _refuse_equal_names(after.mcp_servers)
    if change.runtime_binding is not UNSET or change.model is not UNSET:
        after = replace(after, runtime_binding=_binding(after, change))
    if change.tools is not UNSET or change.policy_said is not UNSET:
        found = policies_of(after.tools, after.policy_said)
        after = replace(after, permission_policy=found.default, permission_policies=found.by_tool)
    n_bytes = len(msgspec.json.encode(after))
    if n_bytes > MAX_AGENT_BYTES:
        raise TooLarge(
            "content_too_large", f"The agent would have {n_bytes} bytes; at most {MAX_AGENT_BYTES} are kept."
        )
    return after


def patched(metadata: dict[str, str], patch: dict[str, str | None]) -> dict[str, str]:
    """Metadata after a patch, in which None deletes a key. Raises BadRequest ``too_much_metadata``."""
    after = {key: value for key, value in {**metadata, **patch}.items() if value is not None}
    if len(after) > MAX_METADATA:
        raise BadRequest("too_much_metadata", f"There would be more than {MAX_METADATA} pairs.", field="metadata")
    return after


def placed(agent: Agent, runtime_id: RuntimeId) -> Agent:
    """The agent as it runs on this laptop, whichever it is bound to. Raises BadRequest ``agent_not_bound``."""
    bound = agent.runtime_binding
    acp_agent_id = bound.acp_agent_id if bound else acp_agent_in(agent.model)
    if not acp_agent_id:
        raise not_bound(agent)
    blocklist = bound.local_skill_blocklist if bound else ()
    binding = RuntimeBinding(runtime_id=runtime_id, acp_agent_id=acp_agent_id, local_skill_blocklist=blocklist)
    return replace(agent, runtime_binding=binding)


def check_runs(agent: Agent, reports: Sequence[AgentReport]) -> None:
    """Refuses an agent that its laptop can't run, or would not run as its policies have it, as far as is known.

    Args:
        agent: bound to the laptop.
        reports: what the laptop says of its ACP agents. What it does not say is allowed: an agent may be installed
            later, and a policy that nobody has measured may be kept.

    Raises:
        Conflicting: ``acp_agent_unusable``.
        BadRequest: ``policy_not_honoured``.
    """
    binding = agent.runtime_binding
    report = next((one for one in reports if binding and one.id == binding.acp_agent_id), None)
    if report is None:
        return
    if report.problem:
        why = f"{report.id} does not work on that laptop: {report.problem} `moor agents list` there shows more."
        raise Conflicting("acp_agent_unusable", why, field="runtime_binding.acp_agent_id")
    must_ask = {tool for tool, policy in agent.permission_policies.items() if policy == "always_ask"}
    if report.measured and report.measured.asks is False and (must_ask or agent.permission_policy == "always_ask"):
        why = (
            f"{report.id} on that laptop acts without asking: it did when it was measured. Give the agent the policy"
            " always_allow, or bind another ACP agent; `moor agents probe` there measures again."
        )
        raise BadRequest("policy_not_honoured", why, field="permission_policy")
    if never := sorted(must_ask.intersection(report.never_asks)):
        why = f"{report.id} never asks before it uses {', '.join(never)}: give these tools the policy always_allow."
        raise BadRequest("policy_not_honoured", why, field="tools")


def acp_agent_in(model: str) -> str | None:
    """The ACP agent that a model names, by its canonical id, or None."""
    return canonical_acp_agent(model.removeprefix(MODEL_OF_ACP)) if model.startswith(MODEL_OF_ACP) else None


def no_agent(agent_id: str) -> NotFound:
    """The refusal for an agent that is absent or another tenant's."""
    return NotFound("agent_not_found", f"There is no agent {agent_id[:80]}.", field="agent")


def not_bound(agent: Agent) -> BadRequest:
    """The refusal for an agent that has no laptop, or nothing to run there."""
    why = (
        f"Agent {agent.agent_id} has no laptop to run on: give it a runtime_binding; or a model acp:<ACP agent>, and"
        " its sessions an environment that is tied to a runtime."
    )
    return BadRequest("agent_not_bound", why, field="agent")


def archived(agent: Agent) -> Conflicting:
    """The refusal for what an archived agent does no longer."""
    return Conflicting("agent_archived", f"Agent {agent.agent_id} is archived; make another one.", field="agent")


def version_conflict(newest: Agent) -> Conflicting:
    """The refusal for a change to another version than the newest."""
    why = f"Agent {newest.agent_id} is at version {newest.version} now; read it and change that one."
    return Conflicting("agent_version_conflict", why, field="version")


def _binding(after: Agent, change: AgentChange) -> RuntimeBinding | None:
    binding, named = after.runtime_binding, acp_agent_in(after.model)
    if binding is None:
        return None
    # A model alone moves the binding with it; one that stands beside a binding must not contradict it.
    own = "" if change.runtime_binding is UNSET and named else canonical_acp_agent(binding.acp_agent_id)
    acp_agent_id = own or named
    if not acp_agent_id:
        why = "runtime_binding.acp_agent_id is missing, and the model names no ACP agent (acp:<id>)."
        raise BadRequest("acp_agent_missing", why, field="runtime_binding.acp_agent_id")
    if named and acp_agent_id != named:
        why = f"The model names the ACP agent {named[:80]!r}, the binding another one; let one of them go."
        raise BadRequest("acp_agent_mismatch", why, field="runtime_binding.acp_agent_id")
    return replace(binding, acp_agent_id=acp_agent_id)


def _refuse_equal_names(mcp_servers: tuple[dict[str, Any], ...]) -> None:
    names = [one["name"] for one in mcp_servers]
    for index, name in enumerate(names):
        if name in names[:index]:
            why = f"Two MCP servers have the name {name!r}."
            raise BadRequest("mcp_server_repeated", why, field=f"mcp_servers[{index}].name")
