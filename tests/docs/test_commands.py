"""``docs/laptop.md`` names every command of ``moor`` with its flags, and every exit status."""

from __future__ import annotations

import argparse
from pathlib import Path

from mooring import errors
from mooring.cli import parser
from mooring.commands import result
from tests.daemon.commands.command_line import verbs_of

LAPTOP = Path(__file__).parents[2] / "docs" / "laptop.md"
EVERYWHERE = ("--json", "--profile", "--proxy", "--ca-file", "--help")


def rows() -> list[str]:
    return [line for line in LAPTOP.read_text(encoding="utf-8").splitlines() if line.startswith("|")]


def row(words: str, verb: argparse.ArgumentParser) -> str:
    """A verb's row, as its parser has it: what it needs, what it takes besides, what it is for."""
    given = [one for one in verb._actions if not isinstance(one, argparse._SubParsersAction)]
    flags = [one for one in given if one.option_strings and one.option_strings[-1] not in EVERYWHERE]
    needed = [_flag(one) for one in flags if one.required]
    places = [_place(one) for one in given if not one.option_strings]
    others = [f"`{_flag(one)}`" for one in flags if not one.required]
    others += [f"`{choice}`" for one in given if not one.option_strings for choice in list(one.choices or ())[1:]]
    line = " ".join(["moor", words, *places, *needed])
    return f"| `{line}` | {', '.join(others) or '--'} | {verb.description} |"


def _place(action: argparse.Action) -> str:
    name = next(iter(map(str, action.choices or ())), str(action.metavar or action.dest.upper()))
    return f"[{name}]" if action.nargs == "?" else name


def _flag(action: argparse.Action) -> str:
    name = action.option_strings[-1]
    if action.nargs == 0:
        return name
    value = "/".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    return f"{name} {value}".replace("|", "/")


def test_every_command_stands_in_the_page_as_its_parser_has_it() -> None:
    """Catches a flag that nobody can find, and one that the page has kept."""
    wanted = [row(words, verb) for words, verb in verbs_of(parser())]
    assert [one for one in rows() if one.startswith("| `moor ")] == wanted


def test_every_exit_status_stands_in_the_page() -> None:
    modules = (errors, result)
    known = {value for module in modules for name, value in vars(module).items() if name.startswith("EXIT_")}
    told = {int(one.split("|")[1]) for one in rows() if one.split("|")[1].strip().isdecimal()}
    assert told == known
