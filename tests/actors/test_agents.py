"""Agents: ids that sort by time, bindings to one's own laptops only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.agents import AgentDefinitions, NewAgent, timed_id
from chalicelib.actors.enrolment import Enrolment
from chalicelib.actors.rooms import Rooms
from chalicelib.core.catalog import Runtime, RuntimeBinding
from chalicelib.core.errors import NotFound
from chalicelib.wire.ids import KeyId, RuntimeId, TenantId
from tests.fakes import FakeClock, fake_stores

OURS, THEIRS = TenantId("ten_1"), TenantId("ten_2")
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
NEW = NewAgent(name="a", runtime_binding=RuntimeBinding(runtime_id=RUNTIME.runtime_id, acp_agent_id="claude-code-acp"))


@pytest.fixture
def agents() -> AgentDefinitions:
    stores = fake_stores(FakeClock())
    stores.runtimes.put(RUNTIME)
    return AgentDefinitions(stores, Enrolment(stores, Rooms(stores)))


def test_ids_sort_by_the_time_of_their_making() -> None:
    clock = FakeClock()
    made = []
    for _ in range(20):
        clock.time += 0.001
        made.append(timed_id("agent", clock))
    assert made == sorted(made)
    assert {len(one) for one in made} == {len("agent_") + 26}


def test_an_agent_is_bound_to_a_runtime_of_its_tenant_only(agents: AgentDefinitions) -> None:
    made = agents.create(OURS, NEW)
    assert made.runtime_binding is not None
    assert made.runtime_binding.acp_agent_id == "claude-acp"
    assert agents.get(OURS, made.agent_id) == made
    with pytest.raises(NotFound) as caught:
        agents.create(THEIRS, NEW)
    assert caught.value.code == "runtime_not_found"
    assert agents.list(THEIRS, None, 10) == ([], None)


def test_an_agent_is_found_by_its_tenant_and_version_only(agents: AgentDefinitions) -> None:
    made = agents.create(OURS, replace(NEW, runtime_binding=None))
    assert agents.get(OURS, made.agent_id, 1) == made
    for tenant_id, agent_id, version in ((THEIRS, made.agent_id, None), (OURS, made.agent_id, 2), (OURS, "x", None)):
        with pytest.raises(NotFound) as caught:
            agents.get(tenant_id, agent_id, version)
        assert caught.value.code == "agent_not_found"
