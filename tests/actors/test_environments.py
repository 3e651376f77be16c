"""Environments: which laptop each of the three kinds means, and how those that a tenant made are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from msgspec.structs import replace

from chalicelib.actors.enrolment import Enrolment
from chalicelib.actors.environments import (
    LOCAL_ENVIRONMENT,
    MAX_ATTEMPTS,
    EnvironmentChange,
    Environments,
    environment_of,
)
from chalicelib.actors.ports import Stores
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.catalog import Runtime, RuntimeBinding
from chalicelib.core.definition import AgentChange, blank, changed
from chalicelib.core.errors import BadRequest, Busy, Conflicting, NotFound
from chalicelib.core.selection import Selection
from chalicelib.wire.ids import AgentId, KeyId, RuntimeId, TenantId
from tests.fake_definitions import FakeEnvironments
from tests.fakes import FakeClock, Phase, fake_stores

OURS, THEIRS = TenantId("ten_1"), TenantId("ten_2")
US, THEM = KeyPrincipal(OURS, KeyId("key_1")), KeyPrincipal(THEIRS, KeyId("key_2"))
NEW = EnvironmentChange(name="desk")
ALL, ARCHIVED_TOO = Selection(), Selection(include_archived=True)
GEMINI = RuntimeBinding(runtime_id=RuntimeId("rt_9"), acp_agent_id="gemini", local_skill_blocklist=("noisy",))
AGENT = changed(blank(OURS, AgentId("agent_1"), 1.0), AgentChange(name="a", runtime_binding=GEMINI))


def runtime(name: str, **more: str) -> Runtime:
    return Runtime(
        tenant_id=OURS,
        runtime_id=RuntimeId(f"rt_{name}"),
        owner_key_id=KeyId("key_1"),
        machine_id=name,
        hostname=more.get("hostname", f"host-{name}"),
        os="darwin/arm64",
        version="0.1.0",
        created_at=5.0,
    )


class World:
    """Environments over stores whose every point may be given a hook."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hook: Callable[[str, Phase], None] = lambda name, phase: None
        self.stores: Stores = fake_stores(self.clock, on_io=lambda name, phase: self.hook(name, phase))
        self.environments = Environments(self.stores, Enrolment(self.stores, Rooms(self.stores)))

    def laptops(self, *names: str) -> None:
        """Enrols laptops."""
        for name in names:
            self.stores.runtimes.put(runtime(name))

    def made(self, n: int) -> list[str]:
        """Makes environments; their ids, the newest first."""
        ids = []
        for k in range(n):
            self.clock.time += 1
            ids.append(self.environments.create(US, replace(NEW, name=f"desk {k}")).environment_id)
        return list(map(str, ids[::-1]))

    def listed(self, limit: int, wanted: Selection = ALL) -> list[list[str]]:
        """All pages of the list."""
        pages: list[list[str]] = []
        page: str | None = None
        while True:
            found, page = self.environments.list(OURS, page, limit, wanted)
            pages.append([one.environment_id for one in found])
            if page is None:
                return pages


@pytest.fixture
def world() -> World:
    return World()


def test_the_local_environment_is_always_there_and_means_the_agents_own_laptop(world: World) -> None:
    assert world.listed(10) == [[LOCAL_ENVIRONMENT]]
    assert world.environments.get(OURS, LOCAL_ENVIRONMENT).runtime_id is None
    assert world.environments.place(OURS, AGENT, LOCAL_ENVIRONMENT) == AGENT


def test_each_laptop_has_an_environment_that_means_it(world: World) -> None:
    """Catches an environment of a laptop that is not the tenant's, or that is gone."""
    world.laptops("ab12")
    one = world.environments.get(OURS, "env_ab12")
    assert one == environment_of(runtime("ab12"))
    assert (one.name, one.runtime_id, one.created_at) == ("host-ab12", "rt_ab12", 5.0)
    assert environment_of(runtime("x", hostname="")).name == "rt_x"
    bound = replace(GEMINI, runtime_id=RuntimeId("rt_ab12"))
    assert world.environments.place(OURS, AGENT, "env_ab12") == replace(AGENT, runtime_binding=bound)
    for tenant_id, environment_id in ((THEIRS, "env_ab12"), (OURS, "env_cd34"), (OURS, "ab12"), (OURS, "env_\n")):
        with pytest.raises(NotFound, match="^environment_not_found: "):
            world.environments.get(tenant_id, environment_id)


def test_an_environment_of_ones_own_is_tied_to_a_laptop_or_to_none(world: World) -> None:
    world.laptops("ab12")
    free = world.environments.create(US, NEW)
    tied = world.environments.create(US, replace(NEW, runtime_id="rt_ab12", description="By the window."))
    assert (free.runtime_id, tied.runtime_id, tied.description) == (None, "rt_ab12", "By the window.")
    assert world.environments.get(OURS, tied.environment_id) == tied
    assert world.environments.place(OURS, AGENT, free.environment_id) == AGENT
    placed = world.environments.place(OURS, AGENT, tied.environment_id)
    assert placed.runtime_binding == replace(GEMINI, runtime_id=RuntimeId("rt_ab12"))
    with pytest.raises(NotFound, match="^runtime_not_found: "):
        world.environments.create(THEM, replace(NEW, runtime_id="rt_ab12"))
    with pytest.raises(NotFound):
        world.environments.place(THEIRS, AGENT, tied.environment_id)


def test_the_local_one_is_listed_first_then_the_laptops_then_ones_own(world: World) -> None:
    """Catches an environment that stands on two pages or on none, whatever the pages' size."""
    world.laptops("cc", "aa", "bb")
    own = world.made(4)
    every = [LOCAL_ENVIRONMENT, "env_aa", "env_bb", "env_cc", *own]
    for limit in range(1, 10):
        pages = world.listed(limit)
        assert [one for page in pages for one in page] == every
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert len(pages) == -(-len(every) // limit)


def test_a_place_in_the_list_outlives_its_laptop(world: World) -> None:
    world.laptops("aa", "cc")
    assert world.environments.list(OURS, "rt_bb", 1, ALL)[1] is None
    assert [one.environment_id for one in world.environments.list(OURS, "rt_bb", 9, ALL)[0]] == ["env_cc"]
    with pytest.raises(BadRequest, match="^bad_page: "):
        world.environments.list(OURS, "a b", 9, ALL)


def test_what_is_changed_is_what_was_said(world: World) -> None:
    world.laptops("ab12")
    made = world.environments.create(US, replace(NEW, metadata={"a": "1"}, description="d", runtime_id="rt_ab12"))
    world.clock.time += 5
    named = world.environments.update(US, made.environment_id, EnvironmentChange(name="sill", metadata={"b": "2"}))
    assert (named.name, named.metadata, named.description) == ("sill", {"a": "1", "b": "2"}, "d")
    assert (named.runtime_id, named.created_at, named.updated_at) == ("rt_ab12", made.created_at, world.clock.time)
    cleared = EnvironmentChange(description="", metadata=None, runtime_id=None)
    empty = world.environments.update(US, made.environment_id, cleared)
    assert (empty.name, empty.metadata, empty.description, empty.runtime_id) == ("sill", {}, None, None)
    world.clock.time += 5
    assert world.environments.update(US, made.environment_id, cleared) == empty
    assert world.environments.update(US, made.environment_id, EnvironmentChange(metadata={})) == empty
    with pytest.raises(NotFound, match="^runtime_not_found: "):
        world.environments.update(US, made.environment_id, EnvironmentChange(runtime_id="rt_cd34"))


def test_an_archived_environment_takes_no_new_session_and_no_change(world: World) -> None:
    made = world.environments.create(US, NEW)
    archived = world.environments.archive(OURS, made.environment_id)
    assert archived.archived_at == world.clock.time
    world.clock.time += 5
    assert world.environments.archive(OURS, made.environment_id) == archived
    assert world.listed(10) == [[LOCAL_ENVIRONMENT]]
    assert world.listed(10, ARCHIVED_TOO) == [[LOCAL_ENVIRONMENT, made.environment_id]]
    with pytest.raises(Conflicting, match="^environment_archived: "):
        world.environments.place(OURS, AGENT, made.environment_id)
    with pytest.raises(Conflicting, match="^environment_archived: "):
        world.environments.update(US, made.environment_id, NEW)


def test_a_deleted_environment_is_gone(world: World) -> None:
    made = world.environments.create(US, NEW)
    with pytest.raises(NotFound):
        world.environments.delete(THEIRS, made.environment_id)
    world.environments.delete(OURS, made.environment_id)
    assert world.listed(10) == [[LOCAL_ENVIRONMENT]]
    for call in (world.environments.get, world.environments.delete, world.environments.archive):
        with pytest.raises(NotFound):
            call(OURS, made.environment_id)


@pytest.mark.parametrize("environment_id", [LOCAL_ENVIRONMENT, "env_ab12"])
def test_what_nobody_made_can_not_be_changed(world: World, environment_id: str) -> None:
    world.laptops("ab12")
    with pytest.raises(BadRequest, match="^environment_fixed: "):
        world.environments.update(US, environment_id, NEW)
    for call in (world.environments.delete, world.environments.archive):
        with pytest.raises(BadRequest, match="^environment_fixed: "):
            call(OURS, environment_id)


def test_of_two_who_change_one_both_are_followed(world: World) -> None:
    """Catches a change that is written over by somebody who read before it."""
    made = world.environments.create(US, NEW)

    def meanwhile(name: str, phase: Phase) -> None:
        if (name, phase) == ("environments.put", "before"):
            world.hook = lambda name, phase: None
            world.environments.archive(OURS, made.environment_id)

    world.hook = meanwhile
    with pytest.raises(Conflicting, match="^environment_archived: "):
        world.environments.update(US, made.environment_id, EnvironmentChange(name="sill"))
    assert world.environments.get(OURS, made.environment_id).archived_at is not None


def test_whoever_can_not_get_through_is_told_to_try_again(world: World) -> None:
    made = world.environments.create(US, NEW)
    rows, tries = cast("FakeEnvironments", world.stores.environments).rows, []

    def outrun(name: str, phase: Phase) -> None:
        if (name, phase) == ("environments.put", "before"):
            tries.append(name)
            before = rows[OURS, made.environment_id]
            rows[OURS, made.environment_id] = replace(before, version=before.version + 1)

    world.hook = outrun
    with pytest.raises(Busy, match="^environment_busy: "):
        world.environments.update(US, made.environment_id, EnvironmentChange(name="sill"))
    assert len(tries) == MAX_ATTEMPTS
