"""Logins: whether an agent's provider will know who asks, as far as files and variables tell.

Nothing is started and no secret is read: a login is a variable that is set or a file that is there. Whether it is still
good only its provider knows. Where a login may also be kept elsewhere (a keychain, a provider of the owner's own
configuration), that there is none here says nothing.

==========  ===========================================  ===========================================================
agent       yes                                          unknown, not no
==========  ===========================================  ===========================================================
claude-acp  a key or token; ``.credentials.json``        macOS keeps it in the keychain; ``settings.json`` may name a
                                                         program that gives the key
codex-acp   a key; ``auth.json``                         ``config.toml`` may name another provider or the keyring
gemini      a key; ``oauth_creds.json``                  ``settings.json`` may choose Vertex AI
opencode    a key; ``auth.json``                         it has free models, and providers by configuration
==========  ===========================================  ===========================================================

Source: the agents' own code: Claude Code 2.1, Codex 0.166, Gemini CLI 0.61, OpenCode 1.18.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Login = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class _Rule:
    """Where to look: variables; files in the folder that a variable names, or else in one below the home."""

    variables: tuple[str, ...]
    folder_variable: str
    folder: str
    login: str
    doubt: str | None


_RULES: Final[Mapping[str, _Rule]] = {
    "claude-acp": _Rule(
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        "CLAUDE_CONFIG_DIR",
        ".claude",
        ".credentials.json",
        "settings.json",
    ),
    "codex-acp": _Rule(("OPENAI_API_KEY", "CODEX_API_KEY"), "CODEX_HOME", ".codex", "auth.json", "config.toml"),
    "gemini": _Rule(("GEMINI_API_KEY", "GOOGLE_API_KEY"), "", ".gemini", "oauth_creds.json", "settings.json"),
    "opencode": _Rule(
        ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY"),
        "XDG_DATA_HOME",
        ".local/share",
        "opencode/auth.json",
        None,
    ),
}


def login_of(agent_id: str, env: Mapping[str, str], platform: str = sys.platform) -> Login:
    """Whether an agent is logged in.

    Args:
        agent_id: canonical id.
        env: its child's whole environment.
        platform: as ``sys.platform`` has it.
    """
    if agent_id == "echo":
        return "yes"  # It asks nobody.
    rule = _RULES.get(agent_id)
    if rule is None:
        return "unknown"
    if any(env.get(name) for name in rule.variables):
        return "yes"
    home = env.get("HOME") or env.get("USERPROFILE")
    named = env.get(rule.folder_variable)
    if not named and not home:
        return "unknown"
    folder = Path(named) if named else Path(home or "", rule.folder)
    try:
        if (folder / rule.login).stat().st_size:
            return "yes"
    except FileNotFoundError:
        pass
    except OSError:
        return "unknown"
    in_doubt = rule.doubt is None or (folder / rule.doubt).is_file() or platform == "darwin"
    return "unknown" if in_doubt else "no"
