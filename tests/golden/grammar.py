"""The key grammar, read from the table in the docstring of ``chalicelib/stores/table.py``: every kind of item there is.

A kind is named for its table and for the first word of its keys' patterns, or their last placeholder where these are
nothing but placeholders: ``records/runtime``, ``live/counter``. A second kind of one name adds its last placeholder.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any, NamedTuple

from pynamodb.models import Model

from chalicelib.stores import table

Item = dict[str, dict[str, Any]]
"""An item as DynamoDB has it."""


class Kind(NamedTuple):
    """A kind of item: its table, and the patterns of its keys; a range pattern of "" is none."""

    table: str
    hash_key: str
    range_key: str


def kinds(text: str = table.__doc__ or "") -> dict[str, Kind]:
    """The kinds by name, in the order of the grammar's table.

    A line that gives both keys, or a table, begins a group; the lines after it add further patterns to either key, and
    each hash pattern of a group goes with each of its range patterns.
    """
    lines = text.splitlines()
    above, below, end = (index for index, line in enumerate(lines) if line.startswith("==="))
    columns = [slice(*found.span()) for found in re.finditer("=+", lines[above])]
    groups: list[tuple[str, list[str], list[str]]] = []
    for line in lines[below + 1 : end]:
        name = line[columns[0]].strip()
        hashes, ranges = re.findall("``(.+?)``", line[columns[1]]), re.findall("``(.+?)``", line[columns[2]])
        if name or (hashes and ranges):
            groups.append((name or groups[-1][0], hashes, ranges))
        else:
            groups[-1][1].extend(hashes)
            groups[-1][2].extend(ranges)
    named: dict[str, Kind] = {}
    for name, hashes, ranges in groups:
        for keys in product(hashes, ranges or [""]):
            kind = Kind(name, *keys)
            named[_name(kind, set(named))] = kind
    return named


def kind_of(model: type[Model], item: Item) -> str | None:
    """The kind of an item of this table, of two that fit the first one; None for one that the grammar does not know."""
    attributes = [one for one in model.get_attributes().values() if one.is_hash_key or one.is_range_key]
    keys = [item[one.attr_name] for one in sorted(attributes, key=lambda one: one.is_range_key)]
    suffix = str(model.Meta.table_name).rpartition("-")[2]
    for name, kind in kinds().items():
        patterns = [one for one in (kind.hash_key, kind.range_key) if one]
        if kind.table == suffix and len(patterns) == len(keys) and all(map(_fits, patterns, keys)):
            return name
    return None


def _name(kind: Kind, taken: set[str]) -> str:
    keys = f"{kind.hash_key} {kind.range_key}"
    placeholders = re.findall(r"<(\w+)>", keys)
    words = re.findall(r"\w+", re.sub(r"<\w+>", "", keys)) or placeholders[-1:]
    name = f"{kind.table}/{words[0]}"
    if name in taken:
        name += f"-{placeholders[-1]}"
    assert name not in taken, f"the key grammar has two kinds {name}"
    return name


def _fits(pattern: str, key: dict[str, Any]) -> bool:
    return "N" in key or re.fullmatch(re.sub(r"<\w+>", "[^#]+", re.escape(pattern)), key["S"]) is not None
