"""What is installed is what is declared: pyproject files, the developers' lock and the deployed requirements agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.house.pins import Pin, pins
from tests.house.tree import DAEMON, ROOT, canonical

LOCK = ROOT / "requirements-dev.lock"
DEPLOYED = ROOT / "requirements.txt"
PLANE = "mooring-plane (pyproject.toml)"
FOR_EXTRAS = {"pysocks"}
"""What the tests' selenium asks of a dependency of the plane as an extra; a lock tells nothing of extras."""

BOTH = pytest.mark.parametrize("path", [LOCK, DEPLOYED], ids=lambda path: path.name)


def declared() -> dict[str, list[str]]:
    """Return the dependencies that people wrote down, by where they wrote them."""
    plane = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    daemon = tomllib.loads((DAEMON / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        "plane": plane["project"]["dependencies"],
        "dev": plane["dependency-groups"]["dev"],
        "daemon": daemon["project"]["dependencies"],
        "build": daemon["build-system"]["requires"],
    }


def closure(locked: dict[str, set[Pin]], root: str) -> set[str]:
    """Return every distribution that the lock says is there for `root`, directly or through others."""
    reached: set[str] = set()
    new = {root}
    while new:
        new = {name for name, found in locked.items() for pin in found if pin.wanted_by & new} - reached
        reached |= new
    return reached


@BOTH
def test_every_pin_is_one_version_with_hashes_from_no_named_place(path: Path) -> None:
    assert pins(path)
    for pin in set[Pin]().union(*pins(path).values()):
        assert re.fullmatch(r"[\w.-]+==[\w.+!]+( ; .+)?", pin.requirement), pin.requirement
        assert pin.hashes, pin.requirement


@BOTH
def test_file_names_no_registry_and_no_path(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"://|^-|--(?!hash=)| @ |/(?!pyproject\.toml)", text, re.MULTILINE)


@pytest.mark.parametrize("where", ["plane", "dev", "daemon", "build"])
def test_every_declared_dependency_is_locked_to_a_version_it_allows(where: str) -> None:
    locked = pins(LOCK)
    for text in declared()[where]:
        wanted = Requirement(text)
        for pin in locked[canonical(wanted.name)]:
            version = Requirement(pin.requirement).specifier
            assert wanted.specifier.contains(str(version).removeprefix("==")), f"{text} against {pin.requirement}"


def test_lock_holds_nothing_that_is_no_longer_declared() -> None:
    by_hand = {canonical(Requirement(text).name) for texts in declared().values() for text in texts}
    for name, found in pins(LOCK).items():
        if any(reason.startswith("mooring-") for pin in found for reason in pin.wanted_by):
            assert name in by_hand


def test_deployed_requirements_are_exactly_what_the_plane_needs() -> None:
    assert set(pins(DEPLOYED)) == closure(pins(LOCK), PLANE) - FOR_EXTRAS


def test_deployed_requirements_are_the_locked_ones() -> None:
    locked = pins(LOCK)
    for name, found in pins(DEPLOYED).items():
        assert {(pin.requirement, pin.hashes) for pin in found} == {
            (pin.requirement, pin.hashes) for pin in locked[name]
        }
