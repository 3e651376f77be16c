"""The official SDK drives real agents, unchanged: both versions, each agent."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.sdk.install import SDKS, python_of
from tests.sdk.test_sdk import DRIVER, PATIENCE_S, steps

from .agents import AgentLaptop
from .fake_llm import FakeLLM

pytestmark = pytest.mark.xdist_group("agents")

WITH_EVERY_SDK = ("claude-acp", "codex-acp")

AGENTS_DRIVER = DRIVER.with_name("agents_driver.py")


@pytest.mark.parametrize("sdk", SDKS)
def test_the_sdk_drives_a_real_agent(laptop: AgentLaptop, llm: FakeLLM, sdk: str) -> None:
    """Catches what only real agents say and the SDK's own types refuse."""
    if sdk != SDKS[0] and laptop.real.id not in WITH_EVERY_SDK:
        pytest.skip("What this agent says is read by the newest SDK; the older one's types know less.")
    seen_before = len(llm.seen)
    at = (laptop.house.plane.url, laptop.house.api.key, laptop.runtime_id, laptop.real.id)
    command = [str(python_of(sdk)), str(AGENTS_DRIVER), *at]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["step"] for one in told] == steps(AGENTS_DRIVER), done.stderr
    assert [(one["step"], one["why"]) for one in told if not one["ok"]] == []
    assert any("MARK_of_the_file" in json.dumps(one.body) for one in llm.seen[seen_before:])
