"""The pages name tests, rules, files and links that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, codes

_FILE = re.compile(
    r"(?:chalicelib|daemon|docs|infra|tests|changelog\.d|bench)(?:/[\w.-]+)*/?|[\w.-]+\.(?:py|toml|md|txt)"
)
_ON_THE_LAPTOP = {"config.toml", "AGENTS.md", "CLAUDE.md", "GEMINI.md", "SKILL.md"}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def tests_there() -> set[str]:
    sources = (ROOT / "tests").rglob("test_*.py")
    return {name for path in sources for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_every_test_that_a_page_names_exists(path: Path, tests_there: set[str]) -> None:
    named = {one for one in codes(path.read_text(encoding="utf-8")) if re.fullmatch(r"test_\w+", one)}
    assert named - tests_there == set()


def test_what_is_promised_about_delivery_names_its_tests() -> None:
    """Catches a promise without a proof: every section that makes one ends with the tests for it."""
    text = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    promises = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    bare = [one.splitlines()[0] for one in promises if "`test_" not in one]
    assert bare == ["Words", "How long things are kept", "What is not promised"]


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_every_file_that_a_page_names_exists(path: Path) -> None:
    named = {one for one in codes(path.read_text(encoding="utf-8")) if _FILE.fullmatch(one)} - _ON_THE_LAPTOP
    assert {one for one in named if not (ROOT / one).exists() and not (path.parent / one).exists()} == set()


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}, target
