"""Fields: the shapes that several requests share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

MAX_EXPIRES_IN_S = 30 * 24 * 3600.0
MAX_LIMIT_S = 7 * 24 * 3600.0

Word = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Note = Annotated[str, Meta(max_length=2048)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
MetadataPatch = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)] | None],
    Meta(max_length=32),
]
"""How many pairs are left is counted after the patch; it may remove as many as it adds."""
LimitSeconds = Annotated[float, Meta(ge=0, le=MAX_LIMIT_S)]
ExpiresIn = Annotated[float, Meta(ge=1, le=MAX_EXPIRES_IN_S)]
Values = Annotated[tuple[dict[str, Any], ...], Meta(max_length=128)]
Moment = Annotated[datetime, Meta(tz=True)]
PageSize = Annotated[int, Meta(ge=1, le=100)]


class ListQuery(Struct, frozen=True, kw_only=True):
    """A page of a list: how many, and from which place on (``next_page`` of the page before)."""

    limit: PageSize = 20
    page: str | None = None
    include_archived: bool = False
