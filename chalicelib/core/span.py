"""Span: from when to when something happened, as lists ask for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of time. Each bound has a zone, or is None where the stretch is open.

    Attributes:
        after, before: bounds that do not belong to it.
        since, until: bounds that do.
    """

    after: datetime | None = None
    since: datetime | None = None
    before: datetime | None = None
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        """Whether every time is in it."""
        return self == EVER

    @property
    def earliest(self) -> float | None:
        """Before this nothing is in it (epoch seconds); None = open."""
        return max((one.timestamp() for one in (self.after, self.since) if one), default=None)

    @property
    def latest(self) -> float | None:
        """After this nothing is in it (epoch seconds); None = open."""
        return min((one.timestamp() for one in (self.before, self.until) if one), default=None)

    def holds(self, at: float) -> bool:
        """Whether ``at`` (epoch seconds) is in it."""
        # As it is answered: a caller's bound has no more digits than that.
        then = datetime.fromtimestamp(at, UTC)
        return (
            (self.after is None or then > self.after)
            and (self.since is None or then >= self.since)
            and (self.before is None or then < self.before)
            and (self.until is None or then <= self.until)
        )


EVER: Final = Span()
"""All of time."""
