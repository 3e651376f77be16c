"""``moor`` in a test: run in the test's own process, and looked at as a whole."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import pytest

from mooring.cli import main


def moor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit status, what standard output held (as JSON with ``--json``), and standard error."""
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, json.loads(out) if "--json" in arguments else out, err


def verbs_of(parser: argparse.ArgumentParser, *words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb below a parser as ``runtime list``, with its own parser."""
    if parser.get_default("verb") is not None:
        yield " ".join(words), parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from verbs_of(below, *words, name)
