"""What an agent's child is started with: whose word counts about its variables."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mooring.core.happenings import ContextLost
from mooring.core.permissions import Policy
from mooring.daemon.agents import Agents
from mooring.daemon.opening import Opener
from mooring.edge.config import AgentConfig, Config
from mooring.edge.creds import Paths
from mooring.errors import MoorError
from mooring.providers.ports import ChildSpec
from mooring.wire.bundle import Bundle, BundleFile, BundleMCPServer, BundleVariable
from mooring.wire.ids import SessionId
from tests.daemon.skill_home import ClaudeHome, named_in


class OnePlane:
    """A plane that knows one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def bundle(self, session_id: str, agent_id: str) -> Bundle:
        return self._bundle

    def turn(self, session_id: str, turn_id: str) -> Any:
        raise AssertionError("nobody asks for a turn")

    def file(self, session_id: str, turn_id: str, source: Any) -> bytes:
        raise AssertionError("nobody asks for a file")

    def upload(self, session_id: str, event_id: str, body: bytes) -> None:
        raise AssertionError("nobody uploads")


class NoChild:
    """A provider that starts nothing."""

    async def open(self, continuation: str | None) -> None:
        """Does nothing."""


def spec_of(
    home: Path, bundle: Bundle, *, agent_id: str = "opencode", env: dict[str, str] | None = None, **allowed: Any
) -> ChildSpec:
    """What an agent would be started with."""
    config = Config(agents={agent_id: AgentConfig(command=sys.executable, env=env or {})}, **allowed)
    made: list[ChildSpec] = []

    def make(spec: ChildSpec, *_: object) -> Any:
        made.append(spec)
        return NoChild()

    opener = Opener(OnePlane(bundle), Paths(home), config, Agents(config), make)
    asyncio.run(opener.open(SessionId("sesn_1"), agent_id, None, lambda _: None, None))  # type: ignore[arg-type]  # It asks nobody.
    return made[0]


@pytest.mark.parametrize(("is_forgetful", "told"), [(False, 0), (True, 1)])
def test_a_session_whose_conversation_went_with_the_journal_is_told_so(
    tmp_path: Path, is_forgetful: bool, told: int
) -> None:
    """Catches an agent that has forgotten everything and nobody says why; a new session has forgotten nothing."""
    config = Config(agents={"opencode": AgentConfig(command=sys.executable)})
    heard: list[object] = []

    def opens() -> None:
        made = (OnePlane(Bundle()), Paths(tmp_path), config, Agents(config), lambda *_: NoChild())
        opener = Opener(*made, is_forgetful=is_forgetful)  # type: ignore[arg-type]  # Nobody is started.
        asyncio.run(opener.open(SessionId("sesn_1"), "opencode", None, heard.append, None))  # type: ignore[arg-type]  # It asks nobody.

    opens()
    assert heard == []
    opens()
    assert [type(one) for one in heard] == [ContextLost] * told


def allow(home: Path, folder: Path) -> None:
    """What the owner's file says; it is read when a session is opened, since it changes while the daemon runs."""
    Paths(home).config.write_text(f"workspaces = [{json.dumps(str(folder))}]")


def test_blocked_skills_are_absent_where_claude_looks_and_only_then_does_it_look_elsewhere(tmp_path: Path) -> None:
    """Catches a login that is moved for nothing, and a list that the child never hears of."""
    person = ClaudeHome(tmp_path / "person")
    person.skill("audit")
    person.skill("deploy")
    home, bundle = tmp_path / "home", Bundle(files=(BundleFile(path="AGENTS.md", content="# Reviewer"),))
    plain = spec_of(home, bundle, agent_id="claude-acp", env=person.env)
    assert "CLAUDE_CONFIG_DIR" not in plain.env
    assert not (plain.cwd / ".claude-config").exists()
    spec = spec_of(home, replace(bundle, local_skill_blocklist=("deploy",)), agent_id="claude-acp", env=person.env)
    assert spec.env["CLAUDE_CONFIG_DIR"] == str(spec.cwd / ".claude-config")
    assert named_in(spec.cwd / ".claude-config" / "skills") == {"audit"}


def test_a_session_in_a_workspace_has_it_in_its_own_folder(tmp_path: Path) -> None:
    """Catches a configuration that is built in somebody's project."""
    person, shop = ClaudeHome(tmp_path / "person"), tmp_path.resolve() / "shop"
    person.skill("deploy")
    shop.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    allow(home, shop)
    bundle = Bundle(workspace=str(shop), local_skill_blocklist=("deploy",))
    spec = spec_of(home, bundle, agent_id="claude-acp", env=person.env)
    assert spec.env["CLAUDE_CONFIG_DIR"] == str(home / "sessions" / "sesn_1" / ".claude-config")
    assert list(shop.iterdir()) == []


@pytest.mark.parametrize("name", ["CLAUDE_SECURESTORAGE_CONFIG_DIR", "CLAUDE_CODE_EXECUTABLE", "CODEX_CONFIG"])
def test_a_plane_can_not_send_an_agent_to_another_configuration(tmp_path: Path, name: str) -> None:
    """Catches a bundle that names the program that is run, or whose login counts."""
    with pytest.raises(MoorError) as caught:
        spec_of(tmp_path, Bundle(env=(BundleVariable(name=name, value="/x"),)))
    assert caught.value.code == "bundle_variable_refused"


def test_a_blocklist_and_an_owner_who_sets_the_same_variable_do_not_go_together(tmp_path: Path) -> None:
    """Catches a list that an owner's own rules take the place of."""
    bundle = Bundle(local_skill_blocklist=("deploy",), permission_policy="always_allow")
    assert '"deploy": "deny"' in spec_of(tmp_path, bundle).env["OPENCODE_PERMISSION"]
    with pytest.raises(MoorError) as caught:
        spec_of(tmp_path, bundle, env={"OPENCODE_PERMISSION": "{}"})
    assert caught.value.code == "blocklist_unsupported"
    assert "OPENCODE_PERMISSION" in caught.value.message


def test_an_agent_that_asks_by_its_variables_gets_them_and_for_every_server(tmp_path: Path) -> None:
    bundle = Bundle(mcp_servers=(BundleMCPServer(name="notes", url="http://n"),))
    rules = json.loads(spec_of(tmp_path, bundle).env["OPENCODE_PERMISSION"])
    assert (rules["bash"], rules["notes_*"]) == ({"*": "ask"}, {"*": "ask"})


def test_an_agent_that_may_act_does_not(tmp_path: Path) -> None:
    assert "OPENCODE_PERMISSION" not in spec_of(tmp_path, Bundle(permission_policy="always_allow")).env


@pytest.mark.parametrize(
    ("planes", "owners", "asked"),
    [
        ({}, {}, {}),
        ({"bash": "always_ask"}, {}, {"bash"}),
        ({}, {"bash": "always_ask"}, {"bash"}),
        ({"bash": "always_allow"}, {"bash": "always_ask"}, {"bash"}),
        ({"bash": "always_ask", "read": "always_ask"}, {"bash": "always_allow"}, {"bash", "read"}),
    ],
)
def test_of_two_policies_for_a_tool_the_stricter_one_holds(
    tmp_path: Path, planes: dict[str, Policy], owners: dict[str, Policy], asked: set[str]
) -> None:
    """Catches a plane that loosens what the laptop's owner has tightened, and the other way round."""
    bundle = Bundle(permission_policy="always_allow", permission_policies=planes)
    permissions = spec_of(tmp_path, bundle, permission_policies=owners).permissions
    assert {tool for tool in ("bash", "edit", "read") if permissions.of({tool}) == "always_ask"} == set(asked)
    assert (permissions.strictest == "always_ask") == bool(asked)


def test_the_daemons_own_environment_does_not_loosen_the_policy_but_the_configuration_of_the_agent_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCODE_PERMISSION", "{}")
    assert spec_of(tmp_path, Bundle()).env["OPENCODE_PERMISSION"] != "{}"
    assert spec_of(tmp_path, Bundle(), env={"OPENCODE_PERMISSION": "{}"}).env["OPENCODE_PERMISSION"] == "{}"


def test_a_session_works_in_the_workspace_that_its_owner_allowed_and_leaves_no_file_there(tmp_path: Path) -> None:
    """Catches a workspace that is ignored, and instructions that are written into somebody's project."""
    shop = tmp_path.resolve() / "shop"
    shop.mkdir()
    files = (BundleFile(path="AGENTS.md", content="# Reviewer"),)
    bundle = Bundle(files=files, system_prompt="Be kind.", workspace=str(shop))
    allow(tmp_path, shop)
    spec = spec_of(tmp_path, bundle, agent_id="claude-acp")
    assert (spec.cwd, spec.system_prompt) == (shop, "Be kind.")
    assert list(shop.iterdir()) == []


@pytest.mark.parametrize(
    ("bundle", "code"),
    [
        (Bundle(workspace="/"), "workspace_not_allowed"),
        (Bundle(workspace=""), "workspace_not_allowed"),
        (Bundle(workspace="{shop}/absent"), "workspace_missing"),
        (Bundle(workspace="{shop}", system_prompt="Be kind."), "workspace_unsupported"),
        (Bundle(workspace="{shop}", files=(BundleFile(path="skills/x", content=""),)), "workspace_unsupported"),
    ],
)
def test_a_workspace_that_can_not_be_had_fails_the_session(tmp_path: Path, bundle: Bundle, code: str) -> None:
    """Catches an agent that runs elsewhere, or without what its definition says."""
    shop = tmp_path / "shop"
    shop.mkdir()
    wanted = replace(bundle, workspace=str(bundle.workspace).format(shop=shop))
    allow(tmp_path, shop)
    with pytest.raises(MoorError) as caught:
        spec_of(tmp_path, wanted)
    assert caught.value.code == code
