"""Requests: what the bodies of this API may say, one Struct each, and what they ask of the actors.

Fields of the Managed Agents API that Mooring can't honour yet are refused when they carry something: ignoring them
would be a lie. Other fields that are not known are ignored, as newer SDKs send some.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from ..actors.agents import NewAgent
from ..actors.enrolment import Machine
from ..actors.session_rows import LOCAL_ENVIRONMENT, NewSession
from ..core.catalog import PermissionPolicy, RuntimeBinding
from ..core.errors import BadRequest
from ..core.session import ConfirmationIn, InterruptIn, Item, MessageIn
from ..wire.events import TextBlock
from ..wire.ids import EventId, RuntimeId
from ..wire.limits import MESSAGE_TTL_S
from .parsing import parse, refused

MAX_EXPIRES_IN_S = 30 * 24 * 3600.0
MAX_LIMIT_S = 7 * 24 * 3600.0
MAX_AGENT_BYTES = 128 * 1024
"""An agent's definition is copied into each of its sessions' rows, and a DynamoDB item holds 400 KB."""

_Word = Annotated[str, Meta(min_length=1, max_length=128)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Note = Annotated[str, Meta(max_length=2048)]
_Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
_Limit = Annotated[float, Meta(ge=0, le=MAX_LIMIT_S)]
_ExpiresIn = Annotated[float, Meta(ge=1, le=MAX_EXPIRES_IN_S)]
_Values = Annotated[tuple[dict[str, Any], ...], Meta(max_length=128)]


# ---- enrolment


class ConnectRuntime(Struct, frozen=True, kw_only=True):
    """``POST /v1/runtimes/connect-runtime``; ``code_challenge`` is PKCE's, method S256."""

    state: Annotated[str, Meta(min_length=8, max_length=256)]
    code_challenge: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None


class ExchangeCode(Struct, frozen=True, kw_only=True):
    """``POST /agents/runtime/exchange``."""

    code: _Word
    state: Annotated[str, Meta(min_length=1, max_length=256)]
    machine_id: _Word
    hostname: Annotated[str, Meta(max_length=255)] = ""
    os: Annotated[str, Meta(max_length=128)] = ""
    version: Annotated[str, Meta(max_length=64)] = ""
    code_verifier: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = None

    @property
    def machine(self) -> Machine:
        """What the laptop says of itself."""
        return Machine(machine_id=self.machine_id, hostname=self.hostname, os=self.os, version=self.version)


# ---- agents


class Policy(Struct, frozen=True):
    """A permission policy as the API writes it."""

    type: str


class ToolConfig(Struct, frozen=True):
    """The part of a toolset's configuration that acts here."""

    permission_policy: Policy | None = None


class Toolset(Struct, frozen=True):
    """The part of a tool that acts here: ACP agents bring their own tools, only the policy counts."""

    type: str
    default_config: ToolConfig | None = None
    configs: tuple[ToolConfig, ...] = ()


class MCPServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An MCP server by its URL. Nothing else is taken, so that no credential is stored beside it."""

    type: Literal["url"] = "url"
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    url: Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2048)]


class Model(Struct, frozen=True):
    """A model by its id; the ACP agent chooses for itself."""

    id: Annotated[str, Meta(max_length=256)]


class Binding(Struct, frozen=True, kw_only=True):
    """Which laptop runs the agent, by which ACP agent, without which of the laptop's skills."""

    runtime_id: _Word
    acp_agent_id: _Word
    local_skill_blocklist: Annotated[tuple[_Word, ...], Meta(max_length=500)] = ()

    def wanted(self) -> RuntimeBinding:
        """The binding that is asked for."""
        return RuntimeBinding(
            runtime_id=RuntimeId(self.runtime_id),
            acp_agent_id=self.acp_agent_id,
            local_skill_blocklist=self.local_skill_blocklist,
        )


class Extension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``_oma``: what the local-runtime extension adds to an agent. An unknown key is refused."""

    harness: str | None = None
    runtime_binding: Binding | None = None
    permission_policy: str | Policy | None = None
    idle_limit_s: _Limit | None = None
    hard_limit_s: _Limit | None = None


class CreateAgent(Struct, frozen=True, kw_only=True):
    """``POST /v1/agents``. What the extension adds may stand at the top level or under ``_oma``, which wins."""

    name: _Name
    model: Annotated[str, Meta(max_length=256)] | Model | None = None
    description: _Note | None = None
    system: Annotated[str, Meta(max_length=100_000)] | None = None
    tools: _Values = ()
    mcp_servers: Annotated[tuple[MCPServer, ...], Meta(max_length=20)] = ()
    skills: _Values = ()
    metadata: _Metadata | None = None
    multiagent: Any = None
    harness: str | None = None
    runtime_binding: Binding | None = None
    permission_policy: str | Policy | None = None
    idle_limit_s: _Limit | None = None
    hard_limit_s: _Limit | None = None
    extension: Extension | None = field(name="_oma", default=None)

    def wanted(self) -> NewAgent:
        """The agent that is asked for.

        Raises:
            BadRequest: ``unsupported_harness``, ``unsupported_policy``, ``unsupported_field``, ``bad_request``.
        """
        if self.multiagent:
            raise BadRequest("unsupported_field", "multiagent is not supported.", field="multiagent")
        harness = self._said("harness") or "acp-proxy"
        if harness != "acp-proxy":
            raise BadRequest("unsupported_harness", "The only harness is 'acp-proxy'.", field="harness")
        binding: Binding | None = self._said("runtime_binding")
        idle_limit_s, hard_limit_s = self._said("idle_limit_s"), self._said("hard_limit_s")
        return NewAgent(
            name=self.name,
            model=self.model.id if isinstance(self.model, Model) else self.model or "",
            description=self.description,
            system=self.system,
            runtime_binding=binding.wanted() if binding else None,
            permission_policy=_policy(self._said("permission_policy"), self.tools),
            idle_limit_s=600.0 if idle_limit_s is None else idle_limit_s,
            hard_limit_s=3600.0 if hard_limit_s is None else hard_limit_s,
            tools=self.tools,
            mcp_servers=tuple(msgspec.to_builtins(one) for one in self.mcp_servers),
            skills=self.skills,
            metadata=self.metadata or {},
        )

    def _said(self, name: str) -> Any:
        inner = getattr(self.extension, name, None)
        return getattr(self, name) if inner is None else inner


def _policy(given: str | Policy | None, tools: tuple[dict[str, Any], ...]) -> PermissionPolicy:
    """The policy asked for; without one the strictest among the tools'; without any, questions are asked."""
    if given is not None:
        return _known_policy(given, "permission_policy")
    try:
        toolsets = msgspec.convert(tools, tuple[Toolset, ...])
    except msgspec.ValidationError as exc:
        raise refused(exc, "tools") from exc
    configs = [one for tool in toolsets for one in (tool.default_config, *tool.configs) if one is not None]
    found = {_known_policy(one.permission_policy, "tools") for one in configs if one.permission_policy}
    return "always_allow" if found == {"always_allow"} else "always_ask"


def _known_policy(given: str | Policy, where: str) -> PermissionPolicy:
    match given.type if isinstance(given, Policy) else given:
        case "always_ask":
            return "always_ask"
        case "always_allow":
            return "always_allow"
        case _:
            why = "A permission policy is 'always_ask' or 'always_allow'."
            raise BadRequest("unsupported_policy", why, field=where)


# ---- sessions


class AgentRef(Struct, frozen=True, kw_only=True):
    """An agent by id and, if wanted, version."""

    type: Literal["agent"] = "agent"
    id: _Word
    version: int | None = None


class CreateSession(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions``."""

    agent: _Word | AgentRef
    environment_id: _Word | None = None
    title: Annotated[str, Meta(max_length=512)] | None = None
    metadata: _Metadata | None = None
    initial_events: Annotated[tuple[Raw, ...], Meta(max_length=50)] = ()
    expires_in: _ExpiresIn = MESSAGE_TTL_S
    resources: Any = None
    vault_ids: Any = None
    budget: Any = None

    def wanted(self) -> NewSession:
        """The session that is asked for.

        Raises:
            BadRequest: ``unsupported_field``, ``unsupported_event``, ``bad_request``, ``bad_text``.
        """
        for name in ("resources", "vault_ids", "budget"):
            if getattr(self, name):
                raise BadRequest("unsupported_field", f"{name} is not supported.", field=name)
        items = _items(self.initial_events, "initial_events")
        for index, item in enumerate(items):
            if not isinstance(item, MessageIn):
                where = f"initial_events[{index}].type"
                raise BadRequest("unsupported_event", "A session begins with user.message only.", field=where)
        ref = AgentRef(id=self.agent) if isinstance(self.agent, str) else self.agent
        return NewSession(
            agent_id=ref.id,
            agent_version=ref.version,
            environment_id=self.environment_id or LOCAL_ENVIRONMENT,
            title=self.title,
            metadata=self.metadata or {},
            items=items,
            expires_in_s=self.expires_in,
        )


class _Tag(Struct, frozen=True):
    type: str


class _Text(TextBlock, frozen=True, tag_field="type", tag="text"):
    text: Annotated[str, Meta(min_length=1)]


class _Message(Struct, frozen=True):
    content: Annotated[str, Meta(min_length=1)] | Annotated[tuple[_Text, ...], Meta(min_length=1, max_length=200)]


class _Confirmation(Struct, frozen=True):
    tool_use_id: _Word
    result: Literal["allow", "deny"]
    deny_message: Annotated[str, Meta(max_length=4096)] | None = None


class PostEvents(Struct, frozen=True, kw_only=True):
    """``POST /v1/sessions/{id}/events``; ``expires_in`` seconds is how long the messages may wait for their machine."""

    events: Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=50)]
    expires_in: _ExpiresIn = MESSAGE_TTL_S

    def items(self) -> tuple[Item, ...]:
        """What is posted. Raises BadRequest ``unsupported_event``, ``bad_request``, ``bad_text``."""
        return _items(self.events, "events")


def _items(raws: tuple[Raw, ...], where: str) -> tuple[Item, ...]:
    return tuple(_item(bytes(raw), f"{where}[{index}]") for index, raw in enumerate(raws))


def _item(raw: bytes, where: str) -> Item:
    kind = parse(raw, _Tag, at=where).type
    match kind:
        case "user.message":
            content = parse(raw, _Message, at=where).content
            texts = (content,) if isinstance(content, str) else tuple(block.text for block in content)
            return MessageIn(tuple(TextBlock(text) for text in texts))
        case "user.interrupt":
            return InterruptIn()
        case "user.tool_confirmation":
            said = parse(raw, _Confirmation, at=where)
            return ConfirmationIn(EventId(said.tool_use_id), said.result, said.deny_message)
        case _:
            why = f"{kind[:64]!r} can't be sent; user.message, user.interrupt and user.tool_confirmation can."
            raise BadRequest("unsupported_event", why, field=f"{where}.type")
