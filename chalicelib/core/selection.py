"""Selection: which things of a kind a list is to show."""

from __future__ import annotations

from msgspec import Struct

from .span import Span


class Selection(Struct, frozen=True, kw_only=True):
    """What a list shows; without a word all that is not archived."""

    include_archived: bool = False
    created: Span = Span()

    def takes(self, created_at: float, archived_at: float | None) -> bool:
        """Whether something made and archived at these times (epoch seconds) is shown."""
        return (self.include_archived or archived_at is None) and self.created.holds(created_at)
