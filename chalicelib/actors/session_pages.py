"""Session pages: lists of sessions, read piece by piece until a page is full.

What a list filters by is in no key, so a page may take many pieces. Who has found something gives up after a few of
them, and the page is short; who has found nothing goes on much longer, since older SDKs take an empty page for the end.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from ..core.catalog import SessionRow
from ..core.session_list import Keys, Place, SessionFilter, keys_of, place_of
from ..wire.ids import TenantId
from .ports import Sessions

PIECE: Final = 100
"""Rows read at once where many of them are not shown."""

MAX_PIECES: Final = 10
"""After so many pieces a page that holds anything ends."""

MAX_PIECES_FOR_NOTHING: Final = 100
"""After so many pieces an empty page ends: 10,000 rows of common size, or 100 MB; some seconds."""


class SessionPage(Struct, frozen=True):
    """Some sessions, the page to go on with and the page before, or None."""

    rows: tuple[SessionRow, ...]
    next_page: str | None
    prev_page: str | None = None


class SessionPages:
    """Lists sessions.

    Args:
        rows: where they are.
    """

    def __init__(self, rows: Sessions) -> None:
        self._rows = rows

    def page(
        self,
        tenant_id: TenantId,
        wanted: SessionFilter,
        page: str | None,
        limit: int,
        order: Literal["asc", "desc"],
        now: float,
    ) -> SessionPage:
        """At most ``limit`` sessions, by the time of their making. Fewer do not mean that there are no more.

        Raises:
            BadRequest: ``bad_page``.
        """
        place = place_of(page)
        if wanted.is_nothing:
            return SessionPage((), None)
        found, beyond = self._read(tenant_id, wanted, keys_of(wanted.created, place, order, now), limit)
        if place and place.back:
            found.reverse()
            return SessionPage(
                tuple(found),
                next_page=str(Place(found[-1].session_id)) if found else None,
                prev_page=str(Place(beyond, back=True)) if beyond else None,
            )
        before = str(Place(found[0].session_id, back=True)) if place and found else None
        return SessionPage(tuple(found), next_page=beyond, prev_page=before)

    def _read(
        self, tenant_id: TenantId, wanted: SessionFilter, keys: Keys, limit: int
    ) -> tuple[list[SessionRow], str | None]:
        """Sessions in the order of the keys, and the one beyond which to go on, or None at the end."""
        found: list[SessionRow] = []
        beyond, n_read = keys.beyond, 0
        while True:
            piece = Keys(low=keys.low, high=keys.high, beyond=beyond, ascending=keys.ascending)
            rows, beyond = self._rows.list(tenant_id, piece, PIECE if n_read else limit + 1)
            n_read += 1
            for row in filter(wanted.takes, rows):
                if len(found) == limit:
                    return found, found[-1].session_id
                found.append(row)
            if beyond is None or n_read >= (MAX_PIECES if found else MAX_PIECES_FOR_NOTHING):
                return found, beyond
