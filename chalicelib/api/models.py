"""Models: what may be written where an API asks for one."""

from __future__ import annotations

from urllib.parse import unquote

from chalice import Blueprint

from ..core.access import KeyPrincipal
from ..wiring import plane
from .answers.models import ModelInfo, ModelList, model_answer, model_list
from .requests.models import ModelsQuery
from .surface import Surface

surface = Surface(Blueprint(__name__))


@surface.route("GET", "/v1/models", may="read")
def list_models(asking: KeyPrincipal, query: ModelsQuery) -> ModelList:
    """The ACP agents of the tenant's laptops (``acp:<id>``), then its agents, newest first."""
    page = plane().models.list(asking.tenant_id, after=query.after_id, before=query.before_id, limit=query.limit)
    return model_list(page)


@surface.route("GET", "/v1/models/{model_id}", may="read")
def get_model(asking: KeyPrincipal, model_id: str) -> ModelInfo:
    """One model."""
    # A colon may come as it is or encoded, and not everything between a caller and this function decodes it.
    return model_answer(plane().models.get(asking.tenant_id, unquote(model_id)))
