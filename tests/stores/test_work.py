"""Work items: the higher intent stays, and only work that is done is deleted."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import WorkItem
from chalicelib.stores import Tables
from chalicelib.wire.ids import RuntimeId, SessionId, TenantId
from tests.stores.conftest import at_once

RUNTIME, SESSION = RuntimeId("rt_1"), SessionId("sesn_1")
ITEM = WorkItem(runtime_id=RUNTIME, tenant_id=TenantId("ten_a"), session_id=SESSION, intent=5, due=1_800_000_000.5)


def test_an_item_comes_back(stores: Stores) -> None:
    stores.work.put(ITEM)
    assert list(stores.work.of_runtime(RUNTIME)) == [ITEM]
    assert list(stores.work.of_runtime(RuntimeId("rt_2"))) == []


def test_a_higher_intent_replaces_a_lower_one(stores: Stores) -> None:
    later = replace(ITEM, intent=6, due=ITEM.due + 60)
    stores.work.put(ITEM)
    stores.work.put(later)
    assert list(stores.work.of_runtime(RUNTIME)) == [later]


def test_the_same_or_a_lower_intent_changes_nothing(stores: Stores) -> None:
    stores.work.put(ITEM)
    stores.work.put(replace(ITEM, due=1.0))
    stores.work.put(replace(ITEM, intent=4, due=1.0))
    assert list(stores.work.of_runtime(RUNTIME)) == [ITEM]


def test_work_that_is_done_is_deleted(stores: Stores) -> None:
    stores.work.put(ITEM)
    stores.work.delete(RUNTIME, SESSION, ITEM.intent)
    assert list(stores.work.of_runtime(RUNTIME)) == []


def test_work_that_began_later_is_not_deleted(stores: Stores) -> None:
    stores.work.put(ITEM)
    stores.work.delete(RUNTIME, SESSION, ITEM.intent - 1)
    assert list(stores.work.of_runtime(RUNTIME)) == [ITEM]


def test_deleting_or_postponing_an_absent_item_changes_nothing(stores: Stores) -> None:
    stores.work.delete(RUNTIME, SESSION, 9)
    stores.work.postpone(ITEM, ITEM.due + 1)
    assert list(stores.work.of_runtime(RUNTIME)) == []
    assert list(stores.work.due(ITEM.due + 9)) == []


def test_an_item_is_postponed_if_its_intent_is_still_the_same(stores: Stores) -> None:
    stores.work.put(ITEM)
    stores.work.postpone(replace(ITEM, intent=4), ITEM.due + 30)
    assert list(stores.work.due(ITEM.due)) == [ITEM]
    stores.work.postpone(ITEM, ITEM.due + 30)
    assert list(stores.work.due(ITEM.due + 29)) == []
    assert list(stores.work.due(ITEM.due + 30)) == [replace(ITEM, due=ITEM.due + 30)]


def test_the_sweep_finds_what_is_due_of_all_runtimes_and_nothing_else(stores: Stores) -> None:
    items = [
        replace(ITEM, runtime_id=RuntimeId(f"rt_{i % 3}"), session_id=SessionId(f"sesn_{i}"), due=float(i))
        for i in range(1, 21)
    ]
    for one in items:
        stores.work.put(one)
    found = sorted(stores.work.due(15.0), key=lambda one: one.due)
    assert found == items[:15]


def test_of_16_writers_the_highest_intent_stays(tables: Tables) -> None:
    at_once(16, lambda i: tables.work.put(replace(ITEM, intent=i + 1)))
    assert [one.intent for one in tables.work.of_runtime(RUNTIME)] == [16]
