"""Environments: those that a tenant made, each changed by one writer at a time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Environment
from chalicelib.core.errors import BadRequest
from chalicelib.core.selection import Selection
from chalicelib.stores import Tables
from chalicelib.wire.ids import EnvironmentId, RuntimeId, TenantId
from tests.stores.conftest import at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
ALL = Selection()
DESK = Environment(
    tenant_id=TENANT,
    environment_id=EnvironmentId("env_01"),
    name="desk",
    created_at=100.5,
    updated_at=100.5,
    description="By the window.",
    metadata={"floor": "2"},
    runtime_id=RuntimeId("rt_1"),
    mark="m1",
)


def version(n: int, mark: str = "") -> Environment:
    return replace(DESK, version=n, name=f"desk {n}", mark=mark or f"m{n}")


def test_an_environment_comes_back_as_it_was_changed_last(stores: Stores) -> None:
    for n in (1, 2, 3):
        assert stores.environments.put(version(n))
        assert stores.environments.put(version(n))
        assert stores.environments.get(TENANT, DESK.environment_id) == version(n)
        assert stores.environments.list(TENANT, None, 10, ALL) == ([version(n)], None)
    assert stores.environments.get(OTHER, DESK.environment_id) is None
    assert stores.environments.list(OTHER, None, 10, ALL) == ([], None)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_version_that_does_not_follow_the_newest_is_not_written(stores: Stores, n: int) -> None:
    stores.environments.put(version(1))
    stores.environments.put(version(2))
    assert not stores.environments.put(version(n, mark="theirs"))
    assert stores.environments.get(TENANT, DESK.environment_id) == version(2)


def test_of_8_writers_of_one_version_one_wins(tables: Tables) -> None:
    tables.environments.put(version(1))
    answers = at_once(8, lambda i: tables.environments.put(version(2, mark=f"writer {i}")))
    assert sorted(map(str, answers)) == ["False"] * 7 + ["True"]


def test_what_was_deleted_stays_deleted(stores: Stores) -> None:
    """Catches an environment that comes back by a change that was under way."""
    stores.environments.put(version(1))
    stores.environments.delete(OTHER, DESK.environment_id)
    assert stores.environments.get(TENANT, DESK.environment_id) == version(1)
    stores.environments.delete(TENANT, DESK.environment_id)
    stores.environments.delete(TENANT, DESK.environment_id)
    assert not stores.environments.put(version(2))
    assert stores.environments.get(TENANT, DESK.environment_id) is None


def test_environments_are_listed_newest_first_without_the_archived_ones(stores: Stores) -> None:
    ids = [EnvironmentId(f"env_{n:02}") for n in range(5)]
    for n, one in enumerate(ids):
        stores.environments.put(replace(DESK, environment_id=one, archived_at=1.0 if n == 3 else None))
    first, place = stores.environments.list(TENANT, None, 2, ALL)
    second, end = stores.environments.list(TENANT, place, 2, ALL)
    assert [one.environment_id for one in (*first, *second)] == [ids[4], ids[2], ids[1], ids[0]]
    assert end is None
    assert len(stores.environments.list(TENANT, None, 10, Selection(include_archived=True))[0]) == 5
    with pytest.raises(BadRequest, match="^bad_page: "):
        stores.environments.list(TENANT, "a b", 10, ALL)
