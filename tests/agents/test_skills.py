"""What real agents tell their model of the laptop's skills: all of them, or all but those that a definition blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.stage import bind_agent
from tests.daemon.skill_home import ClaudeHome, print_of, skill, write_json
from tests.journeys.ground import House, Session

from .agents import AGENTS, Agent, AgentLaptop
from .fake_llm import FakeLLM

pytestmark = pytest.mark.xdist_group("agents")

TOKEN = "sk-ant-oat01-of-a-subscription"

MARK = re.compile(r"SKILL_[a-z_]+")
"""Stands in each skill's description."""


class SkilledLaptop(AgentLaptop):
    """A laptop with skills, and agents of whose definitions each blocks some."""

    def binding(self, *blocked: str) -> str:
        """The id of an agent that blocks these."""
        bound = {"runtime_id": self.runtime_id, "acp_agent_id": self.real.id, "local_skill_blocklist": list(blocked)}
        wishes = {"permission_policy": "always_allow", "runtime_binding": bound}
        return str(bind_agent(self.house.api, self.runtime_id, self.real.id, **wishes)["id"])

    def without(self, *blocked: str) -> Session:
        """A session of such an agent."""
        made = self.house.api.ok("POST", "/v1/sessions", {"agent": self.binding(*blocked)})
        return Session(self.house, made["id"])


def shown(llm: FakeLLM, session: Session, prompt: str, answer: str) -> set[str]:
    """The marks that a model sees while it answers a prompt."""
    before = len(llm.seen)
    assert session.ask(prompt) == [answer]
    asked = [one for one in llm.seen[before:] if one.prompt == prompt]
    assert asked
    return {mark.removeprefix("SKILL_") for one in asked for mark in MARK.findall(json.dumps(one.body))}


def furnish_claude(home: Path) -> None:
    """Two skills of the person's own, and plugins with two each: from a cloned marketplace, from a folder, among them.

    The person is logged in by a subscription and has no configuration elsewhere.
    """
    claude = ClaudeHome(home)
    for one in ("audit", "deploy"):
        claude.skill(one, f"SKILL_{one}")
    cloned, mine = claude.config / "plugins" / "marketplaces" / "shop", home / "src" / "mine"
    root = claude.install("tools", skills=["lint", "format"])
    claude.marketplace("shop", cloned, [{"name": "tools", "source": "./tools"}], "git")
    claude.install("kit", marketplace="mine", skills=["saw", "axe"])
    claude.marketplace("mine", mine, [{"name": "kit", "source": "./kit"}], "directory")
    write_json(mine / "kit" / ".claude-plugin" / "plugin.json", {"name": "kit"})
    among = claude.config / "skills" / "bundle"
    write_json(among / ".claude-plugin" / "plugin.json", {"name": "bundle"})
    for folder in (root, mine / "kit", among):
        names = {"tools": ("lint", "format"), "kit": ("saw", "axe"), "bundle": ("one", "two")}
        for one in names["tools" if folder == root else folder.name]:
            skill(folder / "skills" / one, f"SKILL_{one}")
    login = {"accessToken": TOKEN, "refreshToken": "sk-ant-ort01-x", "expiresAt": 4102444800000}
    scopes = {"scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}
    write_json(claude.config / ".credentials.json", {"claudeAiOauth": {**login, **scopes}})


def furnish_codex(home: Path) -> None:
    """One skill of its own and two shared ones, of which one's name is not its folder's."""
    skill(home / ".codex" / "skills" / "audit", "SKILL_audit")
    skill(home / ".agents" / "skills" / "deploy", "SKILL_deploy", name="ship-it")
    skill(home / ".agents" / "skills" / "deep" / "lint", "SKILL_lint")


def furnish_opencode(home: Path) -> None:
    """The same, as OpenCode keeps them."""
    skill(home / ".config" / "opencode" / "skills" / "audit", "SKILL_audit")
    skill(home / ".claude" / "skills" / "deploy", "SKILL_deploy", name="ship-it")
    skill(home / ".agents" / "skills" / "deep" / "lint", "SKILL_lint")


def furnish_gemini(home: Path) -> None:
    """Two skills."""
    skill(home / ".gemini" / "skills" / "audit", "SKILL_audit")
    skill(home / ".agents" / "skills" / "deploy", "SKILL_deploy", name="ship-it")


FURNISH: dict[str, Callable[[Path], None]] = {
    "claude-acp": furnish_claude,
    "codex-acp": furnish_codex,
    "gemini": furnish_gemini,
    "opencode": furnish_opencode,
}


def furnished(agent: Agent) -> Agent:
    """An agent in whose private home there are skills."""

    def prepare(home: Path, llm_url: str) -> dict[str, str]:
        made = agent.prepare(home, llm_url)
        FURNISH[agent.id](home)
        if agent.id == "claude-acp":
            del made["CLAUDE_CONFIG_DIR"], made["ANTHROPIC_API_KEY"]
        return made

    return replace(agent, prepare=prepare)


@pytest.fixture(scope="module", params=AGENTS, ids=lambda agent: agent.id)
def laptop(request: pytest.FixtureRequest, house: House, llm: FakeLLM) -> Iterator[SkilledLaptop]:
    """A laptop with skills, its daemon online."""
    agent: Agent = request.param
    made = SkilledLaptop(house, furnished(agent), llm.url, name=f"skilled-{agent.id}")
    made.start()
    yield made
    made.stop()


EVERYTHING = {
    "claude-acp": {"audit", "deploy", "lint", "format", "saw", "axe", "one", "two"},
    "codex-acp": {"audit", "deploy", "lint"},
    "gemini": {"audit", "deploy"},
    "opencode": {"audit", "deploy", "lint"},
}

BLOCKED = {
    "claude-acp": ["deploy", "tools:lint", "kit:saw", "bundle:one", "never heard of"],
    "codex-acp": ["ship-it", "lint", "never heard of"],
    "opencode": ["ship-it", "lint", "never heard of", "*"],
}

LEFT = {
    "claude-acp": {"audit", "format", "axe", "two"},
    "codex-acp": {"audit"},
    "opencode": {"audit"},
}


def test_an_agent_without_a_blocklist_shows_its_model_every_skill_that_the_plane_was_told_of(
    laptop: SkilledLaptop, llm: FakeLLM
) -> None:
    """Catches a manifest with a skill that the agent does not find, or without one that it does."""
    with laptop.without() as session:
        assert shown(llm, session, "What is 2+2?", "Four.") == EVERYTHING[laptop.real.id]
        assert not (laptop.folder(session.id) / ".claude-config").exists()
    listed = laptop.house.api.ok("GET", "/v1/runtimes")["runtimes"]
    (mine,) = [one for one in listed if one["id"] == laptop.runtime_id]
    told = {one["description"].removeprefix("SKILL_") for one in mine["local_skills"][laptop.real.id]}
    assert told == EVERYTHING[laptop.real.id]


def test_blocked_skills_are_hidden_from_the_model_also_after_a_restart(laptop: SkilledLaptop, llm: FakeLLM) -> None:
    """Catches a skill that is hidden at first and comes back, a login that is lost, and a home that is written in."""
    if laptop.real.id == "gemini":
        pytest.skip("It has no way to be kept from skills; its own test says what happens then.")
    home = laptop.home / "private"
    with laptop.without(*BLOCKED[laptop.real.id]) as session:
        before = print_of(home / ".claude" / "skills")
        assert shown(llm, session, "What is 2+2?", "Four.") == LEFT[laptop.real.id]
        laptop.go_away()
        laptop.start()
        assert shown(llm, session, "how many prompts", "2") == LEFT[laptop.real.id]
        notes = [event["kind"] for event in session.reader.events if event["type"] == "mooring.note"]
        assert "context_lost" not in notes
        assert print_of(home / ".claude" / "skills") == before
        if laptop.real.id == "claude-acp":
            own = laptop.folder(session.id) / ".claude-config"
            assert {one.authorization for one in llm.seen if TOKEN in one.authorization} == {f"Bearer {TOKEN}"}
            assert llm.seen[-1].authorization == f"Bearer {TOKEN}"
            assert (own / "projects").exists()
            assert not (home / ".claude" / ".credentials.json").is_symlink()


def test_an_agent_that_can_not_be_kept_from_them_says_so(laptop: SkilledLaptop) -> None:
    """Catches a blocked skill that is shown in silence."""
    if laptop.real.id != "gemini":
        pytest.skip("It can be.")
    with laptop.without("ship-it") as session:
        session.reader.until_settled(session.say("What is 2+2?"), "failed")
        (told,) = [event for event in session.reader.events if event["type"] == "session.error"]
        assert "ship-it" in told["error"]["message"]
