"""What a SKILL.md says of itself, and what of all skills goes into a hello."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.core.shorten import json_bytes
from mooring.core.skills import (
    MAX_DESCRIPTION_CHARS,
    MAX_ID_CHARS,
    MAX_MANIFEST_BYTES,
    MAX_SKILLS,
    frontmatter,
    manifest,
    plain_fields,
    skill_of,
)
from mooring.wire.frames import LocalSkill


def made(number: int, description: str = "") -> LocalSkill:
    return LocalSkill(id=f"s{number:03}", name="S", description=description, source="global")


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("---\nname: x\n---\n# X", "name: x"),
        ("\ufeff---\r\nname: x\r\n--- \r\n", "name: x"),
        ("---\n---", ""),
        ("---\nname: x", None),
        ("# no\n---\nname: x\n---\n", None),
        ("", None),
    ],
)
def test_the_block_at_the_head_of_a_skill_is_found(text: str, block: str | None) -> None:
    """Catches a skill of an editor that writes other line ends, and one whose block never ends."""
    assert frontmatter(text) == block


def test_a_block_that_is_no_yaml_is_read_line_by_line() -> None:
    """Catches the loss of skills that agents load: an unquoted colon in a description is common."""
    block = "name: 'x'\ndescription: Use when: a: b\n  deep: no\nname: second\nno colon\n: nothing"
    assert plain_fields(block) == {"name": "x", "description": "Use when: a: b"}


def test_a_skill_is_told_in_single_lines_that_end_where_they_must() -> None:
    long = "word " * 200
    skill = skill_of("audit", {"name": "Au\ndit", "description": long, "other": 1}, "global")
    assert skill is not None
    assert (skill.name, skill.source, len(skill.description)) == ("Au dit", "global", MAX_DESCRIPTION_CHARS)
    assert skill.description.endswith("word…")
    assert skill_of("audit", {"name": ["x"]}, "global") == LocalSkill(id="audit", name="audit", source="global")


@pytest.mark.parametrize("id_", ["", "x" * (MAX_ID_CHARS + 1), "half \ud800"])
def test_a_skill_that_no_blocklist_could_name_is_not_told(id_: str) -> None:
    """Catches a skill that people see and can't hide, and a name that no frame can carry."""
    assert skill_of(id_, {}, "global") is None


def test_of_two_skills_with_one_id_the_first_counts_and_an_agent_without_any_is_not_named() -> None:
    found = manifest({"a": [made(2), made(1, "first"), made(1, "second")], "b": []})
    assert found.skills == {"a": (made(1, "first"), made(2))}
    assert (found.left_out, found.shortened) == ({}, ())
    assert manifest({}).skills == {}


def test_descriptions_are_cut_before_a_skill_is_left_out() -> None:
    """Catches a manifest in which the last skills are missing for the first ones' long words."""
    skills = [made(number, "x" * MAX_DESCRIPTION_CHARS) for number in range(100)]
    brief = manifest({"a": skills}, max_bytes=30_000)
    assert (len(brief.skills["a"]), brief.left_out, brief.shortened) == (100, {}, ("a",))
    assert {len(one.description) for one in brief.skills["a"]} == {120}
    bare = manifest({"a": skills}, max_bytes=8_000)
    assert (len(bare.skills["a"]), bare.left_out) == (100, {})
    assert {one.description for one in bare.skills["a"]} == {""}
    few = manifest({"a": skills}, max_bytes=1_000)
    assert 0 < len(few.skills["a"]) < 100
    assert few.left_out == {"a": 100 - len(few.skills["a"])}


def test_each_agent_has_its_share_and_no_more_than_so_many_skills() -> None:
    """Catches one agent's many skills that push out those of another."""
    crowd = [made(number, "x" * 400) for number in range(MAX_SKILLS + 5)]
    found = manifest({"a": crowd, "b": [made(1, "kept")]})
    assert found.skills["b"] == (made(1, "kept"),)
    assert len(found.skills["a"]) == MAX_SKILLS
    assert (found.left_out, found.shortened) == ({"a": 5}, ("a",))


_LINES = st.text(max_size=300)


@given(st.dictionaries(st.text(max_size=10), st.lists(st.tuples(_LINES, _LINES, _LINES), max_size=30), max_size=5))
def test_a_manifest_never_takes_more_than_it_may(found: dict[str, list[tuple[str, str, str]]]) -> None:
    """Catches a hello that API Gateway closes the connection for."""
    skills = {
        agent: [one for id_, name, text in of if (one := skill_of(id_, {"name": name, "description": text}, "global"))]
        for agent, of in found.items()
    }
    for max_bytes in (MAX_MANIFEST_BYTES, 2_000):
        told = manifest(skills, max_bytes)
        assert sum(json_bytes(one) for of in told.skills.values() for one in of) <= max_bytes
        counts = {agent: len({one.id for one in of}) for agent, of in skills.items() if of}
        assert counts == {agent: len(of) + told.left_out.get(agent, 0) for agent, of in told.skills.items()}
