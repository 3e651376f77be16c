"""The rules of the house that no linter knows: sizes, names, and nothing that only one workplace has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, modules, run

MAX_MODULE_LINES = 400
MAX_APP_LINES = 80
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}

# Each pattern is written so that it does not match its own text here.
OF_ONE_WORKPLACE = {
    "a path on somebody's disk": r"(?<![\w/.$~])/(?:home|Users)/\w+/|file:/{2}",
    "an address of a package registry": (
        r"(?<!emit-)\b(?:extra-)?index[-]url|(?:PIP|UV)_\w*INDEX\w*=|https?:[^\s\"')]+/simple\b"
    ),
    "a folder of packages": r"(?<!emit-)\bfind[-]links\b",
}


def lines_in(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_is_longer_than_a_person_reads_in_one_go() -> None:
    found = modules("chalicelib", "daemon/src", "infra")
    assert found
    too_long = {str(path.relative_to(ROOT)): lines_in(path) for path in found if lines_in(path) > MAX_MODULE_LINES}
    assert too_long == {}


def test_app_is_only_a_roof() -> None:
    assert lines_in(ROOT / "app.py") <= MAX_APP_LINES


def test_every_module_is_named_for_something() -> None:
    found = modules("chalicelib", "daemon/src", "infra", "tests")
    nameless = [
        str(path.relative_to(ROOT))
        for path in found
        if NAMES_THAT_SAY_NOTHING & {path.stem, *(folder.name for folder in path.relative_to(ROOT).parents)}
    ]
    assert nameless == []


@pytest.fixture(scope="module")
def tracked_text() -> dict[str, str]:
    """The text of every file that a clone has, or would have after the next commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("Only a git checkout knows which files a clone gets.")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    texts = {}
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            texts[name] = path.read_bytes().decode("utf-8", errors="replace")
    return texts


@pytest.mark.parametrize("what", OF_ONE_WORKPLACE)
def test_no_file_holds_what_only_one_workplace_has(tracked_text: dict[str, str], what: str) -> None:
    pattern = re.compile(OF_ONE_WORKPLACE[what])
    assert {name: hits for name, text in tracked_text.items() if (hits := pattern.findall(text))} == {}


def test_no_file_names_the_folder_it_was_written_in(tracked_text: dict[str, str]) -> None:
    here = re.compile(rf"(?<![\w/.]){re.escape(str(ROOT))}(?![\w-])")
    assert [name for name, text in tracked_text.items() if here.search(text)] == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cd /ho" + "me/ada/mooring", "a path on somebody's disk"),
        ("see file:" + "///opt/x", "a path on somebody's disk"),
        ("pip install --extra-index" + "-url https://pypi.example", "an address of a package registry"),
        ("https://pypi.example/" + "simple", "an address of a package registry"),
        ("pip --find" + "-links wheels", "a folder of packages"),
    ],
)
def test_the_patterns_find_what_they_are_for(text: str, what: str) -> None:
    assert re.search(OF_ONE_WORKPLACE[what], text)
