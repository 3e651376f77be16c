"""The text of what ACP carries in blocks, tool contents and raw outputs. Input is plain JSON, and may be anything.

Source: ACP protocol version 1, "Content" and "Tool calls".
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_DIFF_LINES: Final = 5_000
"""Beyond this many lines (old and new together) a diff is summed up: difflib's time grows with the square of them."""

MAX_NAME: Final = 120
"""Characters of a title that stand in for a tool's name."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][\w.:/-]*\Z")
_RAW_TEXT_KEYS: Final = ("output", "stdout", "text", "content", "error", "message")
"""Where agents put the text within a raw output that is an object."""


def block_text(block: object) -> str:
    """Returns what a content block says: text as it is, a link or resource as text, other kinds as their name."""
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
            return _string(resource.get("text")) or f"[resource {_string(resource.get('uri'))}]"
        case str(kind):
            return f"[{kind} {_string(block.get('mimeType'))}]".replace(" ]", "]")
        case _:
            return ""


def content_text(contents: object) -> str:
    """Returns a tool call's content as one text, diffs in unified form; a terminal's output is in ``_meta``."""
    if not isinstance(contents, list):
        return ""
    parts = [_part(content) for content in contents if isinstance(content, Mapping)]
    return "\n".join(part for part in parts if part)


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
    """Returns the best name for a call's tool. ACP has no field for it: adapters say it in ``_meta`` or in the title.

    A title that is a sentence or a command line is no name; then the kind is, unless it says nothing ("other").
    """
    meta = update.get("_meta")
    if isinstance(meta, Mapping):
        for part in (meta, *(value for value in meta.values() if isinstance(value, Mapping))):
            if isinstance(name := part.get("toolName"), str) and name:
                return name
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


def _part(content: Mapping[str, Any]) -> str:
    match content.get("type"):
        case "content":
            return block_text(content.get("content"))
        case "diff":
            old = content.get("oldText")
            return unified_diff(
                _string(content.get("path")), old if isinstance(old, str) else None, _string(content.get("newText"))
            )
        case "terminal":
            return ""
        case _:
            return block_text(content)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
