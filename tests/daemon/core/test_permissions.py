"""Which calls are put to a person."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core.permissions import Permissions, Policies, Policy

ASK: Policy = "always_ask"
ALLOW: Policy = "always_allow"

NAMES = ("bash", "edit", "read", "write", "mcp__notes", "mcp__notes__add", "mcp__notes__drop", "mcp__notes__old__add")
_POLICIES = st.sampled_from(get_args(Policy))
_SIDES = st.builds(Policies, _POLICIES, st.dictionaries(st.sampled_from(NAMES), _POLICIES))
_CALLS = st.sets(st.sampled_from(NAMES))


@pytest.mark.parametrize(
    ("default", "by_tool", "tools", "policy"),
    [
        (ASK, {}, {"bash"}, ASK),
        (ALLOW, {}, {"bash"}, ALLOW),
        (ASK, {"read": ALLOW}, {"read"}, ALLOW),
        (ASK, {"read": ALLOW}, {"bash"}, ASK),
        (ALLOW, {"bash": ASK}, {"bash"}, ASK),
        (ALLOW, {"bash": ASK}, {"read"}, ALLOW),
        # One of several: all of them must be allowed.
        (ASK, {"edit": ALLOW}, {"edit", "write"}, ASK),
        (ASK, {"edit": ALLOW, "write": ALLOW}, {"edit", "write"}, ALLOW),
        # Nobody knows which: everything must be.
        (ALLOW, {}, (), ALLOW),
        (ALLOW, {"bash": ASK}, (), ASK),
        (ASK, {"read": ALLOW}, (), ASK),
        # A server's policy is that of its tools, unless one has its own.
        (ASK, {"mcp__notes": ALLOW}, {"mcp__notes__add"}, ALLOW),
        (ASK, {"mcp__notes": ALLOW, "mcp__notes__drop": ASK}, {"mcp__notes__drop"}, ASK),
        (ASK, {"mcp__notes__add": ALLOW}, {"mcp__notes__drop"}, ASK),
        (ASK, {"mcp__notes": ALLOW}, {"mcp__notes2__add"}, ASK),
        # Is it `add` of the server `notes__old`, or `old__add` of `notes`?
        (ALLOW, {"mcp__notes": ALLOW, "mcp__notes__old": ASK}, {"mcp__notes__old__add"}, ASK),
        # Agents write names in plain signs only.
        (ALLOW, {"mcp__My notes": ASK}, {"mcp__My_notes__add"}, ASK),
        # A tool is no server, whatever its name begins with.
        (ASK, {"read": ALLOW}, {"read__all"}, ASK),
    ],
)
def test_the_policy_of_a_call(default: Policy, by_tool: dict[str, Policy], tools: set[str], policy: Policy) -> None:
    """Catches a call that is answered by a policy that was meant for another one."""
    assert Policies(default, by_tool).of(tools) == policy


@given(_SIDES, _SIDES, _CALLS)
def test_neither_side_can_loosen_what_the_other_has_tightened(one: Policies, other: Policies, call: set[str]) -> None:
    """Catches a ceiling that the plane can lift, or a plane that a laptop's owner can overrule."""
    both = Permissions((one, other)).of(call)
    assert (both == ALLOW) == (one.of(call) == other.of(call) == ALLOW)


@given(_SIDES, _SIDES, _CALLS)
def test_an_agent_that_need_not_ask_is_one_whose_every_call_is_allowed(
    one: Policies, other: Policies, call: set[str]
) -> None:
    """Catches an agent that is put into a mode without questions although one call was to be asked about."""
    permissions = Permissions((one, other))
    if permissions.strictest == ALLOW:
        assert permissions.of(call) == ALLOW
    if permissions.named:
        assert permissions.strictest == ASK


def test_what_is_named_is_what_either_side_wants_asked() -> None:
    """Catches a tool that an agent would run unasked although somebody wants to be asked."""
    sides = (Policies(ASK, {"read": ASK, "bash": ALLOW}), Policies(ALLOW, {"grep": ASK}))
    assert Permissions(sides).named == {"read", "grep"}
    assert Permissions().named == frozenset()


def test_without_a_word_everything_is_asked() -> None:
    """Catches a session that allows because nobody has said anything."""
    assert Permissions().of({"read"}) == Permissions().strictest == ASK
