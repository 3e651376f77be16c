"""The canary: an agent that follows from its laptop, and no other agent is one."""

from __future__ import annotations

from chalicelib.core.bundle import bundle_of
from chalicelib.core.canary import MARK, canary_agent, is_canary
from chalicelib.wire.ids import RuntimeId, TenantId

TENANT, RUNTIME = TenantId("ten_1"), RuntimeId("rt_1")


def test_a_canary_follows_from_its_laptop_and_asks_before_each_call() -> None:
    canary = canary_agent(TENANT, RUNTIME)
    assert canary == canary_agent(TENANT, RUNTIME)
    assert canary.runtime_binding is not None
    assert (canary.runtime_binding.runtime_id, canary.runtime_binding.acp_agent_id) == (RUNTIME, "echo")
    assert bundle_of(canary).permission_policy == "always_ask"
    assert canary.metadata == {MARK: RUNTIME}
    assert canary.agent_id != canary_agent(TENANT, RuntimeId("rt_2")).agent_id


def test_no_other_agent_is_a_canary() -> None:
    assert is_canary(canary_agent(TENANT, RUNTIME).agent_id)
    assert not is_canary("agent_0123456789abcdef")
    assert not is_canary("")
