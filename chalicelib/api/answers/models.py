"""Models as they are answered: with what the Anthropic SDKs read of one, and the OpenAI SDKs."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ...actors.models import Model, ModelPage
from ...core.render import rfc3339


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A model; ``created`` is in epoch seconds."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    display_name: str
    lifecycle: Literal["active"] = "active"
    owned_by: Literal["mooring"] = "mooring"
    created: int
    created_at: str


class ModelList(Struct, frozen=True, kw_only=True):
    """Some models; the first and the last one's id are null where there is none."""

    object: Literal["list"] = "list"
    data: tuple[ModelInfo, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None


def model_answer(one: Model) -> ModelInfo:
    """A model as it is answered."""
    return ModelInfo(
        id=one.id, display_name=one.display_name, created=int(one.created_at), created_at=rfc3339(one.created_at)
    )


def model_list(page: ModelPage) -> ModelList:
    """A page of models as it is answered."""
    return ModelList(
        data=tuple(map(model_answer, page.models)),
        has_more=page.has_more,
        first_id=page.models[0].id if page.models else None,
        last_id=page.models[-1].id if page.models else None,
    )
