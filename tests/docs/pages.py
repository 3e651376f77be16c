"""The pages under test: their sections, tables and code blocks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "daemon" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_CODE = re.compile(r"`([^`]+)`")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page under `docs/`."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def section(text: str, title: str, level: int = 2) -> str:
    """What stands under a heading, down to the next one of its level or above. Raises KeyError when it is not there."""
    head = re.search(rf"^{'#' * level} {re.escape(title)}$", text, re.MULTILINE)
    if head is None:
        raise KeyError(title)
    rest = text[head.end() :]
    end = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def subsections(text: str) -> dict[str, str]:
    """The sections of level 3 in a text whose headings are one piece of code, by that."""
    return {name: section(text, f"`{name}`", 3) for name in re.findall(r"^### `([^`]+)`$", text, re.MULTILINE)}


def rows(text: str) -> list[list[str]]:
    """The cells of every table row whose first cell is a piece of code, without its backticks."""
    found = []
    for line in text.splitlines():
        if line.startswith("| `"):
            first, *rest = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found.append([first.strip("`"), *rest])
    return found


def codes(text: str) -> list[str]:
    """All pieces of inline code in a text. One may be broken over two lines."""
    return [" ".join(one.split()) for one in _CODE.findall(_FENCED.sub("", text))]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
