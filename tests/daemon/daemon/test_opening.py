"""What an agent's child is started with: whose word counts about its variables."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mooring.daemon.agents import Agents
from mooring.daemon.opening import Opener
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.providers.ports import ChildSpec
from mooring.wire.bundle import Bundle, BundleMCPServer
from mooring.wire.ids import SessionId


class OnePlane:
    """A plane that knows one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def bundle(self, session_id: str, agent_id: str) -> Bundle:
        return self._bundle

    def turn(self, session_id: str, turn_id: str) -> Any:
        raise AssertionError("nobody asks for a turn")

    def upload(self, session_id: str, event_id: str, body: bytes) -> None:
        raise AssertionError("nobody uploads")


class NoChild:
    """A provider that starts nothing."""

    async def open(self, continuation: str | None) -> None:
        """Does nothing."""


def spec_of(home: Path, bundle: Bundle, **agent: Any) -> ChildSpec:
    """What OpenCode would be started with."""
    config = Config(agents={"opencode": AgentConfig(command=sys.executable, **agent)})
    made: list[ChildSpec] = []

    def make(spec: ChildSpec, *_: object) -> Any:
        made.append(spec)
        return NoChild()

    opener = Opener(OnePlane(bundle), Paths(home), config, Agents(config), make)
    asyncio.run(opener.open(SessionId("sesn_1"), "opencode", None, lambda _: None, None))  # type: ignore[arg-type]  # It asks nobody.
    return made[0]


def test_an_agent_that_asks_by_its_variables_gets_them_and_for_every_server(tmp_path: Path) -> None:
    bundle = Bundle(mcp_servers=(BundleMCPServer(name="notes", url="http://n"),))
    rules = json.loads(spec_of(tmp_path, bundle).env["OPENCODE_PERMISSION"])
    assert (rules["bash"], rules["notes_*"]) == ({"*": "ask"}, {"*": "ask"})


def test_an_agent_that_may_act_does_not(tmp_path: Path) -> None:
    assert "OPENCODE_PERMISSION" not in spec_of(tmp_path, Bundle(permission_policy="always_allow")).env


def test_the_daemons_own_environment_does_not_loosen_the_policy_but_the_configuration_of_the_agent_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCODE_PERMISSION", "{}")
    assert spec_of(tmp_path, Bundle()).env["OPENCODE_PERMISSION"] != "{}"
    assert spec_of(tmp_path, Bundle(), env={"OPENCODE_PERMISSION": "{}"}).env["OPENCODE_PERMISSION"] == "{}"
