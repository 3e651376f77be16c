"""Session lists: which sessions a list shows, where in the keys they stand, and how its pages are named.

A page goes on after the session that its name gives, in the order of the list; with a ``-`` before the name it is the
page that ends just before that session.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from .canary import is_canary
from .catalog import SessionRow
from .errors import BadRequest
from .span import Span

SPAN_MS: Final = 1 << 40
"""An id begins with the milliseconds of its making in 40 bits, which begin anew every 34 years."""

LATE_S: Final = 60.0
"""A session's time of making may be this much later than its id's (seconds): it was named first."""

RECOUNT_S: Final = 60.0
"""How long a count of all of a tenant's sessions is believed at its limit (seconds): one reads every row."""

_PLACE = re.compile(r"(-?)(sesn_[0-9A-Za-z]{1,64})")


class SessionFilter(Struct, frozen=True, kw_only=True):
    """Which sessions a list shows; what is None or empty leaves none out but those of canaries, which are to be named.

    ``is_nothing``: those of something that there is none of here.
    """

    agent_id: str | None = None
    agent_version: int | None = None
    statuses: tuple[str, ...] = ()
    created: Span = Span()
    include_archived: bool = False
    is_nothing: bool = False

    def takes(self, row: SessionRow) -> bool:
        """Whether this session is shown."""
        agent = row.agent
        return (
            (self.include_archived or row.archived_at is None)
            and (not self.statuses or row.status in self.statuses)
            and (not is_canary(agent.agent_id) if self.agent_id is None else self._is_of(agent.agent_id, agent.version))
            and self.created.holds(row.created_at)
        )

    def _is_of(self, agent_id: str, version: int) -> bool:
        return agent_id == self.agent_id and self.agent_version in (None, version)


class Keys(Struct, frozen=True, kw_only=True):
    """Where in a tenant's sessions to read: ids from ``low`` to ``high``, both included, beyond ``beyond``."""

    low: str = ""
    high: str = "~"
    beyond: str | None = None
    ascending: bool = False


class Place(Struct, frozen=True):
    """Where a page begins, or (``back``) ends: next to this session, which is not on it."""

    session_id: str
    back: bool = False

    def __str__(self) -> str:
        return f"-{self.session_id}" if self.back else self.session_id


def place_of(page: str | None) -> Place | None:
    """The place that an earlier page gave, or None for the first page. Raises BadRequest ``bad_page``."""
    if page is None:
        return None
    found = _PLACE.fullmatch(page)
    if found is None:
        raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
    return Place(found[2], back=bool(found[1]))


def keys_of(created: Span, place: Place | None, order: Literal["asc", "desc"], now: float) -> Keys:
    """Where to read for such a page. ``now`` is epoch seconds; which sessions are shown is still to be looked at."""
    back = place is not None and place.back
    return Keys(
        low=_id_at(created.earliest, now, -LATE_S) or "",
        high=(_id_at(created.latest, now, 0.0) or "") + "~",
        beyond=place.session_id if place else None,
        ascending=(order == "asc") != back,
    )


def _id_at(at: float | None, now: float, more_s: float) -> str | None:
    """How ids begin that were made at a time; None where keys can't tell: it lies in other 34 years than now."""
    if at is None:
        return None
    ms, now_ms = int((at + more_s) * 1000), int(now * 1000)
    return f"sesn_{ms % SPAN_MS:010x}" if ms // SPAN_MS == now_ms // SPAN_MS else None
