"""Agents: every version stays, exactly one writer makes the next one, and nobody who dies leaves a gap."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import cast

import pytest
from msgspec.structs import replace

from chalicelib.actors.agents import MAX_ATTEMPTS, AgentChoice, AgentDefinitions, timed_id
from chalicelib.actors.enrolment import Enrolment
from chalicelib.actors.ports import Stores
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.catalog import Agent, Runtime, RuntimeBinding, Tenant
from chalicelib.core.definition import AgentChange, blank
from chalicelib.core.errors import BadRequest, Busy, Conflicting, MooringError, NotFound, TooMany
from chalicelib.core.selection import Selection
from chalicelib.core.tenant_limits import TenantLimits
from chalicelib.wire.frames import AgentMeasures, AgentReport
from chalicelib.wire.ids import AgentId, KeyId, RuntimeId, TenantId
from tests.fake_definitions import FakeAgents
from tests.fakes import FakeClock, Phase, fake_stores

OURS, THEIRS = TenantId("ten_1"), TenantId("ten_2")
US, THEM = KeyPrincipal(OURS, KeyId("key_1")), KeyPrincipal(THEIRS, KeyId("key_2"))
RUNTIME = Runtime(
    tenant_id=OURS,
    runtime_id=RuntimeId("rt_1"),
    owner_key_id=KeyId("key_1"),
    machine_id="m1",
    hostname="mbp",
    os="darwin/arm64",
    version="0.1.0",
    created_at=1.0,
)
BOUND = AgentChange(
    name="a", runtime_binding=RuntimeBinding(runtime_id=RUNTIME.runtime_id, acp_agent_id="claude-code-acp")
)
NEW = AgentChange(name="a")
ALL = Selection()

Hook = Callable[[str, Phase], None]


class Killed(BaseException):
    """The Lambda was stopped here."""


class World:
    """Agents over stores whose every point may be given a hook."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hook: Hook | None = None
        self.points: list[tuple[str, Phase]] = []
        self.stores: Stores = fake_stores(self.clock, on_io=self._on_io)
        self.stores.runtimes.put(RUNTIME)
        self.agents = AgentDefinitions(self.stores, Enrolment(self.stores, Rooms(self.stores)))

    def _on_io(self, name: str, phase: Phase) -> None:
        self.points.append((name, phase))
        if self.hook is not None:
            self.hook(name, phase)

    def at(self, n: int, then: Callable[[], None]) -> None:
        """At the ``n``th point from now on, once, ``then`` happens; a point before and after each effect."""
        left = [n]

        def hook(_name: str, _phase: Phase) -> None:
            left[0] -= 1
            if left[0] < 0:
                self.hook = None
                then()

        self.hook = hook

    def history(self, agent_id: str) -> list[Agent]:
        """All versions, newest first, the same by one page, by pages of one and by their numbers."""
        found: list[Agent] = []
        page: str | None = None
        while True:
            one, page = self.agents.versions(OURS, agent_id, page, 1)
            found += one
            if page is None:
                break
        assert [one.version for one in found] == list(range(found[0].version, 0, -1))
        assert self.agents.versions(OURS, agent_id, None, 100) == (found, None)
        assert [self.agents.get(OURS, agent_id, one.version) for one in found] == found
        assert self.agents.get(OURS, agent_id) == found[0]
        return found


@pytest.fixture
def world() -> World:
    return World()


def test_ids_sort_by_the_time_of_their_making() -> None:
    clock = FakeClock()
    made = []
    for _ in range(20):
        clock.time += 0.001
        made.append(timed_id("agent", clock))
    assert made == sorted(made)
    assert {len(one) for one in made} == {len("agent_") + 26}


def test_an_agent_is_bound_to_a_runtime_of_its_tenant_only(world: World) -> None:
    made = world.agents.create(US, BOUND)
    assert made.runtime_binding is not None
    assert made.runtime_binding.acp_agent_id == "claude-acp"
    assert world.agents.get(OURS, made.agent_id) == made
    theirs = world.agents.create(THEM, NEW)
    with pytest.raises(NotFound, match="^runtime_not_found: "):
        world.agents.create(THEM, BOUND)
    with pytest.raises(NotFound, match="^runtime_not_found: "):
        world.agents.update(THEM, theirs.agent_id, BOUND)
    assert world.agents.list(THEIRS, None, 10, ALL) == ([theirs], None)


def test_an_agent_is_found_by_its_tenant_and_version_only(world: World) -> None:
    made = world.agents.create(US, NEW)
    assert world.agents.get(OURS, made.agent_id, 1) == made
    absent = ((THEIRS, made.agent_id, None), (OURS, made.agent_id, 2), (OURS, made.agent_id, 0), (OURS, "x", None))
    for tenant_id, agent_id, version in absent:
        with pytest.raises(NotFound) as caught:
            world.agents.get(tenant_id, agent_id, version)
        assert caught.value.code == "agent_not_found"


def test_a_change_makes_the_next_version_and_all_stay(world: World) -> None:
    made = world.agents.create(US, NEW)
    changed = [made]
    for n in range(2, 5):
        world.clock.time += 1
        changed.append(world.agents.update(US, made.agent_id, AgentChange(system=f"{n}"), n - 1))
    assert world.history(made.agent_id) == changed[::-1]
    assert [one.system for one in changed] == [None, "2", "3", "4"]
    assert {one.created_at for one in changed} == {made.created_at}
    assert [one.updated_at for one in changed] == sorted({one.updated_at for one in changed})


def test_a_change_that_changes_nothing_makes_no_version(world: World) -> None:
    made = world.agents.create(US, BOUND)
    same = replace(BOUND, metadata={"absent": None}, description="")
    assert world.agents.update(US, made.agent_id, same) == made
    assert world.agents.update(US, made.agent_id, AgentChange(), 1) == made
    assert cast("FakeAgents", world.stores.agents).kept == {}


def test_a_change_to_a_version_that_is_not_the_newest_is_refused_with_the_newest(world: World) -> None:
    made = world.agents.create(US, NEW)
    world.agents.update(US, made.agent_id, AgentChange(system="2"), 1)
    for version in (1, 3):
        for change in (AgentChange(system="3"), AgentChange()):
            with pytest.raises(Conflicting, match="version 2 now") as caught:
                world.agents.update(US, made.agent_id, change, version)
            assert caught.value.code == "agent_version_conflict"
    assert len(world.history(made.agent_id)) == 2


def test_a_page_of_versions_that_is_no_place_is_refused(world: World) -> None:
    made = world.agents.create(US, NEW)
    for page in ("", "0", "x", "-1", "1" * 20):
        with pytest.raises(BadRequest, match="^bad_page: "):
            world.agents.versions(OURS, made.agent_id, page, 10)
    assert world.agents.versions(OURS, made.agent_id, "1", 10) == ([], None)
    assert world.agents.versions(OURS, made.agent_id, "9", 10) == ([made], None)
    with pytest.raises(NotFound):
        world.agents.versions(THEIRS, made.agent_id, None, 10)


def points_of_an_update() -> list[str]:
    """The points that an update passes."""
    world = World()
    made = world.agents.create(US, NEW)
    world.points.clear()
    world.agents.update(US, made.agent_id, AgentChange(system="mine"), 1)
    return [name for name, _ in world.points]


POINTS = len(points_of_an_update())


def test_a_change_is_one_read_and_two_writes() -> None:
    assert points_of_an_update()[::2] == ["agents.get", "agents.keep", "agents.put"]


@pytest.mark.parametrize("n", range(POINTS))
def test_who_dies_while_changing_an_agent_leaves_it_whole(world: World, n: int) -> None:
    """Catches a version that is told of and can't be had, one that is lost, and an agent that can't be changed again.

    So it is when the next version takes its place before the one it follows is kept.
    """

    def die() -> None:
        raise Killed

    made = world.agents.create(US, NEW)
    world.at(n, die)
    with pytest.raises(Killed):
        world.agents.update(US, made.agent_id, AgentChange(system="mine"), 1)
    found = world.history(made.agent_id)
    assert [one.system for one in found] in ([None], ["mine", None])
    again = world.agents.update(US, made.agent_id, AgentChange(system="again"))
    assert world.history(made.agent_id) == [again, *found]


@pytest.mark.parametrize("n", range(POINTS))
def test_of_two_who_change_the_same_version_one_wins_wherever_they_meet(world: World, n: int) -> None:
    """Catches a change that is written over. Both ask for the same, so that only chance tells their versions apart."""
    made = world.agents.create(US, NEW)
    answers: list[Agent | MooringError] = []

    def change() -> None:
        try:
            answers.append(world.agents.update(US, made.agent_id, AgentChange(system="same"), 1))
        except Conflicting as exc:
            answers.append(exc)

    world.at(n, change)
    change()
    won = [one for one in answers if isinstance(one, Agent)]
    lost = [str(one) for one in answers if isinstance(one, MooringError)]
    assert (len(won), len(lost)) == (1, 1)
    assert lost[0].startswith("agent_version_conflict: ")
    assert "version 2 now" in lost[0]
    assert world.history(made.agent_id) == [won[0], made]


@pytest.mark.parametrize("n", range(POINTS))
def test_of_two_who_name_no_version_both_are_followed(world: World, n: int) -> None:
    """Catches a change to another version than the one it was applied to, which loses the other's."""
    made = world.agents.create(US, NEW)
    world.at(n, lambda: void(world.agents.update(US, made.agent_id, AgentChange(system="theirs"))))
    world.agents.update(US, made.agent_id, AgentChange(description="mine"))
    newest, second, first = world.history(made.agent_id)
    assert (newest.system, newest.description) == ("theirs", "mine")
    assert (first, second.version) == (made, 2)


@pytest.mark.parametrize("n", range(POINTS))
def test_a_change_and_an_archiving_do_not_undo_each_other(world: World, n: int) -> None:
    """Catches an archived agent that comes back by somebody's change."""
    made = world.agents.create(US, NEW)
    world.at(n, lambda: void(world.agents.archive(OURS, made.agent_id)))
    since = world.clock.time
    with suppress(Conflicting):
        world.agents.update(US, made.agent_id, AgentChange(system="mine"))
    found = world.history(made.agent_id)
    assert {one.archived_at for one in found} == {since}
    with pytest.raises(Conflicting, match="^agent_archived: "):
        world.agents.update(US, made.agent_id, AgentChange(system="again"))
    assert world.history(made.agent_id) == found


def test_whoever_can_not_get_through_is_told_to_try_again(world: World) -> None:
    made = world.agents.create(US, NEW)
    agents = cast("FakeAgents", world.stores.agents)

    def outrun(name: str, phase: Phase) -> None:
        if (name, phase) == ("agents.put", "before"):
            newest = agents.newest[OURS, made.agent_id]
            agents.newest[OURS, made.agent_id] = replace(newest, version=newest.version + 1, mark="theirs")

    world.hook = outrun
    with pytest.raises(Busy, match="^agent_busy: "):
        world.agents.update(US, made.agent_id, AgentChange(system="mine"))
    assert sum(point == ("agents.put", "before") for point in world.points) == MAX_ATTEMPTS + 1


def test_archiving_is_done_once_and_told_again(world: World) -> None:
    made = world.agents.create(US, NEW)
    world.agents.update(US, made.agent_id, AgentChange(system="2"))
    archived = world.agents.archive(OURS, made.agent_id)
    assert archived.archived_at == world.clock.time
    world.clock.time += 5
    assert world.agents.archive(OURS, made.agent_id) == archived
    assert world.agents.get(OURS, made.agent_id, 1).archived_at == archived.archived_at
    for tenant_id, agent_id in ((THEIRS, made.agent_id), (OURS, "agent_0"), (OURS, "x")):
        with pytest.raises(NotFound):
            world.agents.archive(tenant_id, agent_id)
    with pytest.raises(Conflicting, match="^agent_archived: "):
        world.agents.update(US, made.agent_id, AgentChange(), 7)


def test_a_session_is_made_with_the_version_and_the_changes_that_it_asks_for(world: World) -> None:
    made = world.agents.create(US, NEW)
    newest = world.agents.update(US, made.agent_id, AgentChange(system="2"))
    choice = AgentChoice(agent_id=made.agent_id)
    assert world.agents.chosen(OURS, choice) == newest
    assert world.agents.chosen(OURS, replace(choice, version=1)) == made
    own = world.agents.chosen(OURS, replace(choice, version=1, overrides=AgentChange(system="own")))
    assert own == replace(made, system="own")
    assert world.agents.get(OURS, made.agent_id) == newest
    world.agents.archive(OURS, made.agent_id)
    for version in (None, 1):
        with pytest.raises(Conflicting, match="^agent_archived: "):
            world.agents.chosen(OURS, replace(choice, version=version))


def test_a_tenant_has_no_more_agents_in_use_than_its_limit(world: World) -> None:
    """Catches a limit that counts archived agents, which nobody can remove, or another tenant's."""
    limits = TenantLimits(max_agents=2)
    world.stores.tenants.put(Tenant(tenant_id=OURS, name="us", created_at=1.0, limits=limits))
    world.agents.create(THEM, NEW)
    first = world.agents.create(US, NEW)
    world.agents.create(US, NEW)
    with pytest.raises(TooMany, match="^limit_reached: ") as caught:
        world.agents.create(US, NEW)
    assert (caught.value.field, caught.value.retry_after_s) == ("max_agents", 60)
    assert len(world.agents.list(OURS, None, 10, ALL)[0]) == 2
    world.agents.archive(OURS, first.agent_id)
    world.agents.create(US, NEW)


def test_an_agent_from_before_there_were_versions_has_its_first_one(world: World) -> None:
    old = replace(blank(OURS, AgentId("agent_old"), 1.0), name="old")
    world.stores.agents.put(old)
    assert world.agents.get(OURS, "agent_old", 1) == old
    changed = world.agents.update(US, "agent_old", AgentChange(system="2"), 1)
    assert world.history("agent_old") == [changed, old]


def void(_: object) -> None:
    """Forgets what a call gave."""


def test_what_a_laptop_is_known_not_to_honour_is_refused_whenever_it_is_asked_for() -> None:
    """Catches a policy that is compared with what the laptop says only when an agent is made, or not even then."""
    world = World()
    measured = AgentReport(id="claude-acp", measured=AgentMeasures(asks=False, at=1.0))
    lax = world.agents.create(US, replace(BOUND, policy_said="always_allow"))
    world.stores.runtimes.put(replace(RUNTIME, agents=(measured,)))
    with pytest.raises(BadRequest, match="acts without asking"):
        world.agents.create(US, BOUND)
    assert world.stores.agents.count(OURS) == 1
    with pytest.raises(BadRequest, match="acts without asking"):
        world.agents.update(US, lax.agent_id, AgentChange(policy_said="always_ask"))
    assert world.agents.update(US, lax.agent_id, AgentChange(name="b")).version == 2
    world.stores.runtimes.put(replace(RUNTIME, agents=(replace(measured, problem="It crashed."),)))
    with pytest.raises(Conflicting, match=r"It crashed\."):
        world.agents.create(US, BOUND)


def test_an_agent_whose_laptop_is_gone_can_be_changed() -> None:
    """Catches a change that needs the word of a laptop that nobody will ever hear again."""
    world = World()
    made = world.agents.create(US, BOUND)
    world.stores.runtimes.delete(OURS, RUNTIME.runtime_id)
    assert world.agents.update(US, made.agent_id, AgentChange(policy_said="always_allow")).version == 2
