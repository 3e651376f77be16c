"""Agents: a tenant's definitions, in all their versions."""

from __future__ import annotations

from chalice import Blueprint

from ..core.access import KeyPrincipal
from ..core.definition import MAX_AGENT_BYTES
from ..wiring import plane
from .answers.agents import AgentAnswer, agent_answer
from .answers.pages import Page
from .requests.agents import AgentQuery, AgentsQuery, CreateAgent, UpdateAgent, VersionsQuery
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/agents", may="agents:write", max_bytes=MAX_AGENT_BYTES)
def create_agent(asking: KeyPrincipal, body: CreateAgent) -> AgentAnswer:
    """Makes an agent."""
    return agent_answer(plane().agents.create(asking, body.wanted()))


@surface.route("GET", "/v1/agents", may="read")
def list_agents(asking: KeyPrincipal, query: AgentsQuery) -> Page[AgentAnswer]:
    """A page of agents, newest first."""
    found, next_page = plane().agents.list(asking.tenant_id, query.page, query.limit, query.wanted())
    return Page(data=tuple(map(agent_answer, found)), next_page=next_page)


@surface.route("GET", "/v1/agents/{agent_id}", may="read")
def get_agent(asking: KeyPrincipal, agent_id: str, query: AgentQuery) -> AgentAnswer:
    """One agent, as it is or as it was."""
    return agent_answer(plane().agents.get(asking.tenant_id, agent_id, query.version))


@surface.route("POST", "/v1/agents/{agent_id}", may="agents:write", max_bytes=MAX_AGENT_BYTES)
def update_agent(asking: KeyPrincipal, agent_id: str, body: UpdateAgent) -> AgentAnswer:
    """Makes the next version of an agent; its sessions keep theirs."""
    return agent_answer(plane().agents.update(asking, agent_id, body.wanted(), body.version))


@surface.route("POST", "/v1/agents/{agent_id}/archive", may="agents:write")
def archive_agent(asking: KeyPrincipal, agent_id: str) -> AgentAnswer:
    """Takes an agent out of use: it makes no new sessions, and those it has go on."""
    return agent_answer(plane().agents.archive(asking.tenant_id, agent_id))


@surface.route("GET", "/v1/agents/{agent_id}/versions", may="read")
def list_agent_versions(asking: KeyPrincipal, agent_id: str, query: VersionsQuery) -> Page[AgentAnswer]:
    """A page of an agent's versions, newest first."""
    found, next_page = plane().agents.versions(asking.tenant_id, agent_id, query.page, query.limit)
    return Page(data=tuple(map(agent_answer, found)), next_page=next_page)
