"""Requests about models."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class ModelsQuery(Struct, frozen=True, kw_only=True):
    """``GET /v1/models``. All of them without a limit: the OpenAI SDK asks once and knows of no pages.

    Every model here is ``active``; to ask for others is refused.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after_id: str | None = None
    before_id: str | None = None
    lifecycle: tuple[Literal["active"], ...] = ()
