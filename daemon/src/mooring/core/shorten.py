"""What an agent says, made fit for an event: always encodable, never over a bound, and any cut said in the text."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MARK: Final = "\n[shortened here by the daemon: it was longer than an event may be]"
"""Ends every text that was cut."""

SHORT_STRING_BYTES: Final = 4 * 1024
"""What is left of a long string in arguments that do not fit whole."""

MAX_DEPTH: Final = 100
"""How deep arguments may be nested."""

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
"""Integers that JSON readers on both sides take; others become text."""


def clean(text: str) -> str:
    """``text`` with halves of surrogate pairs replaced by ``?``: agents cut JSON strings inside a character."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()


def json_bytes(value: object) -> int:
    """How many bytes ``value`` takes as JSON."""
    return len(msgspec.json.encode(value))


def cut(text: str, max_bytes: int) -> str:
    """``text``, or as much of it as fits ``max_bytes`` of JSON together with ``MARK``."""
    if json_bytes(text) <= max_bytes:
        return text
    return head(text, max_bytes - json_bytes(MARK)) + MARK


def head(text: str, max_bytes: int) -> str:
    """The longest beginning of ``text`` that takes at most ``max_bytes`` as JSON."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if json_bytes(text[:middle]) <= max_bytes else (low, middle - 1)
    return text[:low]


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` as plain JSON data, whatever it was: nothing in it can fail to be encoded."""
    if depth > MAX_DEPTH:
        return "[nested too deep]"
    match value:
        case str():
            return clean(value)
        case bool() | None | float():
            return value
        case int():
            return value if _MIN_INT <= value <= _MAX_INT else str(value)
        case dict():
            return {clean(str(key)): plain(one, depth + 1) for key, one in value.items()}
        case list() | tuple():
            return [plain(one, depth + 1) for one in value]
        case _:
            return clean(str(value))


def fitting(value: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """``value`` as plain data of at most ``max_bytes``: whole, else with its long strings cut, else its JSON cut."""
    whole: dict[str, Any] = plain(value)
    if json_bytes(whole) <= max_bytes:
        return whole
    cut_strings: dict[str, Any] = _cut_strings(whole)
    if json_bytes(cut_strings) <= max_bytes:
        return cut_strings
    as_text = msgspec.json.encode(cut_strings).decode()
    return {"shortened": cut(as_text, max_bytes - json_bytes({"shortened": ""}))}


def _cut_strings(value: Any) -> Any:
    match value:
        case str():
            return cut(value, SHORT_STRING_BYTES)
        case dict():
            return {key: _cut_strings(one) for key, one in value.items()}
        case list():
            return [_cut_strings(one) for one in value]
        case _:
            return value
