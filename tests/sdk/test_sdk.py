"""The official SDK drives the plane unchanged, with a real laptop behind it."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.aftermath import pytest_runtest_makereport, watched_ground
from tests.journeys.ground import Ground, House

from .install import SDKS, python_of

__all__ = ["pytest_runtest_makereport"]

pytestmark = pytest.mark.xdist_group("sdk")

DRIVER = Path(__file__).with_name("driver.py")
PATIENCE_S = 180


def steps(driver: Path = DRIVER) -> list[str]:
    """The names of a driver's steps, without importing it: this environment has no SDK."""
    functions = [one for one in ast.parse(driver.read_text()).body if isinstance(one, ast.FunctionDef)]
    return [one.name for one in functions if any(getattr(d, "id", "") == "step" for d in one.decorator_list)]


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for ground in watched_ground(request.config, Ground(tmp_path_factory.mktemp("sdk"))):
        made = House(ground, "house")
        yield made
        made.stop()


@pytest.fixture(scope="module", params=SDKS)
def outcomes(request: pytest.FixtureRequest, house: House) -> dict[str, Any]:
    """How each step went, driven by one version of the SDK."""
    laptop = house.laptop(request.param).start()
    command = [str(python_of(request.param)), str(DRIVER), house.plane.url, house.api.key, laptop.runtime_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return {told["step"]: told for told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", steps())
def test_the_sdk_finds_that(outcomes: dict[str, Any], name: str) -> None:
    """Catches an answer that the SDK's own types refuse, a list that stops early, a prompt that runs twice."""
    assert outcomes[name]["ok"], outcomes[name]["why"]
