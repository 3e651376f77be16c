"""Agents: a tenant's definitions."""

from __future__ import annotations

from chalice import Blueprint

from ..core.access import KeyPrincipal
from ..wiring import plane
from .answers.agents import AgentAnswer, agent_answer
from .answers.pages import Page
from .requests.agents import MAX_AGENT_BYTES, AgentQuery, CreateAgent
from .requests.fields import ListQuery
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/agents", may="agents:write", max_bytes=MAX_AGENT_BYTES)
def create_agent(asking: KeyPrincipal, body: CreateAgent) -> AgentAnswer:
    """Makes an agent."""
    return agent_answer(plane().agents.create(asking.tenant_id, body.wanted()))


@surface.route("GET", "/v1/agents", may="read")
def list_agents(asking: KeyPrincipal, query: ListQuery) -> Page[AgentAnswer]:
    """A page of agents, newest first."""
    found, next_page = plane().agents.list(asking.tenant_id, query.page, query.limit)
    return Page(data=tuple(map(agent_answer, found)), next_page=next_page)


@surface.route("GET", "/v1/agents/{agent_id}", may="read")
def get_agent(asking: KeyPrincipal, agent_id: str, query: AgentQuery) -> AgentAnswer:
    """One agent."""
    return agent_answer(plane().agents.get(asking.tenant_id, agent_id, query.version))
