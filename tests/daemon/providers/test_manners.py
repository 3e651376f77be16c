"""What known agents are told beyond ACP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mooring.core.permissions import Permissions, Policies, Policy
from mooring.providers.manners import (
    client_meta,
    failure_in,
    is_the_models,
    request_meta,
    session_mode,
    unasked,
    variables,
)
from mooring.providers.ports import ChildSpec, MCPRemote


def under(default: Policy, **by_tool: Policy) -> Permissions:
    return Permissions((Policies(default, by_tool),))


def spec(agent_id: str, **fields: Any) -> ChildSpec:
    paths = {"cwd": Path("/"), "stderr_path": Path("/x"), "children_path": Path("/x")}
    made = {"command": ("x",), "env": {}, **paths, **fields}
    return ChildSpec(agent_id=agent_id, **made)


def test_an_agent_nobody_knows_is_told_nothing() -> None:
    for policy in ("always_ask", "always_allow"):
        assert session_mode("mine", policy) is None
        assert variables("mine", under(policy), ["notes"]) == {}
    assert request_meta(spec("mine", system_prompt="Be brief.")) == {}
    assert client_meta("mine") == {}


def test_opencode_asks_by_its_configuration() -> None:
    rules = json.loads(variables("opencode", under("always_ask"), ["my notes"])["OPENCODE_PERMISSION"])
    assert rules["bash"] == rules["edit"] == rules["my_notes_*"] == {"*": "ask"}
    assert rules["webfetch"] == "ask"
    assert "read" not in rules
    assert variables("opencode", under("always_allow"), ["notes"]) == {}


def test_codex_and_opencode_leave_out_the_skills_that_are_blocked() -> None:
    """Catches rules of the policy that are lost for those of the skills, and a name that would hide every skill."""
    told = variables("codex-acp", under("always_ask"), [], ["audit", "two words"])
    rules = [{"name": "audit", "enabled": False}, {"name": "two words", "enabled": False}]
    assert json.loads(told["CODEX_CONFIG"]) == {"skills": {"config": rules}}
    told = variables("opencode", under("always_allow"), [], ["audit", "*", "w?"])
    assert json.loads(told["OPENCODE_PERMISSION"]) == {"skill": {"audit": "deny"}}
    rules = json.loads(variables("opencode", under("always_ask"), [], ["audit"])["OPENCODE_PERMISSION"])
    assert (rules["bash"], rules["skill"]) == ({"*": "ask"}, {"audit": "deny"})
    for agent_id in ("codex-acp", "opencode", "claude-acp", "gemini"):
        assert variables(agent_id, under("always_allow"), [], []) == {}
    assert variables("opencode", under("always_allow"), [], ["*"]) == {}


def test_claude_asks_for_what_changes_something_whatever_its_settings_allow() -> None:
    servers = (MCPRemote("my notes", "http://n"),)
    meta = request_meta(spec("claude-acp", mcp_servers=servers, system_prompt="Be brief."))
    assert meta["systemPrompt"] == {"append": "Be brief."}
    rules = meta["claudeCode"]["options"]["settings"]["permissions"]["ask"]
    assert {"Bash", "Edit", "Write", "mcp__my_notes"} <= set(rules)
    assert "Read" not in rules
    assert request_meta(spec("claude-acp", permissions=under("always_allow"))) == {}


def test_agents_ask_before_they_read_only_where_a_policy_names_that() -> None:
    """Catches a policy for reading that no agent is told of: it would never ask."""
    permissions = under("always_allow", read="always_ask", glob="always_allow")
    meta = request_meta(spec("claude-acp", permissions=permissions))
    rules = meta["claudeCode"]["options"]["settings"]["permissions"]["ask"]
    assert "Read" in rules
    assert "Glob" not in rules
    told = json.loads(variables("opencode", permissions, [])["OPENCODE_PERMISSION"])
    assert (told["read"], "glob" in told) == ({"*": "ask"}, False)
    assert unasked("opencode", permissions) == unasked("claude-acp", permissions) == []
    assert unasked("gemini", permissions) == unasked("codex-acp", permissions) == ["read"]


@pytest.mark.parametrize(
    "meta", [None, "x", {}, {"jetbrains": None}, {"jetbrains": {"air": []}}, {"jetbrains": {"air": {"version": 1}}}]
)
def test_what_is_no_typed_failure_is_none(meta: object) -> None:
    assert failure_in(meta) is None


def test_a_typed_failure_is_found() -> None:
    failure = {"severity": "error", "title": "no"}
    assert failure_in({"jetbrains": {"air": {"sessionFailure": failure}}}) == failure


@pytest.mark.parametrize(
    ("agent_id", "message_id", "expected"),
    [("claude-acp", "msg_01", True), ("claude-acp", "c4371a17", False), ("codex-acp", "c4371a17", True)],
)
def test_claudes_own_words_are_told_from_its_models(agent_id: str, message_id: str, expected: bool) -> None:
    assert is_the_models(agent_id, {"messageId": message_id}) is expected


def test_a_message_without_an_id_is_the_models() -> None:
    assert is_the_models("claude-acp", {})
