"""Permissions: what of an agent's tools, and of its own word, holds for which call."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.catalog import PermissionPolicy
from chalicelib.core.errors import BadRequest
from chalicelib.core.permissions import AGENT_TOOLS, PolicySaid, is_toolset, known_policy, policies_of

ALLOW, ASK = "always_allow", "always_ask"


def policy(kind: str, **more: Any) -> dict[str, Any]:
    return {"permission_policy": {"type": kind}, **more}


def toolset(default: str | None = None, **configs: str | None) -> dict[str, Any]:
    return {
        "type": "agent_toolset_20260401",
        "default_config": policy(default) if default else None,
        "configs": [
            {"name": name, "permission_policy": {"type": one} if one else None} for name, one in configs.items()
        ],
    }


def server(name: str, default: str | None = None, **configs: str) -> dict[str, Any]:
    return {**toolset(default, **configs), "type": "mcp_toolset", "mcp_server_name": name}


CUSTOM = {"type": "custom", "name": "look", "description": "d", "input_schema": {}}
EVERY_TOOL_ALLOWED = dict.fromkeys(AGENT_TOOLS, ALLOW)


@pytest.mark.parametrize(
    ("tools", "said", "default", "by_tool"),
    [
        ((), None, ASK, {}),
        ((), ALLOW, ALLOW, {}),
        ((), ASK, ASK, {}),
        ((CUSTOM,), None, ASK, {}),
        ((CUSTOM,), ALLOW, ALLOW, {}),
        ((toolset(),), None, ASK, {}),
        ((toolset(),), ALLOW, ALLOW, {}),
        ((toolset(ALLOW),), None, ALLOW, EVERY_TOOL_ALLOWED),
        # One tool that asks makes calls ask whose tool nobody can tell, and no others.
        ((toolset(ALLOW, bash=ASK),), None, ASK, EVERY_TOOL_ALLOWED | {"bash": ASK}),
        ((toolset(ALLOW, bash=ASK),), ALLOW, ASK, EVERY_TOOL_ALLOWED | {"bash": ASK}),
        ((toolset(ALLOW, bash=None),), None, ALLOW, EVERY_TOOL_ALLOWED),
        # One tool that may act does not make the others act.
        ((toolset(None, bash=ALLOW),), None, ASK, {"bash": ALLOW}),
        ((toolset(None, bash=ALLOW),), ALLOW, ALLOW, {"bash": ALLOW}),
        # What the agent itself says, no tool loosens.
        ((toolset(ALLOW, bash=ALLOW),), ASK, ASK, dict.fromkeys(AGENT_TOOLS, ASK)),
        ((toolset(ALLOW), server("docs", ASK)), None, ASK, EVERY_TOOL_ALLOWED | {"mcp__docs": ASK}),
        ((server("docs", ALLOW, drop=ASK),), None, ASK, {"mcp__docs": ALLOW, "mcp__docs__drop": ASK}),
        ((toolset(ALLOW), server("docs")), None, ASK, EVERY_TOOL_ALLOWED),
    ],
)
def test_each_tool_keeps_its_policy_and_the_strictest_is_the_default(
    tools: tuple[dict[str, Any], ...],
    said: PermissionPolicy | None,
    default: PermissionPolicy,
    by_tool: dict[str, PermissionPolicy],
) -> None:
    """Catches a tool's policy that is lost, or that spreads to tools of which nothing was said."""
    found = policies_of(tools, said)
    assert (found.default, found.by_tool) == (default, by_tool)


@pytest.mark.parametrize(
    ("tool", "code", "where"),
    [
        ({}, "bad_tool", "tools[1].type"),
        ({"type": 1}, "bad_tool", "tools[1].type"),
        (toolset("auto"), "unsupported_policy", "tools[1].default_config.permission_policy"),
        (toolset(None, bash="auto"), "unsupported_policy", "tools[1].configs[0].permission_policy"),
        ({**toolset(), "configs": [policy(ASK)]}, "bad_tool", "tools[1].configs[0].name"),
        ({**toolset(), "configs": 1}, "bad_tool", "tools[1].configs"),
        (
            {**toolset(), "configs": [{"name": "bash", "enabled": False}]},
            "unsupported_field",
            "tools[1].configs[0].enabled",
        ),
        ({**toolset(), "default_config": {"enabled": False}}, "unsupported_field", "tools[1].default_config.enabled"),
        (
            {**toolset(), "configs": [{"name": "web_fetch", "allowed_domains": ["x.example"]}]},
            "unsupported_field",
            "tools[1].configs[0].allowed_domains",
        ),
    ],
)
def test_a_tool_that_can_not_be_kept_as_it_is_said_is_refused(tool: dict[str, Any], code: str, where: str) -> None:
    """Catches a restriction that is stored, shown and not kept."""
    with pytest.raises(BadRequest) as caught:
        policies_of((toolset(), tool), None)
    assert (caught.value.code, caught.value.field) == (code, where)


def test_what_says_nothing_is_taken() -> None:
    full = {"name": "bash", "type": "bash", "enabled": True, "permission_policy": None, "allowed_domains": None}
    tool = {**toolset(), "default_config": {"enabled": True, "permission_policy": None}, "configs": [full]}
    assert policies_of((tool,), None).by_tool == {}


def test_a_policy_is_one_of_two() -> None:
    assert [known_policy(one, "x") for one in (ALLOW, ASK, PolicySaid(ALLOW))] == [ALLOW, ASK, ALLOW]
    with pytest.raises(BadRequest) as caught:
        known_policy(PolicySaid("auto"), "here")
    assert (caught.value.code, caught.value.field) == ("unsupported_policy", "here")


def test_toolsets_are_told_from_single_tools() -> None:
    kinds = ("agent_toolset_20260401", "agent_toolset", "mcp_toolset", "custom", "")
    assert [is_toolset(one) for one in kinds] == [True, True, True, False, False]
