"""Agents: the newest version of each, newest agent first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.core.errors import BadRequest, Conflicting
from chalicelib.stores import Tables
from chalicelib.wire.ids import AgentId, RuntimeId, TenantId
from tests.stores.conftest import at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
AGENT = Agent(
    tenant_id=TENANT,
    agent_id=AgentId("agent_01"),
    version=1,
    name="reviewer",
    created_at=100.5,
    updated_at=100.5,
    system="Be kind. " * 1000,
    runtime_binding=RuntimeBinding(
        runtime_id=RuntimeId("rt_1"), acp_agent_id="claude-acp", local_skill_blocklist=("noisy",)
    ),
    tools=({"type": "agent_toolset", "configs": [{"name": "bash", "enabled": True}]},),
    metadata={"team": "α"},
)


def test_an_agent_comes_back_as_its_newest_version(stores: Stores) -> None:
    stores.agents.put(AGENT)
    assert stores.agents.get(TENANT, AGENT.agent_id) == AGENT
    second = replace(AGENT, version=2, name="kind reviewer", updated_at=200.0)
    stores.agents.put(second)
    assert stores.agents.get(TENANT, AGENT.agent_id) == second
    assert list(stores.agents.list(TENANT, None, 10)[0]) == [second]


def test_a_foreign_or_unknown_agent_is_absent(stores: Stores) -> None:
    stores.agents.put(AGENT)
    assert stores.agents.get(OTHER, AGENT.agent_id) is None
    assert stores.agents.get(TENANT, AgentId("agent_02")) is None
    assert stores.agents.list(OTHER, None, 10) == ([], None)


def test_writing_a_version_again_is_harmless(stores: Stores) -> None:
    stores.agents.put(AGENT)
    stores.agents.put(AGENT)
    assert stores.agents.get(TENANT, AGENT.agent_id) == AGENT


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_somebody_else_wrote_is_not_written_over(stores: Stores, version: int) -> None:
    newest = replace(AGENT, version=2, name="theirs")
    stores.agents.put(AGENT)
    stores.agents.put(newest)
    with pytest.raises(Conflicting, match="^agent_version_conflict: "):
        stores.agents.put(replace(AGENT, version=version, name="mine"))
    assert stores.agents.get(TENANT, AGENT.agent_id) == newest


def test_of_8_writers_of_one_version_one_wins(tables: Tables) -> None:
    tables.agents.put(AGENT)
    answers = at_once(8, lambda i: tables.agents.put(replace(AGENT, version=2, name=f"writer {i}")))
    won = [i for i, answer in enumerate(answers) if answer is None]
    assert len(won) == 1
    assert sum(isinstance(answer, Conflicting) for answer in answers) == 7
    found = tables.agents.get(TENANT, AGENT.agent_id)
    assert found is not None
    assert found.name == f"writer {won[0]}"


def test_a_page_that_is_not_a_place_is_refused(stores: Stores) -> None:
    for place in ("", "a b", "x" * 5000, "agent#1", "é"):
        with pytest.raises(BadRequest, match="^bad_page: "):
            stores.agents.list(TENANT, place, 10)
