"""Sessions' rows: lists by page, and summaries of which the latest record's counts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import SessionRow
from chalicelib.core.object_key import PutRefused
from chalicelib.stores import Tables
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId
from tests.stores.conftest import at_once
from tests.stores.test_agents import AGENT

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
ROW = SessionRow(
    tenant_id=TENANT,
    session_id=SessionId("sesn_01"),
    runtime_id=RuntimeId("rt_1"),
    agent=AGENT,
    created_at=100.5,
    updated_at=100.5,
    title="Fix the tests ☕",
    metadata={"ticket": "7"},
)


def rows(n: int) -> list[SessionRow]:
    return [replace(ROW, session_id=SessionId(f"sesn_{i:02d}"), created_at=float(i)) for i in range(1, n + 1)]


def test_a_row_comes_back(stores: Stores) -> None:
    stores.sessions.put(ROW)
    assert stores.sessions.get(TENANT, ROW.session_id) == ROW


def test_a_foreign_or_unknown_row_is_absent(stores: Stores) -> None:
    stores.sessions.put(ROW)
    stores.sessions.summarise(OTHER, ROW.session_id, "running", 9, 200.0)
    stores.sessions.delete(OTHER, ROW.session_id)
    assert stores.sessions.get(OTHER, ROW.session_id) is None
    assert stores.sessions.list(OTHER, None, 10) == ([], None)
    assert stores.sessions.get(TENANT, SessionId("sesn_02")) is None
    assert stores.sessions.get(TENANT, ROW.session_id) == ROW


def test_writing_a_row_again_keeps_its_summary(stores: Stores) -> None:
    stores.sessions.put(ROW)
    stores.sessions.summarise(TENANT, ROW.session_id, "running", 5, 200.5)
    stores.sessions.put(ROW)
    found = stores.sessions.get(TENANT, ROW.session_id)
    assert found == replace(ROW, status="running", summary_n=5, updated_at=200.5)


def test_another_row_of_the_same_id_is_refused(stores: Stores) -> None:
    stores.sessions.put(ROW)
    with pytest.raises(PutRefused):
        stores.sessions.put(replace(ROW, title="another"))
    assert stores.sessions.get(TENANT, ROW.session_id) == ROW


def test_only_a_summary_of_a_later_record_counts(stores: Stores) -> None:
    stores.sessions.put(ROW)
    stores.sessions.summarise(TENANT, ROW.session_id, "running", 5, 200.5)
    stores.sessions.summarise(TENANT, ROW.session_id, "idle", 5, 300.5)
    stores.sessions.summarise(TENANT, ROW.session_id, "idle", 4, 300.5)
    after = replace(ROW, status="running", summary_n=5, updated_at=200.5)
    assert stores.sessions.get(TENANT, ROW.session_id) == after
    assert list(stores.sessions.list(TENANT, None, 10)[0]) == [after]


def test_summarising_a_session_that_is_gone_does_not_bring_it_back(stores: Stores) -> None:
    stores.sessions.put(ROW)
    for _ in range(2):
        stores.sessions.delete(TENANT, ROW.session_id)
    stores.sessions.summarise(TENANT, ROW.session_id, "idle", 9, 200.0)
    assert stores.sessions.get(TENANT, ROW.session_id) is None
    assert stores.sessions.list(TENANT, None, 10) == ([], None)


def test_of_16_summaries_the_latest_records_stays(tables: Tables) -> None:
    tables.sessions.put(ROW)
    at_once(16, lambda i: tables.sessions.summarise(TENANT, ROW.session_id, "running", i + 2, float(i + 2)))
    found = tables.sessions.get(TENANT, ROW.session_id)
    assert found == replace(ROW, status="running", summary_n=17, updated_at=17.0)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_pages_show_every_row_once_newest_first(stores: Stores, limit: int) -> None:
    made = rows(7)
    for row in made:
        stores.sessions.put(row)
    stores.agents.put(AGENT)
    seen: list[SessionRow] = []
    place: str | None = None
    sizes: list[int] = []
    while True:
        page, place = stores.sessions.list(TENANT, place, limit)
        seen += page
        sizes.append(len(page))
        if place is None:
            break
    assert seen == made[::-1]
    assert sizes == [limit] * (7 // limit) + ([7 % limit] if 7 % limit else [])


def test_a_place_stays_one_when_its_row_is_deleted_and_newer_ones_come(stores: Stores) -> None:
    made = rows(5)
    for row in made[:4]:
        stores.sessions.put(row)
    page, place = stores.sessions.list(TENANT, None, 2)
    assert list(page) == [made[3], made[2]]
    stores.sessions.delete(TENANT, made[2].session_id)
    stores.sessions.put(made[4])
    assert stores.sessions.list(TENANT, place, 2) == ([made[1], made[0]], None)


def test_a_page_cut_at_1_mb_goes_on(tables: Tables) -> None:
    made = [replace(row, title="x" * 300_000) for row in rows(5)]
    for row in made:
        tables.sessions.put(row)
    page, place = tables.sessions.list(TENANT, None, 100)
    assert list(page) == [made[4], made[3], made[2]]
    assert tables.sessions.list(TENANT, place, 100) == ([made[1], made[0]], None)
