"""Models: the ACP agents that a tenant's laptops have, and its agents; page by page in both directions."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.agents import AgentDefinitions
from chalicelib.actors.enrolment import Enrolment
from chalicelib.actors.models import Models
from chalicelib.actors.rooms import Rooms
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.catalog import Runtime
from chalicelib.core.definition import AgentChange
from chalicelib.core.errors import NotFound
from chalicelib.wire.frames import AgentReport
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from tests.fakes import FakeClock, fake_stores

OURS, THEIRS = TenantId("ten_1"), TenantId("ten_2")
US = KeyPrincipal(OURS, KeyId("key_1"))
LAPTOP = Runtime(
    tenant_id=OURS,
    runtime_id=RuntimeId("rt_1"),
    owner_key_id=KeyId("key_1"),
    machine_id="m1",
    hostname="mbp",
    os="darwin/arm64",
    version="0.1.0",
    created_at=7.0,
    agents=(AgentReport(id="gemini", binary="gemini"), AgentReport(id="echo", binary="moor-echo-agent")),
)


class World:
    """A tenant with two laptops and some agents, of which one is archived."""

    def __init__(self, n_agents: int = 3) -> None:
        self.clock = FakeClock()
        stores = self.stores = fake_stores(self.clock)
        stores.runtimes.put(LAPTOP)
        older = replace(LAPTOP, runtime_id=RuntimeId("rt_2"), created_at=5.0, agents=LAPTOP.agents[1:])
        stores.runtimes.put(older)
        self.agents = AgentDefinitions(stores, Enrolment(stores, Rooms(stores)))
        self.models = Models(stores, self.agents)
        self.made: list[str] = []
        for n in range(n_agents):
            self.clock.time += 1
            self.made.insert(0, self.agents.create(US, AgentChange(name=f"a{n}")).agent_id)

    def ids(self, limit: int = 1000, after: str | None = None, before: str | None = None) -> tuple[list[str], bool]:
        """A page's ids, and whether there are more."""
        page = self.models.list(OURS, after=after, before=before, limit=limit)
        return [one.id for one in page.models], page.has_more


@pytest.fixture
def world() -> World:
    return World()


def test_models_are_the_laptops_acp_agents_and_the_tenants_agents(world: World) -> None:
    """Catches an ACP agent that is listed once for each laptop, and an agent that can no longer be talked to."""
    archived = world.made.pop(1)
    world.agents.archive(OURS, archived)
    assert world.ids() == (["acp:echo", "acp:gemini", *world.made], False)
    echo = world.models.get(OURS, "acp:echo")
    assert (echo.display_name, echo.created_at) == ("echo", 5.0)
    assert world.models.get(OURS, world.made[0]).display_name == "a2"
    assert list(world.models.list(THEIRS, after=None, before=None, limit=5).models) == []
    absent = ((OURS, archived), (OURS, "acp:absent"), (OURS, "opus"), (THEIRS, world.made[0]), (THEIRS, "acp:echo"))
    for tenant_id, model_id in absent:
        with pytest.raises(NotFound, match="^model_not_found: "):
            world.models.get(tenant_id, model_id)


def test_models_come_page_by_page_in_both_directions(world: World) -> None:
    every = ["acp:echo", "acp:gemini", *world.made]
    assert world.ids(2) == (every[:2], True)
    assert world.ids(2, after=every[1]) == (every[2:4], True)
    assert world.ids(2, after=every[3]) == (every[4:], False)
    assert world.ids(3, after=every[1]) == (every[2:], False)
    assert world.ids(2, before=every[3]) == (every[1:3], True)
    assert world.ids(2, before=every[2]) == (every[:2], False)
    assert world.ids(2, before=every[0]) == ([], False)
    assert world.ids(9, after=every[0], before=every[3]) == (every[1:3], False)
    with pytest.raises(NotFound, match="^model_not_found: "):
        world.ids(2, after="absent")


def test_a_tenant_with_many_agents_has_many_models() -> None:
    """Catches a list that ends with the first page of the agents it is made of."""
    many = World(n_agents=230)
    assert many.ids()[0][2:] == many.made


def test_an_agent_that_does_not_work_is_not_offered() -> None:
    """Catches a model that nobody can use; where another laptop has it in order, it is one."""
    world = World(0)
    broken = AgentReport(id="gemini", binary="gemini", problem="It crashed.")
    world.stores.runtimes.put(replace(LAPTOP, agents=(broken, LAPTOP.agents[1])))
    assert [one.id for one in world.models.list(OURS, after=None, before=None, limit=9).models] == ["acp:echo"]
    other = replace(LAPTOP, runtime_id=RuntimeId("rt_3"))
    world.stores.runtimes.put(other)
    assert [one.id for one in world.models.list(OURS, after=None, before=None, limit=9).models][0] == "acp:echo"
    assert world.models.get(OURS, "acp:gemini").id == "acp:gemini"
