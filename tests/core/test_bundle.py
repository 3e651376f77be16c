"""The bundle: what of an agent reaches its laptop."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.bundle import bundle_of, canonical_acp_agent
from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.wire.bundle import Bundle, BundleFile, BundleMCPServer
from chalicelib.wire.ids import AgentId, RuntimeId, TenantId

BINDING = RuntimeBinding(runtime_id=RuntimeId("rt_1"), acp_agent_id="echo", local_skill_blocklist=("deploy",))


def agent(**more: Any) -> Agent:
    return Agent(
        tenant_id=TenantId("ten_1"),
        agent_id=AgentId("agent_1"),
        version=1,
        name="reviewer",
        created_at=1.0,
        updated_at=1.0,
        **more,
    )


def test_a_bundle_says_everything_the_agent_says() -> None:
    made = bundle_of(
        agent(
            description="Looks twice.\n",
            system="Be kind.",
            runtime_binding=BINDING,
            permission_policy="always_allow",
            idle_limit_s=0.0,
            hard_limit_s=5.0,
            mcp_servers=({"type": "url", "name": "docs", "url": "https://x"},),
        )
    )
    text = "# reviewer\n\nLooks twice.\n\n## Instructions\n\nBe kind.\n"
    assert made == Bundle(
        files=(BundleFile(path="AGENTS.md", content=text),),
        local_skill_blocklist=("deploy",),
        mcp_servers=(BundleMCPServer(name="docs", url="https://x"),),
        system_prompt="Be kind.",
        permission_policy="always_allow",
        idle_limit_s=0.0,
        hard_limit_s=5.0,
    )


def test_appended_prompts_follow_the_system_prompt_in_every_place_where_it_stands() -> None:
    """Catches a prompt that reaches only agents which read files, or only those that take it as data."""
    made = bundle_of(agent(system="Be kind.\n", appendable_prompts=("Be short.", "Be quick.")))
    assert made.system_prompt == "Be kind.\n\nBe short.\n\nBe quick."
    assert made.files[0].content == f"# reviewer\n\n## Instructions\n\n{made.system_prompt}\n"
    assert bundle_of(agent(appendable_prompts=("Be short.",))).system_prompt == "Be short."


def test_a_bundle_names_the_workspace_and_each_tools_policy() -> None:
    made = bundle_of(agent(workspace="/src/shop", permission_policies={"bash": "always_allow"}))
    assert (made.workspace, made.permission_policies) == ("/src/shop", {"bash": "always_allow"})


def test_an_agent_that_says_nothing_still_has_a_name() -> None:
    made = bundle_of(agent())
    assert made == Bundle(files=(BundleFile(path="AGENTS.md", content="# reviewer\n"),))


@pytest.mark.parametrize("name", ["claude-code-acp", "claude-agent-acp", "claude-acp"])
def test_an_agent_known_by_several_names_is_one(name: str) -> None:
    assert canonical_acp_agent(name) == "claude-acp"
