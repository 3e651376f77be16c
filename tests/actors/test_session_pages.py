"""Session pages: every session once, both ways, however many are left out, and no reading without end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.actors import session_pages
from chalicelib.actors.session_pages import SessionPage, SessionPages
from chalicelib.core.catalog import SessionRow
from chalicelib.core.definition import blank
from chalicelib.core.errors import BadRequest
from chalicelib.core.session_list import Keys, SessionFilter
from chalicelib.wire.ids import AgentId, RuntimeId, SessionId, TenantId
from tests.fake_records import FakeSessions

TENANT = TenantId("ten_1")
NOW = 1_790_000_000.0
ROW = SessionRow(
    tenant_id=TENANT,
    session_id=SessionId("sesn_"),
    runtime_id=RuntimeId("rt_1"),
    agent=blank(TENANT, AgentId("agent_1"), NOW),
    created_at=NOW,
    updated_at=NOW,
)
ALL = SessionFilter()

Order = Literal["asc", "desc"]


class Rows(FakeSessions):
    """Rows that remember how many were asked for at once."""

    def list(self, tenant_id: TenantId, keys: Keys, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        self.asked = [*getattr(self, "asked", []), limit]
        return super().list(tenant_id, keys, limit)


class Shelf:
    """Sessions, of which those with ``1`` in ``shown`` are not archived."""

    def __init__(self, shown: str) -> None:
        self.rows = Rows()
        self.pages = SessionPages(self.rows)
        self.names = [f"sesn_{k:04d}" for k in range(len(shown))]
        self.shown = [name for name, one in zip(self.names, shown, strict=True) if one == "1"]
        for name in self.names:
            self.rows.put(replace(ROW, session_id=SessionId(name), archived_at=None if name in self.shown else NOW))

    @property
    def reads(self) -> int:
        """How often rows were read."""
        return len(getattr(self.rows, "asked", []))

    def page(self, page: str | None, limit: int, order: Order, wanted: SessionFilter = ALL) -> SessionPage:
        """One page."""
        return self.pages.page(TENANT, wanted, page, limit, order, NOW)


def names(page: SessionPage) -> list[str]:
    return [row.session_id for row in page.rows]


@settings(max_examples=150, deadline=None)
@given(st.text("01", max_size=30), st.integers(1, 7), st.sampled_from(["asc", "desc"]))
def test_pages_hold_every_session_once_forth_and_back(shown: str, limit: int, order: Order) -> None:
    shelf = Shelf(shown)
    wanted = shelf.shown if order == "asc" else shelf.shown[::-1]
    forth = [shelf.page(None, limit, order)]
    while (after := forth[-1].next_page) is not None:
        forth.append(shelf.page(after, limit, order))
    assert [one for page in forth for one in names(page)] == wanted
    assert all(len(page.rows) == limit for page in forth[:-1]), "a page is short only at the end"
    assert forth[0].prev_page is None
    back = [forth[-1]]
    while (before := back[-1].prev_page) is not None:
        back.append(shelf.page(before, limit, order))
    assert [one for page in back[::-1] for one in names(page)] == wanted
    if len(back) > 1:
        again = back[1].next_page
        assert again is not None
        assert names(shelf.page(again, limit, order)) == names(back[0])


def test_a_list_that_leaves_out_nothing_reads_once_for_a_page() -> None:
    shelf = Shelf("1" * 30)
    assert len(shelf.page(None, 20, "desc").rows) == 20
    assert shelf.rows.asked == [21]


def test_a_page_with_something_on_it_ends_after_some_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list that reads all that a tenant ever had for one more row."""
    monkeypatch.setattr(session_pages, "PIECE", 2)
    shelf = Shelf("1" + "0" * 98 + "1")
    page = shelf.page(None, 5, "desc")
    assert names(page) == shelf.shown[1:]
    assert shelf.reads == session_pages.MAX_PIECES
    assert page.next_page not in (None, *shelf.shown)
    seen = names(page)
    while page.next_page is not None:
        page = shelf.page(page.next_page, 5, "desc")
        seen += names(page)
    assert seen == shelf.shown[::-1]


def test_an_empty_page_ends_much_later_since_it_is_taken_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_pages, "PIECE", 2)
    monkeypatch.setattr(session_pages, "MAX_PIECES_FOR_NOTHING", 20)
    shelf = Shelf("1" + "0" * 60)
    page = shelf.page(None, 5, "desc")
    assert (page.rows, shelf.reads) == ((), 20)
    assert page.next_page is not None
    assert page.prev_page is None
    assert names(shelf.page(page.next_page, 5, "desc")) == shelf.shown


def test_what_there_is_nothing_of_is_not_looked_for() -> None:
    shelf = Shelf("111")
    assert shelf.page(None, 5, "desc", SessionFilter(is_nothing=True)) == SessionPage((), None)
    assert shelf.reads == 0


def test_what_names_no_page_is_refused() -> None:
    with pytest.raises(BadRequest):
        Shelf("1").page("x", 5, "desc")
