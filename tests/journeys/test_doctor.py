"""``moor doctor --prove``: a laptop shows by itself that everything between its agent and the plane works."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.stage import moor

from .ground import House, Laptop

pytestmark = pytest.mark.xdist_group("journeys of crashes and strangers")

STEPS = ["turn", "permission", "cancel", "reconnect", "replay"]


def proves(laptop: Laptop) -> tuple[int, dict[str, dict[str, Any]], str]:
    """The command's status, its findings by name, and all that it printed."""
    done = moor(laptop.home, "doctor", "--prove", "--json", env=laptop.house.ground.env)
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["findings"]}, done.stdout + done.stderr


def test_a_canary_goes_to_the_laptop_and_back_and_leaves_nothing(house: House) -> None:
    """Catches a proof that needs a person's key, one that shows in the team's lists, and one that tells secrets."""
    laptop = house.laptop("proven").start()
    status, found, printed = proves(laptop)
    assert status == 0, printed
    assert {name: found[name]["level"] for name in STEPS} == dict.fromkeys(STEPS, "ok")
    assert laptop.token not in printed
    assert "moor_st_" not in printed
    assert laptop.runtime_id not in json.dumps(house.api.ok("GET", "/v1/agents?limit=100")["data"])
    assert laptop.runtime_id not in json.dumps(house.api.ok("GET", "/v1/sessions?limit=100")["data"])
    laptop.stop()


def test_a_laptop_whose_agents_do_nothing_does_not_pass(house: House) -> None:
    """Catches a proof that holds for any agent: this one never says a word."""
    laptop = house.laptop("mute")
    (laptop.home / "config.toml").write_text('[agents.echo]\ncommand = "false"\n')
    laptop.start()
    status, found, printed = proves(laptop)
    assert status == 1, printed
    assert found["turn"]["level"] == "problem"
    assert "permission" not in found
    laptop.stop()
