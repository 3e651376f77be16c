"""Definitions: what an agent becomes by a change, and what it can't become."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.core.catalog import Agent, RuntimeBinding
from chalicelib.core.definition import (
    MAX_AGENT_BYTES,
    AgentChange,
    acp_agent_in,
    archived,
    blank,
    changed,
    check_runs,
    no_agent,
    not_bound,
    patched,
    placed,
    version_conflict,
)
from chalicelib.core.errors import BadRequest, Conflicting, TooLarge
from chalicelib.wire.frames import AgentMeasures, AgentReport
from chalicelib.wire.ids import AgentId, RuntimeId, TenantId

BLANK = blank(TenantId("ten_1"), AgentId("agent_1"), 5.0)
FULL = AgentChange(
    name="reviewer",
    model="claude-opus-5-5",
    model_options={"speed": "fast"},
    description="Reviews.",
    system="Be kind.",
    appendable_prompts=("Be short.",),
    runtime_binding=RuntimeBinding(runtime_id=RuntimeId("rt_1"), acp_agent_id="claude-code-acp"),
    workspace="/src",
    policy_said="always_allow",
    idle_limit_s=1.0,
    hard_limit_s=0.0,
    tools=({"type": "custom"},),
    mcp_servers=({"type": "url", "name": "docs", "url": "https://x"},),
    skills=({"type": "custom", "skill_id": "s"},),
    metadata={"a": "1", "b": "2"},
)
CLEARED = replace(AgentChange(), **{name: None for name in AgentChange.__struct_fields__ if name != "name"})


def bound(runtime_id: str, acp_agent_id: str, *blocked: str) -> RuntimeBinding:
    return RuntimeBinding(runtime_id=RuntimeId(runtime_id), acp_agent_id=acp_agent_id, local_skill_blocklist=blocked)


def test_a_new_agent_is_what_was_asked_for() -> None:
    made = changed(BLANK, FULL)
    kept = {name: getattr(FULL, name) for name in AgentChange.__struct_fields__ if name != "runtime_binding"}
    assert {name: getattr(made, name) for name in kept} == kept
    assert made.runtime_binding == bound("rt_1", "claude-acp")
    assert (made.permission_policy, made.version, made.created_at, made.updated_at) == ("always_allow", 1, 5.0, 5.0)


def test_what_is_not_said_stays_and_what_is_null_or_empty_is_cleared() -> None:
    """Catches an update that loses fields it did not name, or can't empty one."""
    made = changed(BLANK, FULL)
    assert changed(made, AgentChange()) == made
    assert changed(made, FULL) == made
    assert changed(made, CLEARED) == replace(BLANK, name="reviewer")
    empty = AgentChange(description="", system="", workspace="", model="")
    assert changed(made, empty) == replace(made, description=None, system=None, workspace=None, model="")


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({}, {"a": "1", "b": "2"}),
        ({"a": None, "c": "3"}, {"b": "2", "c": "3"}),
        ({"x": None}, {"a": "1", "b": "2"}),
        ({"a": ""}, {"a": "", "b": "2"}),
    ],
)
def test_metadata_is_patched(patch: dict[str, str | None], after: dict[str, str]) -> None:
    assert changed(changed(BLANK, FULL), AgentChange(metadata=patch)).metadata == after


def test_metadata_has_16_pairs_at_most_after_the_patch() -> None:
    full = {str(n): "" for n in range(16)}
    assert patched(full, {"0": None, "x": ""}).keys() == {*full, "x"} - {"0"}
    with pytest.raises(BadRequest) as caught:
        patched(full, {"x": ""})
    assert (caught.value.code, caught.value.field) == ("too_much_metadata", "metadata")


def test_policies_follow_from_the_tools_and_the_agents_own_word() -> None:
    """Catches an own word that is forgotten when only the tools change."""
    allow = {"type": "agent_toolset_20260401", "default_config": {"permission_policy": {"type": "always_allow"}}}
    made = changed(BLANK, AgentChange(tools=(allow,)))
    assert (made.permission_policy, made.permission_policies["bash"]) == ("always_allow", "always_allow")
    asking = changed(made, AgentChange(policy_said="always_ask"))
    assert (asking.permission_policy, asking.permission_policies["bash"]) == ("always_ask", "always_ask")
    assert changed(asking, AgentChange(tools=())).permission_policy == "always_ask"
    assert changed(asking, AgentChange(policy_said=None)) == made


@pytest.mark.parametrize(
    ("model", "binding", "acp_agent_id"),
    [
        ("opus", bound("rt_1", "claude-agent-acp"), "claude-acp"),
        ("acp:codex-cli", bound("rt_1", ""), "codex-acp"),
        ("acp:codex-acp", bound("rt_1", "codex-cli"), "codex-acp"),
    ],
)
def test_the_acp_agent_is_said_by_the_binding_or_by_the_model(
    model: str, binding: RuntimeBinding, acp_agent_id: str
) -> None:
    made = changed(BLANK, AgentChange(model=model, runtime_binding=binding))
    assert made.runtime_binding == bound("rt_1", acp_agent_id)


@pytest.mark.parametrize(
    ("model", "binding", "code"),
    [
        ("opus", bound("rt_1", ""), "acp_agent_missing"),
        ("acp:codex-acp", bound("rt_1", "gemini"), "acp_agent_mismatch"),
    ],
)
def test_a_binding_without_an_acp_agent_or_with_two_is_refused(model: str, binding: RuntimeBinding, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        changed(BLANK, AgentChange(model=model, runtime_binding=binding))
    assert (caught.value.code, caught.value.field) == (code, "runtime_binding.acp_agent_id")


def test_a_model_alone_moves_the_binding_to_its_acp_agent() -> None:
    """Catches a session that is asked to run one ACP agent and runs another."""
    made = changed(BLANK, AgentChange(runtime_binding=bound("rt_1", "gemini", "noisy")))
    moved = changed(made, AgentChange(model="acp:codex-acp"))
    assert moved.runtime_binding == bound("rt_1", "codex-acp", "noisy")
    assert changed(moved, AgentChange(model="opus")).runtime_binding == moved.runtime_binding
    with pytest.raises(BadRequest):
        changed(moved, AgentChange(runtime_binding=bound("rt_1", "gemini")))


def test_two_mcp_servers_have_two_names() -> None:
    twice = ({"name": "docs", "url": "https://x"}, {"name": "docs", "url": "https://y"})
    with pytest.raises(BadRequest) as caught:
        changed(BLANK, AgentChange(mcp_servers=twice))
    assert (caught.value.code, caught.value.field) == ("mcp_server_repeated", "mcp_servers[1].name")


def test_an_agent_does_not_grow_beyond_its_size_by_small_changes() -> None:
    """Catches an agent whose row, or whose sessions' rows, can't be written any more."""
    half = "x" * (MAX_AGENT_BYTES // 2)
    made = changed(BLANK, AgentChange(system=half))
    with pytest.raises(TooLarge, match="content_too_large"):
        changed(made, AgentChange(appendable_prompts=(half,)))


@pytest.mark.parametrize(
    ("change", "binding"),
    [
        (AgentChange(model="acp:codex-cli"), bound("rt_2", "codex-acp")),
        (AgentChange(runtime_binding=bound("rt_1", "gemini", "noisy")), bound("rt_2", "gemini", "noisy")),
    ],
)
def test_a_place_binds_an_agent_that_says_what_to_run(change: AgentChange, binding: RuntimeBinding) -> None:
    made = changed(BLANK, change)
    assert placed(made, RuntimeId("rt_2")) == replace(made, runtime_binding=binding)


def test_a_place_is_not_enough_for_an_agent_that_does_not_say_what_to_run() -> None:
    with pytest.raises(BadRequest, match="^agent_not_bound: "):
        placed(changed(BLANK, AgentChange(model="opus")), RuntimeId("rt_2"))


@pytest.mark.parametrize(
    ("model", "found"), [("acp:codex-cli", "codex-acp"), ("acp:x", "x"), ("opus", None), ("", None), ("acp:", "")]
)
def test_a_model_may_name_an_acp_agent(model: str, found: str | None) -> None:
    assert acp_agent_in(model) == found


def test_refusals_say_what_they_are_about() -> None:
    agent: Agent = replace(BLANK, version=7)
    told: dict[str, Any] = {one.code: str(one) for one in (archived(agent), version_conflict(agent), not_bound(agent))}
    assert set(told) == {"agent_archived", "agent_version_conflict", "agent_not_bound"}
    assert all("agent_1" in one for one in told.values())
    assert "version 7 now" in told["agent_version_conflict"]
    assert len(str(no_agent("x" * 3000))) < 150


ASKS_NOT = AgentMeasures(asks=False, at=1.0)
READ = {"name": "read", "permission_policy": {"type": "always_ask"}}
READERS = ({"type": "agent_toolset_20260401", "configs": [READ]},)


def report(acp_agent_id: str = "gemini", **more: Any) -> AgentReport:
    return AgentReport(id=acp_agent_id, **more)


@pytest.mark.parametrize(
    ("change", "reports"),
    [
        (AgentChange(), ()),
        (AgentChange(), (report("codex-acp", problem="It crashed."),)),
        (AgentChange(policy_said="always_ask"), (report(measured=AgentMeasures(resumes=True)),)),
        (AgentChange(policy_said="always_ask"), (report(measured=AgentMeasures(asks=True)),)),
        (AgentChange(policy_said="always_allow"), (report(measured=ASKS_NOT),)),
        (AgentChange(policy_said="always_ask"), (report(never_asks=("read", "grep")),)),
        (AgentChange(tools=READERS), (report(never_asks=("grep",)),)),
    ],
)
def test_what_is_not_known_of_an_agent_on_a_laptop_is_allowed(
    change: AgentChange, reports: tuple[AgentReport, ...]
) -> None:
    """Catches a refusal of what an agent may well do: nobody has measured it, or it is another agent's fault."""
    check_runs(changed(changed(BLANK, AgentChange(runtime_binding=bound("rt_1", "gemini"))), change), reports)
    check_runs(BLANK, reports)


@pytest.mark.parametrize(
    ("change", "one", "code", "told"),
    [
        (AgentChange(), report(problem="It ended by itself."), "acp_agent_unusable", "It ended by itself."),
        (AgentChange(policy_said="always_ask"), report(measured=ASKS_NOT), "policy_not_honoured", "without asking"),
        (AgentChange(tools=READERS), report(measured=ASKS_NOT), "policy_not_honoured", "without asking"),
        (AgentChange(tools=READERS), report(never_asks=("grep", "read")), "policy_not_honoured", "uses read:"),
    ],
)
def test_a_policy_that_an_agent_is_known_not_to_honour_is_refused_with_the_reason(
    change: AgentChange, one: AgentReport, code: str, told: str
) -> None:
    """Catches an agent that would act unasked although its definition says that it asks, and one that can't run."""
    agent = changed(changed(BLANK, AgentChange(runtime_binding=bound("rt_1", "gemini"))), change)
    with pytest.raises((BadRequest, Conflicting), match=told) as caught:
        check_runs(agent, (report("echo"), one))
    assert caught.value.code == code
