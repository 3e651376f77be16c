"""Agents: a tenant's definitions."""

from __future__ import annotations

from typing import Any

from chalice import Blueprint

from ..wiring import plane
from . import parsing, replies
from .requests import MAX_AGENT_BYTES, CreateAgent
from .shapes import agent_shape
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("/v1/agents", methods=["POST"])
def create_agent() -> Any:
    """Makes an agent."""
    asking = surface.key()
    asked = surface.body(CreateAgent, MAX_AGENT_BYTES)
    return replies.json(agent_shape(plane().agents.create(asking.tenant_id, asked.wanted())))


@surface.route("/v1/agents", methods=["GET"])
def list_agents() -> Any:
    """A page of agents, newest first."""
    asking, query = surface.key(), surface.query
    parsing.only(query, "limit", "page", "beta", "include_archived")
    found, next_page = plane().agents.list(
        asking.tenant_id, parsing.one(query, "page"), parsing.limit(query, default=20, most=100)
    )
    return replies.json({"data": [agent_shape(one) for one in found], "next_page": next_page})


@surface.route("/v1/agents/{agent_id}", methods=["GET"])
def get_agent(agent_id: str) -> Any:
    """One agent."""
    asking = surface.key()
    version = parsing.number(surface.query, "version")
    return replies.json(agent_shape(plane().agents.get(asking.tenant_id, agent_id, version)))
