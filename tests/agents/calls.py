"""Calls of the agents' own tools: which of them a prompt wants, and with what arguments.

Some agents show a model only the names of the tools that MCP servers bring. They are searched for first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .dialects import JSON, Asked, Tool

Call = tuple[str, JSON | str]
"""A tool's name and its arguments; a text for a tool that takes bare text."""

_SHELLS: Final = ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell")
_READERS: Final = ("Read", "read", "read_file")
_EDITORS: Final = ("Edit", "edit", "replace")
_WRITERS: Final = ("Write", "write", "write_file")
_NOTES: Final = ("mcp__notes__add", "mcp_notes_add", "notes_add")
_PATCH: Final = "apply_patch"

_VALUES: Final[dict[str, Any]] = {
    "content": "new\n",
    "old": "two",
    "new": "2",
    "instruction": "Write a digit.",
}
"""What the parameters of file tools are given, by the beginning of their names."""

_TODOS: Final = [
    {"content": "look", "status": "completed", "activeForm": "Looking"},
    {"content": "act", "status": "pending", "activeForm": "Acting"},
]


def shell_of(asked: Asked) -> Tool | None:
    """The shell tool that a request offers."""
    return _offered(asked, _SHELLS)


def next_call(word: str, rest: str, asked: Asked) -> Call | None:
    """The first call that a prompt wants and that has not been made; None = there is none."""
    return next((call for call in _wanted(word, rest, asked) if call[0] not in asked.called), None)


def made_of(schema: JSON) -> Any:
    """Some value that follows a JSON schema."""
    if "enum" in schema:
        return schema["enum"][0]
    match str(schema.get("type", "")).lower():
        case "object":
            return {name: made_of(one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return []
        case "number" | "integer":
            return 1
        case "boolean":
            return False
        case _:
            return "A fine day"


def command_call(tool: Tool, command: str) -> Call:
    """A call of a shell tool: the command under the name that its schema has, and whatever else it requires."""
    properties = tool.parameters.get("properties", {})
    name = "cmd" if "cmd" in properties else "command"
    is_list = properties.get(name, {}).get("type") == "array"
    made: JSON = {name: ["bash", "-c", command] if is_list else command}
    if "sandbox_permissions" in properties:
        # A model that knows that its sandbox forbids a command has to ask for more by itself.
        made |= {"sandbox_permissions": "require_escalated", "justification": "It writes a file."}
    required = tool.parameters.get("required", [])
    return tool.name, {**{one: made_of(properties.get(one, {})) for one in required}, **made}


def _wanted(word: str, rest: str, asked: Asked) -> list[Call]:
    match word:
        case "create" | "change":
            if _offered(asked, (_PATCH,)):
                return [(_PATCH, _patch(word, rest))]
            groups = (_WRITERS,) if word == "create" else (_READERS, _EDITORS)
            return [_file_call(tool, rest) for group in groups if (tool := _offered(asked, group))]
        case "note":
            if tool := _offered(asked, _NOTES):
                return [(tool.name, {"text": rest})]
            if _offered(asked, ("tool_search",)):
                return [("tool_search", {"query": "notes add", "limit": 1}), ("mcp__notes.add", {"text": rest})]
            return [("ToolSearch", {"query": "select:mcp__notes__add", "max_results": 1})]
        case "plan":
            return [("TodoWrite", {"todos": _TODOS})]
        case _:
            return []


def _offered(asked: Asked, names: Sequence[str]) -> Tool | None:
    return next((tool for name in names for tool in asked.tools if tool.name == name), None)


def _file_call(tool: Tool, path: str) -> Call:
    made: JSON = {}
    for name in tool.parameters.get("required", ()):
        values = {**_VALUES, "file": path}
        made[name] = next(value for start, value in values.items() if name.startswith(start))
    return tool.name, made


def _patch(word: str, path: str) -> str:
    """The text that Codex's tool takes."""
    change = f"Add File: {path}\n+new" if word == "create" else f"Update File: {path}\n@@\n one\n-two\n+2\n three"
    return f"*** Begin Patch\n*** {change}\n*** End Patch"
