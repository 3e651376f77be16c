"""Findings: what a look at this laptop found, each with what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "note", "problem"]
"""``problem``: this laptop does not do its work as it is. ``note``: it does, and could do more."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at; stable snake_case.
        level: how it is.
        told: a sentence that says how it is.
        remedy: a sentence that says what to do; "" where nothing need be done.
        facts: the same for a program. Neither holds a secret.
    """

    name: str
    level: Level
    told: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """For a person."""
        mark = {"ok": "✓", "note": "·", "problem": "✗"}[self.level]
        return f"{mark} {self.name:<12} {self.told}" + (f" {self.remedy}" if self.remedy else "")

    @property
    def body(self) -> dict[str, Any]:
        """For a program."""
        return asdict(self)
