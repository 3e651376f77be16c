"""Agents: one newest version each, by one conditional write, and the older ones that were kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.core.errors import BadRequest
from chalicelib.core.selection import Selection
from chalicelib.core.span import Span
from chalicelib.stores import Tables
from chalicelib.wire.ids import AgentId, RuntimeId, TenantId
from tests.stores.conftest import at_once

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
ALL, ARCHIVED_TOO = Selection(), Selection(include_archived=True)
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
    model_options={"effort": {"type": "high"}},
    appendable_prompts=("Be short.",),
    permission_policies={"bash": "always_allow"},
    mark="m1",
)


def version(n: int, mark: str = "") -> Agent:
    return replace(AGENT, version=n, name=f"reviewer {n}", updated_at=100.5 + n, mark=mark or f"m{n}")


def test_an_agent_comes_back_as_its_newest_version(stores: Stores) -> None:
    assert stores.agents.put(AGENT) is None
    assert stores.agents.get(TENANT, AGENT.agent_id) == AGENT
    stores.agents.keep(AGENT)
    assert stores.agents.put(version(2)) is None
    assert stores.agents.get(TENANT, AGENT.agent_id) == version(2)
    assert list(stores.agents.list(TENANT, None, 10, ALL)[0]) == [version(2)]


def test_versions_that_were_kept_come_back_newest_first(stores: Stores) -> None:
    """Catches numbers that sort as text: ten stands after nine."""
    for n in range(1, 12):
        stores.agents.keep(version(n))
    other = replace(AGENT, agent_id=AgentId("agent_011"))
    stores.agents.keep(other)
    read = stores.agents.versions
    assert [one.version for one in read(TENANT, AGENT.agent_id, 11, 20)] == list(range(10, 0, -1))
    assert list(read(TENANT, AGENT.agent_id, 11, 2)) == [version(10), version(9)]
    assert list(read(TENANT, AGENT.agent_id, 1, 2)) == []
    assert list(read(OTHER, AGENT.agent_id, 11, 2)) == []
    assert stores.agents.older(TENANT, AGENT.agent_id, 10) == version(10)
    assert stores.agents.older(TENANT, AGENT.agent_id, 12) is None
    assert stores.agents.older(OTHER, AGENT.agent_id, 10) is None
    assert stores.agents.get(TENANT, AGENT.agent_id) is None


def test_a_foreign_or_unknown_agent_is_absent(stores: Stores) -> None:
    stores.agents.put(AGENT)
    for tenant_id, agent_id in ((OTHER, AGENT.agent_id), (TENANT, AgentId("agent_02"))):
        assert stores.agents.get(tenant_id, agent_id) is None
        assert stores.agents.archive(tenant_id, agent_id, 200.5) is None
        assert stores.agents.get(tenant_id, agent_id) is None
    assert stores.agents.list(OTHER, None, 10, ARCHIVED_TOO) == ([], None)


def test_writing_a_version_again_is_harmless_also_when_others_have_followed(stores: Stores) -> None:
    """Catches a writer whose answer was lost, who is told of a conflict with himself."""
    for n in (1, 2, 3):
        if n > 1:
            stores.agents.keep(version(n - 1))
        for _ in range(2):
            assert stores.agents.put(version(n)) is None
    assert stores.agents.put(version(2)) is None
    assert stores.agents.get(TENANT, AGENT.agent_id) == version(3)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_version_that_does_not_follow_the_newest_is_not_written(stores: Stores, n: int) -> None:
    stores.agents.put(AGENT)
    stores.agents.keep(AGENT)
    stores.agents.put(version(2))
    assert stores.agents.put(version(n, mark="theirs")) == version(2)
    assert stores.agents.get(TENANT, AGENT.agent_id) == version(2)


def test_an_archived_agent_stays_as_it_was_since_it_was_archived_first(stores: Stores) -> None:
    """Catches an archived agent that is changed by somebody who read it before."""
    stores.agents.put(AGENT)
    archived = replace(AGENT, archived_at=200.5)
    assert stores.agents.archive(TENANT, AGENT.agent_id, 200.5) == archived
    assert stores.agents.archive(TENANT, AGENT.agent_id, 300.5) == archived
    assert stores.agents.put(version(2)) == archived
    assert stores.agents.put(AGENT) is None
    assert stores.agents.get(TENANT, AGENT.agent_id) == archived


def test_agents_in_use_are_counted_and_one_nobody_was_told_of_is_dropped(stores: Stores) -> None:
    for n in range(4):
        stores.agents.put(replace(AGENT, agent_id=AgentId(f"agent_{n}")))
    stores.agents.keep(AGENT)
    stores.agents.put(replace(AGENT, tenant_id=OTHER))
    stores.agents.archive(TENANT, AgentId("agent_1"), 200.5)
    stores.agents.drop(replace(AGENT, agent_id=AgentId("agent_2")))
    stores.agents.drop(replace(AGENT, agent_id=AgentId("agent_9")))
    assert (stores.agents.count(TENANT), stores.agents.count(OTHER)) == (2, 1)


def test_of_50_writers_of_one_version_one_wins_and_the_others_are_told_which(tables: Tables) -> None:
    tables.agents.put(AGENT)
    answers = at_once(50, lambda i: tables.agents.put(version(2, mark=f"writer {i}")))
    found = tables.agents.get(TENANT, AGENT.agent_id)
    assert found is not None
    assert [one for one in answers if one is None] == [None]
    assert [one for one in answers if one == found] == [found] * 49
    assert answers.index(None) == int(found.mark.split()[1])


def test_a_page_is_full_however_much_is_left_out_of_it(stores: Stores) -> None:
    """Catches pages that SDKs take for the last one, since they hold nothing."""
    ids = [AgentId(f"agent_{n:02}") for n in range(30)]
    for n, agent_id in enumerate(ids):
        stores.agents.put(replace(AGENT, agent_id=agent_id, created_at=float(n)))
        if 3 <= n < 25:
            stores.agents.archive(TENANT, agent_id, 500.0)
    pages, place = [], None
    while True:
        found, place = stores.agents.list(TENANT, place, 3, ALL)
        pages.append([one.agent_id for one in found])
        if place is None:
            break
    assert pages == [ids[:26:-1], [ids[26], ids[25], ids[2]], [ids[1], ids[0]]]
    found, place = stores.agents.list(TENANT, ids[25], 3, ALL)
    assert ([one.agent_id for one in found], place) == (ids[2::-1], None)
    assert len(stores.agents.list(TENANT, None, 100, ARCHIVED_TOO)[0]) == 30


def test_agents_are_found_by_the_time_of_their_making(stores: Stores) -> None:
    for n in range(10):
        stores.agents.put(replace(AGENT, agent_id=AgentId(f"agent_{n:02}"), created_at=float(n)))
    since, until = (datetime.fromtimestamp(at, UTC) for at in (3.0, 5.0))
    found, place = stores.agents.list(TENANT, None, 10, Selection(created=Span(since=since, until=until)))
    assert ([one.created_at for one in found], place) == ([5.0, 4.0, 3.0], None)


def test_a_page_that_is_not_a_place_is_refused(stores: Stores) -> None:
    for place in ("", "a b", "x" * 5000, "agent#1", "é"):
        with pytest.raises(BadRequest, match="^bad_page: "):
            stores.agents.list(TENANT, place, 10, ALL)
