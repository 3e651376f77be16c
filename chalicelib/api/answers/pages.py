"""Pages: how lists are answered."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """A piece of a list; ``next_page`` is the ``page`` to ask for next, or null at the end."""

    data: tuple[T, ...]
    next_page: str | None
