"""Local skills: what a SKILL.md says of itself, and what of all that a ``hello`` reports.

A skill's id is the word by which its agent knows it: for Claude Code the name of its folder, with its plugin's name
before it (``tools:lint``) where a plugin brings it; for Codex, Gemini CLI and OpenCode the name in its own text. An
agent's blocklist holds such ids and matches them exactly.

A manifest is small enough for one message and for one record of the plane's, whatever lies on the laptop: each agent
has the same share of it. What does not fit loses its descriptions first and leaves from the end of the list last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from msgspec.structs import replace

from ..wire.frames import LocalSkill
from .shorten import clean, json_bytes

MAX_SKILLS: Final = 200
"""Of one agent."""

MAX_MANIFEST_BYTES: Final = 48 * 1024
"""All agents' skills as JSON: less than half a message of API Gateway, and what a record of the plane's bears."""

MAX_ID_CHARS: Final = 128
"""The longest word that a blocklist takes: a skill with a longer id could never be hidden."""

MAX_NAME_CHARS: Final = 128
MAX_DESCRIPTION_CHARS: Final = 500

_BRIEF_CHARS: Final = 120
"""What is left of each description where the whole ones do not fit."""

_FENCE: Final = "---"


@dataclass(frozen=True)
class Manifest:
    """What is reported.

    Attributes:
        skills: by agent, only those that have some; by id.
        left_out: by agent, how many did not fit.
        shortened: the agents whose descriptions were cut to make more of them fit.
    """

    skills: dict[str, tuple[LocalSkill, ...]]
    left_out: dict[str, int]
    shortened: tuple[str, ...]


def manifest(found: Mapping[str, Iterable[LocalSkill]], max_bytes: int = MAX_MANIFEST_BYTES) -> Manifest:
    """What is reported of the skills that were found.

    Args:
        found: by agent; of two with one id the first counts.
        max_bytes: of all together, as JSON.
    """
    unique = {agent: {one.id: one for one in reversed(list(skills))} for agent, skills in found.items()}
    agents = {agent: [of[id_] for id_ in sorted(of)] for agent, of in unique.items() if of}
    share = max_bytes // max(1, len(agents))
    kept: dict[str, tuple[LocalSkill, ...]] = {}
    left_out: dict[str, int] = {}
    shortened = []
    for agent, skills in agents.items():
        chosen, max_chars = _fitting(skills[:MAX_SKILLS], share)
        kept[agent] = chosen
        if len(chosen) < len(skills):
            left_out[agent] = len(skills) - len(chosen)
        if max_chars < MAX_DESCRIPTION_CHARS:
            shortened.append(agent)
    return Manifest(kept, left_out, tuple(shortened))


def skill_of(id_: str, fields: Mapping[str, Any], source: str) -> LocalSkill | None:
    """A skill as it is reported; None = it can't be, since no blocklist could hold its id.

    Args:
        id_: as its agent knows it.
        fields: of its frontmatter.
        source: where it comes from, never a path.
    """
    if not id_ or len(id_) > MAX_ID_CHARS or id_ != clean(id_):
        return None
    name = _line(fields.get("name"))[:MAX_NAME_CHARS] or id_
    description = _ended(_line(fields.get("description")), MAX_DESCRIPTION_CHARS)
    return LocalSkill(id=id_, name=name, description=description, source=source)


def frontmatter(text: str) -> str | None:
    """The block between two lines of dashes with which a SKILL.md begins; None = it has none."""
    first, *rest = text.removeprefix("\ufeff").splitlines() or [""]
    if first.rstrip() != _FENCE:
        return None
    for number, line in enumerate(rest):
        if line.rstrip() == _FENCE:
            return "\n".join(rest[:number])
    return None


def plain_fields(block: str) -> dict[str, str]:
    """The fields of a block that is not YAML, line by line: agents load skills with an unquoted colon in their text."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        key, colon, value = line.partition(":")
        if colon and key and key == key.strip() and key not in found:
            found[key] = value.strip().strip("\"'")
    return found


def _fitting(skills: list[LocalSkill], max_bytes: int) -> tuple[tuple[LocalSkill, ...], int]:
    """As many as fit, and to how many characters their descriptions were cut for that."""
    for max_chars in (MAX_DESCRIPTION_CHARS, _BRIEF_CHARS):
        cut = _cut(skills, max_chars)
        if sum(_json_bytes(one) for one in cut) <= max_bytes:
            return cut, max_chars
    cut = _cut(skills, 0)
    used = accumulate(_json_bytes(one) for one in cut)
    return tuple(one for one, total in zip(cut, used, strict=True) if total <= max_bytes), 0


def _cut(skills: list[LocalSkill], max_chars: int) -> tuple[LocalSkill, ...]:
    return tuple(replace(one, description=_ended(one.description, max_chars)) for one in skills)


def _json_bytes(skill: LocalSkill) -> int:
    """With the comma after it."""
    return json_bytes(skill) + 1


def _line(value: object) -> str:
    """A field as one line of text; what is no text is none."""
    return " ".join(clean(value).split()) if isinstance(value, str) else ""


def _ended(text: str, max_chars: int) -> str:
    """``text``, or its beginning with a sign that it is one."""
    if len(text) <= max_chars:
        return text
    return f"{text[: max_chars - 1].rstrip()}…" if max_chars else ""
