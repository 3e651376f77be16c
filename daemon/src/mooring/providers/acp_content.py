"""The text of what ACP carries in blocks, tool contents and raw outputs. Input is plain JSON, and may be anything.

Source: ACP protocol version 1, "Content" and "Tool calls".
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_DIFF_LINES: Final = 5_000
"""Beyond this many lines (old and new together) a diff is summed up: difflib's time grows with the square of them."""

MAX_NAME: Final = 120
"""Characters of a title that stand in for a tool's name."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][\w.:/-]*\Z")
_RAW_TEXT_KEYS: Final = ("output", "stdout", "text", "content", "error", "message")
"""Where agents put the text within a raw output that is an object."""


def block_text(block: object) -> str:
    """Returns what a content block says: text as it is, a link or resource as text, other kinds as what they are.

    An agent's words are text alone in our events (as in the API), so of an image there is what it was and how large.
    """
    if not isinstance(block, Mapping):
        return ""
    match block.get("type"):
        case "text":
            return _string(block.get("text"))
        case "resource_link":
            return f"[{_string(block.get('name')) or 'link'}]({_string(block.get('uri'))})"
        case "resource":
            resource = block.get("resource")
            if not isinstance(resource, Mapping):
                return ""
            return _string(resource.get("text")) or _stand_in("resource", resource, resource.get("blob"))
        case str(kind):
            return _stand_in(kind, block, block.get("data"))
        case _:
            return ""


def content_text(contents: object) -> str:
    """Returns what a tool call's content says, without diffs; a terminal's output is in ``_meta``."""
    return _joined(contents, _said)


def content_diff(contents: object) -> str:
    """Returns the changes of files in a tool call's content, in unified form."""
    return _joined(contents, _changed)


def terminal_names(contents: object) -> str:
    """Returns which terminals a tool call's content refers to, for want of their output."""
    if not isinstance(contents, list):
        return ""
    terminals = [content for content in contents if isinstance(content, Mapping) and content.get("type") == "terminal"]
    return "\n".join(f"[terminal {_string(terminal.get('terminalId'))}]" for terminal in terminals)


def raw_text(raw: object) -> str:
    """Returns a raw output as text: a string as it is, the text within an object where it is easily told, else JSON."""
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Mapping):
        # What an MCP server's tool gave, as Codex hands it on.
        result = raw.get("result")
        if isinstance(result, Mapping) and (said := _joined(result.get("content"), _said)):
            return said
        for key in _RAW_TEXT_KEYS:
            if isinstance(value := raw.get(key), str) and value:
                return value
    return json.dumps(raw, ensure_ascii=False)


def raw_input(raw: object) -> dict[str, Any] | None:
    """Returns a call's arguments; what is not an object becomes its ``value``. None = nothing was said of them."""
    if raw is None:
        return None
    return dict(raw) if isinstance(raw, Mapping) else {"value": raw}


def tool_name(update: Mapping[str, Any]) -> str:
    """Returns the best name for a call's tool where the agent tells none.

    A title that is a sentence or a command line is no name; then the kind is, unless it says nothing ("other").
    """
    title = _string(update.get("title")).strip()
    if _IDENTIFIER.match(title):
        return title[:MAX_NAME]
    kind = _string(update.get("kind"))
    if kind and kind != "other":
        return kind
    return title.split("\n", 1)[0][:MAX_NAME] or "other"


def unified_diff(path: str, old: str | None, new: str) -> str:
    """Returns the change of a file in unified form; of a change too long for that, only how long it is."""
    before, after = (old or "").splitlines(), new.splitlines()
    if len(before) + len(after) > MAX_DIFF_LINES:
        return f"--- {path}\n+++ {path}\n{len(before)} lines become {len(after)} lines"
    source = "/dev/null" if old is None else path
    return "\n".join(difflib.unified_diff(before, after, source, path, lineterm=""))


def _joined(contents: object, part: Callable[[Mapping[str, Any]], str]) -> str:
    if not isinstance(contents, list):
        return ""
    parts = [part(content) for content in contents if isinstance(content, Mapping)]
    return "\n".join(one for one in parts if one)


def _said(content: Mapping[str, Any]) -> str:
    match content.get("type"):
        case "content":
            return block_text(content.get("content"))
        case "diff" | "terminal":
            return ""
        case _:
            return block_text(content)


def _changed(content: Mapping[str, Any]) -> str:
    if content.get("type") != "diff":
        return ""
    old = content.get("oldText")
    path, new = _string(content.get("path")), _string(content.get("newText"))
    return unified_diff(path, old if isinstance(old, str) else None, new)


def _stand_in(kind: str, block: Mapping[str, Any], data: object) -> str:
    """What stands for content that is no text: its kind, where it is, its type, and its size if it was sent along."""
    size = f"{len(data) * 3 // 4 / 1024:.1f} KB" if isinstance(data, str) and data else ""
    parts = [_string(block.get("uri")), _string(block.get("mimeType")), size]
    return f"[{' '.join([kind, ', '.join(part for part in parts if part)]).strip()}]"


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
