"""Details: what people call a session by, and how a request changes it."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from .definition import patched

Detail = Literal["title", "metadata"]


class Details(Struct, frozen=True, kw_only=True):
    """What people call a session by."""

    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class DetailsPatch(Struct, frozen=True, kw_only=True):
    """A change: what is not set stays, None clears, and of the metadata None removes a pair."""

    title: str | None | UnsetType = UNSET
    metadata: dict[str, str | None] | None | UnsetType = UNSET

    def of(self, before: Details) -> Details:
        """The details after the change. Raises BadRequest when there would be too much metadata."""
        title = before.title if self.title is UNSET else self.title or None
        metadata = before.metadata
        if self.metadata is not UNSET:
            metadata = {} if self.metadata is None else patched(before.metadata, self.metadata)
        return Details(title=title, metadata=metadata)


def changed(before: Details, after: Details) -> tuple[Detail, ...]:
    """Which of the details differ."""
    names: tuple[Detail, ...] = ("title", "metadata")
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))
