"""Reads requirements files as `uv pip compile` writes them: a pin, its hashes, and which other pins want it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from tests.house.tree import canonical


@dataclass(frozen=True)
class Pin:
    """One version in a requirements file; a universal lock may hold two of a distribution, for different Pythons."""

    requirement: str
    hashes: frozenset[str]
    wanted_by: frozenset[str]


def pins(path: Path) -> dict[str, set[Pin]]:
    """Return a requirements file's pins by canonical name."""
    found: dict[str, set[Pin]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", path.read_text(encoding="utf-8")):
        lines = [line.strip().removesuffix("\\").strip() for line in block.splitlines()]
        head, rest = lines[0], lines[1:]
        if head.startswith("#"):
            continue
        comments = [line.lstrip("# ").removeprefix("via").strip() for line in rest if line.startswith("#")]
        hashes = frozenset(line.removeprefix("--hash=") for line in rest if line.startswith("--hash="))
        found.setdefault(canonical(Requirement(head).name), set()).add(
            Pin(head, hashes, frozenset(filter(None, comments)))
        )
    return found
