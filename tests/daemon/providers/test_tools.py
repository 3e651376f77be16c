"""Which tool a call is of, as each agent tells it. What is not told on purpose is not believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from mooring.providers.tools import told_name, tools_of

SERVERS = ("notes", "my notes", "notes_old")


@dataclass
class Call:
    """What is known of a call."""

    kind: str = "other"
    told: str | None = None
    announced: str | None = None
    input: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("agent_id", "update", "name"),
    [
        ("claude-acp", {"title": "x", "_meta": {"claudeCode": {"toolName": "Bash"}}}, "Bash"),
        ("mine", {"_meta": {"toolName": "direct"}}, "direct"),
        ("mine", {"_meta": {"toolName": 3, "other": {"toolName": ""}}}, None),
        ("mine", {"title": "read", "kind": "read", "_meta": ["odd"]}, None),
        ("gemini", {"toolCallId": "run_shell_command__call_1", "title": "read"}, "run_shell_command"),
        ("gemini", {"toolCallId": "call_1", "title": "read"}, None),
        ("gemini", {"toolCallId": "__call_1"}, None),
        ("mine", {"toolCallId": "read__call_1"}, None),
        (
            "codex-acp",
            {"kind": "execute", "rawInput": {"server": "notes", "tool": "add"}, "_meta": {"is_mcp_tool_call": True}},
            "mcp__notes__add",
        ),
        ("codex-acp", {"rawInput": "odd", "_meta": {"is_mcp_tool_call": True}}, "mcp__None__None"),
        ("codex-acp", {"rawInput": {"server": "notes", "tool": "add"}, "_meta": {"is_mcp_tool_call": "x"}}, None),
        ("mine", {"rawInput": {"server": "notes", "tool": "add"}, "_meta": {"is_mcp_tool_call": True}}, None),
    ],
)
def test_a_name_is_told_on_purpose_or_not_at_all(agent_id: str, update: dict[str, Any], name: str | None) -> None:
    """Catches a title, which is the model's, that is taken for a tool's name."""
    assert told_name(agent_id, update) == name


@pytest.mark.parametrize(
    ("agent_id", "call", "tools"),
    [
        ("claude-acp", Call("execute", told="Bash"), {"bash"}),
        ("claude-acp", Call("edit", told="Write"), {"write"}),
        ("claude-acp", Call("think", told="Agent"), set()),
        ("claude-acp", Call("read"), set()),
        ("claude-acp", Call(told="mcp__my notes__add"), {"mcp__my_notes__add"}),
        ("codex-acp", Call("execute", input={"command": "ls"}), {"bash"}),
        ("codex-acp", Call("edit"), {"edit", "write"}),
        # A server's tool has the shell's kind, and a shell command may have a reader's.
        ("codex-acp", Call("execute", told="mcp__notes__add", input={"command": "ls"}), {"mcp__notes__add"}),
        ("codex-acp", Call("execute"), set()),
        ("codex-acp", Call("read", input={"command": "cat a"}), set()),
        ("gemini", Call("execute", told="run_shell_command"), {"bash"}),
        ("gemini", Call("read", told="enter_plan_mode"), set()),
        ("gemini", Call(told="notes_add"), set()),
        ("gemini", Call(told="mcp_my_notes_add"), {"mcp__my_notes__add"}),
        ("gemini", Call(told="mcp_notes_old_add"), {"mcp__notes__old_add", "mcp__notes_old__add"}),
        ("opencode", Call("execute", announced="bash"), {"bash"}),
        ("opencode", Call("edit", announced="write"), {"write"}),
        ("opencode", Call("search", announced="grep"), {"grep"}),
        # What is no name, or another kind's, tells nothing.
        ("opencode", Call("execute", announced="read"), {"bash"}),
        ("opencode", Call("edit"), {"edit", "write"}),
        ("opencode", Call(announced="notes_add"), {"mcp__notes__add"}),
        ("opencode", Call(announced="todowrite"), set()),
        ("opencode", Call("execute", announced="notes_add"), {"bash"}),
        ("mine", Call("read", announced="read"), set()),
        ("mine", Call("other", told="read"), {"read"}),
        ("mine", Call("other", told="mcp__notes__add"), {"mcp__notes__add"}),
    ],
)
def test_the_tools_that_a_call_may_be_of(agent_id: str, call: Call, tools: set[str]) -> None:
    """Catches a call that is answered by a policy for another tool, since its agent has other ways to tell which."""
    assert tools_of(agent_id, call, SERVERS) == tools
