"""What README.md tells people to type exists: targets, modules, verbs and their options, routes."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from app import app, surfaces
from mooring.cli import parser
from tests.docs.pages import PAGES, ROOT, blocks, codes, page, rows, section

README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
EVERYTHING = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}


def typed(text: str) -> list[str]:
    """Every command line of a page: of its console blocks, its indented blocks and its inline code."""
    consoles = "\n".join(blocks(text, "console")).replace("\\\n", " ")
    indented = re.findall(r"^ {4}(\S.*?)(?: +#.*)?$", text, re.MULTILINE)
    return [*filter(None, consoles.splitlines()), *indented, *codes(text)]


@pytest.mark.parametrize("page", EVERYTHING)
def test_every_make_target_exists(page: str) -> None:
    named = {one for line in typed(EVERYTHING[page]) for one in re.findall(r"(?:^|\s)make ([a-z-]+)", line)}
    assert named <= TARGETS


def test_the_two_commands_of_a_fresh_machine_come_first() -> None:
    assert blocks(README, "console")[0].split("\n") == ["make run", "make test", ""]


@pytest.mark.parametrize("page", EVERYTHING)
def test_every_module_that_is_run_exists(page: str) -> None:
    named = {one for line in typed(EVERYTHING[page]) for one in re.findall(r"python -m ([\w.]+)", line)}
    assert {one for one in named if importlib.util.find_spec(one) is None} == set()


@pytest.mark.parametrize("page", EVERYTHING)
def test_every_moor_command_can_be_read(page: str) -> None:
    """Catches a verb or an option that was renamed; the values do not matter."""
    text = EVERYTHING[page].replace(section(README, "Not yet"), "")
    for line in typed(text):
        if not re.match(r"(?:\S*/)?moor ", line):
            continue
        verb, *options = takewhile(lambda word: word != ">", shlex.split(line, comments=True)[1:])
        assert verb in {*_verbs(), "--version"}, line
        if options:
            assert callable(parser([verb]).parse_args([verb, *options]).verb), line


def test_what_is_not_yet_there_is_not_there() -> None:
    """Catches a list of what is missing that was not shortened when something came."""
    told = section(README, "Not yet")
    listed = {one.removeprefix("moor ") for one in codes(told) if not one.startswith("POST")}
    assert listed
    assert listed & _verbs() == set()
    assert {one for one in codes(told) if one.startswith("POST")} & _routes() == set()


def test_every_route_is_on_the_page_of_the_api_with_the_right_it_needs_and_no_other_is() -> None:
    told = dict(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \| (\S+) \|", page("api.md"), re.MULTILINE))
    served = {one for one in _routes() if "/agents/runtime/" not in one}
    assert set(told) == served
    rights = {f"{route.method} {route.path}": route.may for one in surfaces for route in one.routes}
    assert {one: right.strip("`") for one, right in told.items()} == {one: rights.get(one) or "--" for one in served}


def test_every_route_that_curl_asks_for_exists() -> None:
    asked = re.findall(r"\$MOOR_SERVER(/v1/[^\s\"'?]+)", README)
    assert asked
    known = {re.sub(r"\{\w+\}", "*", one.split(" ", 1)[1]) for one in _routes()}
    assert {re.sub(r"\$[A-Z_]+", "*", one) for one in asked} <= known


def test_the_python_example_is_python() -> None:
    (example,) = blocks(README, "python")
    ast.parse(example)


def test_every_folder_of_the_table_exists() -> None:
    named = {one for first, *_ in rows(section(README, "The repository")) for one in codes(f"`{first}`")}
    assert {one for one in named if not (ROOT / one).exists()} == set()


def test_every_flag_of_the_local_gateway_is_told() -> None:
    command = [sys.executable, "-m", "infra.local", "up", "--help"]
    helped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^ +(--[a-z-]+)", helped, re.MULTILINE))
    operations = Path(ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {first for first, *_ in rows(operations) if first.startswith("--")} == there


def _verbs() -> set[str]:
    (verbs,) = (one for one in parser(())._actions if isinstance(one.choices, dict))
    return set(verbs.choices or ())


def _routes() -> set[str]:
    return {f"{method} {path}" for path, methods in app.routes.items() for method in methods}
