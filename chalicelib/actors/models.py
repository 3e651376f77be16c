"""Models: what may be written where an API asks for one.

A model is an ACP agent that works on one of the tenant's laptops (``acp:<id>``), or an agent of the tenant's: the first
for whoever makes agents, the second for whoever talks to one through an API that knows only models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from ..core.catalog import Agent
from ..core.definition import MODEL_OF_ACP
from ..core.errors import NotFound
from ..core.selection import Selection
from ..wire.ids import TenantId
from .agents import AgentDefinitions
from .ports import Stores

_PAGE: Final = 100


class Model(Struct, frozen=True, kw_only=True):
    """A model; ``created_at`` is epoch seconds."""

    id: str
    display_name: str
    created_at: float


class ModelPage(Struct, frozen=True, kw_only=True):
    """Some models; whether there are more in the direction that was asked for."""

    models: Sequence[Model]
    has_more: bool


class Models:
    """Knows a tenant's models."""

    def __init__(self, stores: Stores, agents: AgentDefinitions) -> None:
        self._runtimes = stores.runtimes
        self._agents = agents

    def list(self, tenant_id: TenantId, *, after: str | None, before: str | None, limit: int) -> ModelPage:
        """ACP agents by name, then agents, newest first: at most ``limit`` after or before the one named.

        Raises:
            NotFound: ``model_not_found``: ``after`` or ``before`` is none.
        """
        every = [*self._of_runtimes(tenant_id), *self._of_agents(tenant_id)]
        start = _place_of(after, every) + 1 if after else 0
        end = _place_of(before, every) if before else len(every)
        if before and not after:
            return ModelPage(models=every[max(start, end - limit) : end], has_more=end - limit > start)
        return ModelPage(models=every[start : min(end, start + limit)], has_more=start + limit < end)

    def get(self, tenant_id: TenantId, model_id: str) -> Model:
        """One model. Raises NotFound ``model_not_found``, the same for another tenant's."""
        if model_id.startswith(MODEL_OF_ACP):
            every = self._of_runtimes(tenant_id)
            return every[_place_of(model_id, every)]
        try:
            agent = self._agents.get(tenant_id, model_id)
        except NotFound as exc:
            raise _no_model(model_id) from exc
        if agent.archived_at is not None:
            raise _no_model(model_id)
        return _of_agent(agent)

    def _of_runtimes(self, tenant_id: TenantId) -> Sequence[Model]:
        found: dict[str, float] = {}
        for runtime in self._runtimes.list(tenant_id):
            for agent in (one for one in runtime.agents if not one.problem):
                found[agent.id] = min(runtime.created_at, found.get(agent.id, runtime.created_at))
        return [Model(id=MODEL_OF_ACP + one, display_name=one, created_at=found[one]) for one in sorted(found)]

    def _of_agents(self, tenant_id: TenantId) -> Iterator[Model]:
        place: str | None = None
        while True:
            found, place = self._agents.list(tenant_id, place, _PAGE, Selection())
            yield from map(_of_agent, found)
            if place is None:
                return


def _of_agent(agent: Agent) -> Model:
    return Model(id=agent.agent_id, display_name=agent.name, created_at=agent.created_at)


def _place_of(model_id: str, every: Sequence[Model]) -> int:
    for place, one in enumerate(every):
        if one.id == model_id:
            return place
    raise _no_model(model_id)


def _no_model(model_id: str) -> NotFound:
    return NotFound("model_not_found", f"There is no model {model_id[:80]}.", field="model")
