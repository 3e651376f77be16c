"""Environments: where sessions run."""

from __future__ import annotations

from chalice import Blueprint

from ..core.access import KeyPrincipal
from ..wiring import plane
from .answers.environments import EnvironmentAnswer, EnvironmentDeleted, environment_answer
from .answers.pages import Page
from .requests.environments import CreateEnvironment, EnvironmentsQuery, UpdateEnvironment
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("POST", "/v1/environments", may="agents:write")
def create_environment(asking: KeyPrincipal, body: CreateEnvironment) -> EnvironmentAnswer:
    """Makes an environment."""
    return environment_answer(plane().environments.create(asking, body.wanted()))


@surface.route("GET", "/v1/environments", may="read")
def list_environments(asking: KeyPrincipal, query: EnvironmentsQuery) -> Page[EnvironmentAnswer]:
    """A page of environments: the local one, those of the laptops, then the tenant's own, newest first."""
    found, next_page = plane().environments.list(asking.tenant_id, query.page, query.limit, query.wanted())
    return Page(data=tuple(map(environment_answer, found)), next_page=next_page)


@surface.route("GET", "/v1/environments/{environment_id}", may="read")
def get_environment(asking: KeyPrincipal, environment_id: str) -> EnvironmentAnswer:
    """One environment."""
    return environment_answer(plane().environments.get(asking.tenant_id, environment_id))


@surface.route("POST", "/v1/environments/{environment_id}", may="agents:write")
def update_environment(asking: KeyPrincipal, environment_id: str, body: UpdateEnvironment) -> EnvironmentAnswer:
    """Changes an environment; sessions that were made in it stay where they are."""
    return environment_answer(plane().environments.update(asking, environment_id, body.wanted()))


@surface.route("POST", "/v1/environments/{environment_id}/archive", may="agents:write")
def archive_environment(asking: KeyPrincipal, environment_id: str) -> EnvironmentAnswer:
    """Takes an environment out of use: no new sessions are made in it."""
    return environment_answer(plane().environments.archive(asking.tenant_id, environment_id))


@surface.route("DELETE", "/v1/environments/{environment_id}", may="agents:write")
def delete_environment(asking: KeyPrincipal, environment_id: str) -> EnvironmentDeleted:
    """Deletes an environment; sessions that were made in it go on."""
    plane().environments.delete(asking.tenant_id, environment_id)
    return EnvironmentDeleted(environment_id)
