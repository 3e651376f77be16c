"""Sessions' rows: lists by page, what is repeated in them of the latest record, and how many of them are open."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import SessionRow, SessionSummary
from chalicelib.core.details import Details
from chalicelib.core.object_key import PutRefused
from chalicelib.core.session_list import RECOUNT_S, Keys
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
ID = ROW.session_id
RUNS = SessionSummary(status="running", n=5, at=200.5, active_s=7.5, running_since=190.25)
RESTS = SessionSummary(status="idle", n=5, at=300.5)
ENDED = SessionSummary(status="terminated", n=9, at=400.5, active_s=18.25)
RENAMED = Details(title="Fix them all", metadata={"ticket": "8", "é": "ü"})
ALL = Keys()


def rows(n: int) -> list[SessionRow]:
    return [replace(ROW, session_id=SessionId(f"sesn_{i:02d}"), created_at=float(i)) for i in range(1, n + 1)]


def put(stores: Stores, *made: SessionRow) -> None:
    for row in made:
        stores.sessions.put(row)


def test_a_row_comes_back(stores: Stores) -> None:
    put(stores, ROW)
    assert stores.sessions.get(TENANT, ID) == ROW


def test_a_foreign_or_unknown_row_is_absent_and_stays_as_it_is(stores: Stores) -> None:
    put(stores, ROW)
    stores.sessions.summarise(OTHER, ID, replace(RUNS, n=9))
    stores.sessions.describe(OTHER, ID, RENAMED, 9, 200.0)
    stores.sessions.archive(OTHER, ID, ENDED)
    stores.sessions.delete(OTHER, ID)
    assert stores.sessions.get(OTHER, ID) is None
    assert stores.sessions.list(OTHER, ALL, 10) == ([], None)
    assert stores.sessions.get(TENANT, SessionId("sesn_02")) is None
    assert stores.sessions.get(TENANT, ID) == ROW


# ---- what is repeated in a row


def test_writing_a_row_again_keeps_what_came_since(stores: Stores) -> None:
    put(stores, ROW)
    stores.sessions.summarise(TENANT, ID, RUNS)
    stores.sessions.describe(TENANT, ID, RENAMED, 6, 201.5)
    put(stores, ROW)
    assert stores.sessions.get(TENANT, ID) == replace(
        ROW,
        status="running",
        summary_n=5,
        active_s=7.5,
        running_since=190.25,
        updated_at=201.5,
        title=RENAMED.title,
        metadata=RENAMED.metadata,
        details_n=6,
    )


def test_another_row_of_the_same_id_is_refused(stores: Stores) -> None:
    put(stores, ROW)
    with pytest.raises(PutRefused):
        put(stores, replace(ROW, title="another"))
    assert stores.sessions.get(TENANT, ID) == ROW


def test_only_a_summary_of_a_later_record_counts(stores: Stores) -> None:
    put(stores, ROW)
    stores.sessions.summarise(TENANT, ID, RUNS)
    stores.sessions.summarise(TENANT, ID, RESTS)
    stores.sessions.summarise(TENANT, ID, replace(RESTS, n=4))
    after = replace(ROW, status="running", summary_n=5, updated_at=200.5, active_s=7.5, running_since=190.25)
    assert stores.sessions.get(TENANT, ID) == after
    assert list(stores.sessions.list(TENANT, ALL, 10)[0]) == [after]
    stores.sessions.summarise(TENANT, ID, replace(RESTS, n=6, active_s=17.75))
    assert stores.sessions.get(TENANT, ID) == replace(ROW, summary_n=6, updated_at=300.5, active_s=17.75)


def test_only_details_of_a_later_record_count(stores: Stores) -> None:
    """Catches two changes that cross: the older one would stand, and the log would say otherwise."""
    put(stores, ROW)
    stores.sessions.describe(TENANT, ID, RENAMED, 5, 200.5)
    for n in (4, 5):
        stores.sessions.describe(TENANT, ID, Details(title="old"), n, 300.5)
    found = stores.sessions.get(TENANT, ID)
    assert found == replace(ROW, title=RENAMED.title, metadata=RENAMED.metadata, details_n=5, updated_at=200.5)
    stores.sessions.describe(TENANT, ID, Details(), 6, 300.5)
    found = stores.sessions.get(TENANT, ID)
    assert found == replace(ROW, title=None, metadata={}, details_n=6, updated_at=300.5)


def test_a_row_is_archived_once(stores: Stores) -> None:
    put(stores, ROW)
    stores.sessions.archive(TENANT, ID, ENDED)
    stores.sessions.archive(TENANT, ID, replace(ENDED, n=10, at=500.5))
    assert stores.sessions.get(TENANT, ID) == replace(
        ROW, status="terminated", summary_n=9, updated_at=400.5, archived_at=400.5, active_s=18.25
    )


def test_what_is_said_of_a_session_that_is_gone_does_not_bring_it_back(stores: Stores) -> None:
    put(stores, ROW)
    for _ in range(2):
        stores.sessions.delete(TENANT, ID)
    stores.sessions.summarise(TENANT, ID, RUNS)
    stores.sessions.describe(TENANT, ID, RENAMED, 9, 200.0)
    stores.sessions.archive(TENANT, ID, ENDED)
    assert stores.sessions.get(TENANT, ID) is None
    assert stores.sessions.list(TENANT, ALL, 10) == ([], None)


def test_of_16_summaries_the_latest_records_stays(tables: Tables) -> None:
    tables.sessions.put(ROW)
    at_once(16, lambda i: tables.sessions.summarise(TENANT, ID, replace(RESTS, n=i + 2, at=float(i + 2))))
    assert tables.sessions.get(TENANT, ID) == replace(ROW, summary_n=17, updated_at=17.0)


# ---- lists


def paged(stores: Stores, keys: Keys, limit: int) -> tuple[list[SessionRow], list[int]]:
    """All pages' rows, and the pages' sizes."""
    seen: list[SessionRow] = []
    sizes: list[int] = []
    while True:
        page, beyond = stores.sessions.list(TENANT, keys, limit)
        seen += page
        sizes.append(len(page))
        if beyond is None:
            return seen, sizes
        keys = Keys(low=keys.low, high=keys.high, beyond=beyond, ascending=keys.ascending)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_pages_show_every_row_once_in_the_order_of_its_making(stores: Stores, limit: int, ascending: bool) -> None:
    made = rows(7)
    put(stores, *made)
    stores.agents.put(AGENT)
    stores.sessions.reserve(TENANT, 9, 1000.0)
    seen, sizes = paged(stores, Keys(ascending=ascending), limit)
    assert seen == (made if ascending else made[::-1])
    assert sizes == [limit] * (7 // limit) + ([7 % limit] if 7 % limit else [])


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize(
    ("keys", "first", "last"),
    [
        (Keys(low="sesn_03"), 3, 7),
        (Keys(high="sesn_05~"), 1, 5),
        (Keys(low="sesn_03", high="sesn_05~"), 3, 5),
        (Keys(low="sesn_06", high="sesn_05~"), 1, 0),
        (Keys(low="sesn_08"), 1, 0),
    ],
)
def test_a_range_of_keys_is_read_and_nothing_beside_it(
    stores: Stores, keys: Keys, first: int, last: int, ascending: bool
) -> None:
    made = rows(7)
    put(stores, *made)
    seen, _ = paged(stores, Keys(low=keys.low, high=keys.high, ascending=ascending), 2)
    wanted = made[first - 1 : last]
    assert seen == (wanted if ascending else wanted[::-1])


@pytest.mark.parametrize(
    ("beyond", "ascending", "are_there"),
    [
        ("sesn_02", False, False),
        ("sesn_06", True, False),
        ("a", False, False),
        ("z", True, False),
        ("sesn_01", True, True),
        ("sesn_07", False, True),
    ],
)
def test_a_place_outside_of_a_range_lets_nothing_else_in(
    stores: Stores, beyond: str, ascending: bool, are_there: bool
) -> None:
    """Catches a place that moves a bound outwards."""
    made = rows(7)
    put(stores, *made)
    keys = Keys(low="sesn_03", high="sesn_05~", beyond=beyond, ascending=ascending)
    wanted = made[2:5] if are_there else []
    assert stores.sessions.list(TENANT, keys, 9) == (wanted if ascending else wanted[::-1], None)


def test_a_place_stays_one_when_its_row_is_deleted_and_newer_ones_come(stores: Stores) -> None:
    made = rows(5)
    put(stores, *made[:4])
    page, beyond = stores.sessions.list(TENANT, ALL, 2)
    assert list(page) == [made[3], made[2]]
    stores.sessions.delete(TENANT, made[2].session_id)
    put(stores, made[4])
    assert stores.sessions.list(TENANT, Keys(beyond=beyond), 2) == ([made[1], made[0]], None)


def test_a_page_cut_at_1_mb_goes_on(tables: Tables) -> None:
    made = [replace(row, title="x" * 300_000) for row in rows(5)]
    for row in made:
        tables.sessions.put(row)
    page, beyond = tables.sessions.list(TENANT, ALL, 100)
    assert list(page) == [made[4], made[3], made[2]]
    assert tables.sessions.list(TENANT, Keys(beyond=beyond), 100) == ([made[1], made[0]], None)


# ---- how many are open


def make(stores: Stores, row: SessionRow, most: int, now: float = 1000.0) -> bool:
    if not stores.sessions.reserve(row.tenant_id, most, now):
        return False
    stores.sessions.put(row)
    return True


def test_no_more_are_open_than_there_may_be(stores: Stores) -> None:
    assert [make(stores, row, 3) for row in rows(5)] == [True, True, True, False, False]
    assert make(stores, replace(ROW, tenant_id=OTHER), 3), "another tenant's are not counted"
    assert make(stores, rows(6)[5], 4), "a limit that was raised holds at once"


@pytest.mark.parametrize("how", ["delete", "archive"])
def test_who_ends_a_session_makes_room_for_one(stores: Stores, how: str) -> None:
    made = rows(4)
    assert [make(stores, row, 3) for row in made] == [True, True, True, False]
    for _ in range(2):
        if how == "delete":
            stores.sessions.delete(TENANT, made[0].session_id)
        else:
            stores.sessions.archive(TENANT, made[0].session_id, ENDED)
    assert [make(stores, row, 3) for row in rows(6)[3:5]] == [True, False]


def test_an_archived_session_has_made_its_room_before_it_is_deleted(stores: Stores) -> None:
    """Catches a room given back twice."""
    made = rows(6)
    assert [make(stores, row, 3) for row in made[:3]] == [True] * 3
    stores.sessions.archive(TENANT, made[0].session_id, ENDED)
    stores.sessions.delete(TENANT, made[0].session_id)
    assert [make(stores, row, 3) for row in made[4:]] == [True, False]


def test_sessions_from_before_there_was_a_count_are_counted(stores: Stores) -> None:
    put(stores, *rows(3))
    stores.sessions.archive(TENANT, ROW.session_id, ENDED)
    assert [make(stores, row, 3) for row in rows(6)[3:]] == [True, False, False]


def test_a_count_that_is_too_high_is_put_right_at_the_limit_and_not_at_every_refusal(stores: Stores) -> None:
    """Catches a tenant shut out for good by those who died between the count and the row."""
    made = rows(6)
    assert make(stores, made[0], 3)
    for _ in range(2):
        assert stores.sessions.reserve(TENANT, 3, 1000.0), "and dies"
    assert not make(stores, made[1], 3, 1000.0 + RECOUNT_S - 1.0), "counted a moment ago"
    assert make(stores, made[1], 3, 1000.0 + RECOUNT_S)
    assert make(stores, made[2], 3, 1000.0 + RECOUNT_S)
    assert not make(stores, made[3], 3, 1000.0 + RECOUNT_S)


def test_of_16_who_make_one_at_the_same_moment_as_many_do_as_there_is_room_for(tables: Tables) -> None:
    assert tables.sessions.reserve(TENANT, 11, 1000.0)
    answers = at_once(16, lambda _: tables.sessions.reserve(TENANT, 11, 1001.0))
    assert sorted(map(str, answers)) == ["False"] * 6 + ["True"] * 10
