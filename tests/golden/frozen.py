"""What is frozen: a folder for each version, whose files are added and never edited.

``v1`` is everything that was written and said when it was frozen. When something comes later (another frame, another
kind of row, another field), the next folder is made: what is said has a file there if it is new, what is written is
frozen as a whole. So completeness is that of all folders together. ``SHA256SUMS`` in each of them pins what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import UNSET, Raw, Struct
from msgspec.structs import fields

HERE = Path(__file__).parent
SUMS = "SHA256SUMS"
LEAST = ".least.json"
"""Ends the name of a file with what is said at least, and how it was read."""


def versions() -> list[Path]:
    """The folders, one for each version."""
    return sorted(HERE.glob("v[0-9]*"))


def found(pattern: str) -> list[str]:
    """The frozen files of all versions that fit, as paths from here."""
    return sorted(str(one.relative_to(HERE)) for folder in versions() for one in folder.glob(pattern) if one.is_file())


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a version's folder but its list of hashes, by path."""
    inside = {str(one.relative_to(folder)): one for one in sorted(folder.rglob("*")) if one.is_file()}
    return {name: one.read_bytes() for name, one in inside.items() if name != SUMS}


def lines(path: Path) -> Iterator[Any]:
    """The values of a file that holds one in each line."""
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def spelled_out(value: object, *, least: bool = False) -> Any:
    """A value as JSON with every field of every Struct, so that a default shows like what was said.

    Args:
        value: a Struct, or anything that may stand in one.
        least: leave out every field that need not be said.
    """
    match value:
        case Struct():
            kept = [one for one in fields(type(value)) if one.required or not least]
            said = {one.encode_name: spelled_out(getattr(value, one.name), least=least) for one in kept}
            tag = value.__struct_config__.tag
            return ({"type": tag} if tag is not None else {}) | {k: v for k, v in said.items() if v is not UNSET}
        case Raw():
            return json.loads(bytes(value))
        case dict():
            return {key: spelled_out(one, least=least) for key, one in value.items()}
        case tuple() | list():
            return [spelled_out(one, least=least) for one in value]
        case _:
            return value


def as_then(now: Any, then: Any) -> Any:
    """What is said ``now``, without what ``then`` did not have: code that grew says more.

    An object has got more fields, or, where a Struct is written as an array, that array has got longer.
    """
    match now, then:
        case dict(), dict():
            return {key: as_then(one, then[key]) for key, one in now.items() if key in then}
        case list(), list():
            return [as_then(one, other) for one, other in zip(now, then, strict=False)]
        case _:
            return now
