"""The skills that lie on this laptop, for each agent where that agent looks for them. Nothing is written here.

===========  ===================================================================================================
agent        where
===========  ===================================================================================================
claude-acp   ``$CLAUDE_CONFIG_DIR/skills/*`` (``~/.claude``), and its plugins' (``claude_plugins``)
codex-acp    ``$CODEX_HOME/skills/**`` (``~/.codex``) and ``~/.agents/skills/**``
gemini       ``~/.gemini/skills/*``, ``~/.agents/skills/*`` and ``~/.gemini/extensions/*/skills/*``
opencode     ``$XDG_CONFIG_HOME/opencode/{skill,skills}/**`` (``~/.config``), ``~/.claude/skills/**`` and
             ``~/.agents/skills/**``
===========  ===================================================================================================

A skill that can't be read is left out with a line in the log; no file, link or folder there can stop the daemon.

Source: what Claude Code 2.1.316, Codex 0.166, Gemini CLI 0.61 and OpenCode 1.18 were seen to offer a model; the pages
"Agent Skills" of Codex, Gemini CLI and OpenCode.
"""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ..core.skills import frontmatter, plain_fields, skill_of
from ..wire.frames import LocalSkill
from .claude_plugins import PluginSkill, config_folder, home_of, plugin_skills
from .skill_folders import SKILL_FILE, skill_folders

MAX_HEAD_BYTES: Final = 64 * 1024
"""How much of a SKILL.md is read for its frontmatter."""

_DEEP: Final = 6
"""How many folders down those agents are followed that look for skills at any depth."""

_log = logging.getLogger("mooring.skills")


def scan(agent_id: str, env: Mapping[str, str]) -> list[LocalSkill]:
    """The skills of an agent, in the order in which they count; none for an agent that is not known to have any.

    Args:
        agent_id: canonical.
        env: the variables that the agent's child gets, which say where it looks.
    """
    home = home_of(env)
    shared = home / ".agents" / "skills"
    match agent_id:
        case "claude-acp":
            return [*_by_folder(config_folder(env) / "skills"), *_of_plugins(env)]
        case "codex-acp":
            own = Path(env.get("CODEX_HOME") or home / ".codex") / "skills"
            return [*_by_name(own, _DEEP, hidden=False), *_by_name(shared, _DEEP, "agents", hidden=False)]
        case "gemini":
            own = home / ".gemini"
            extensions = sorted(_subfolders(own / "extensions"))
            brought = [one for of in extensions for one in _by_name(of / "skills", 1, f"extension:{of.name}")]
            return [*_by_name(shared, 1, "agents"), *_by_name(own / "skills", 1), *brought]
        case "opencode":
            own = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
            folders = [one for word in ("skill", "skills") for one in _by_name(own / word, _DEEP)]
            claudes = _by_name(home / ".claude" / "skills", _DEEP, "claude")
            return [*folders, *_by_name(shared, _DEEP, "agents"), *claudes]
        case _:
            return []


def plugin_skill_id(found: PluginSkill) -> str:
    """By which id Claude Code knows a plugin's skill. One that a plugin names by itself has the name in its text."""
    word = found.folder.name
    if found.stands_alone:
        word = str((_read(found.folder / SKILL_FILE) or {}).get("name") or word)
    return f"{found.plugin.name}:{word}"


def _by_folder(root: Path) -> Iterator[LocalSkill]:
    for folder in skill_folders(root):
        yield from _one(folder.name, folder, "global")


def _by_name(root: Path, depth: int, source: str = "global", *, hidden: bool = True) -> Iterator[LocalSkill]:
    """The skills of agents that know them by the name that stands in them, and only those that have one."""
    for folder in skill_folders(root, depth, hidden=hidden):
        fields = _read(folder / SKILL_FILE)
        if fields is not None and isinstance(fields.get("name"), str):
            yield from _one(fields["name"], folder, source)


def _of_plugins(env: Mapping[str, str]) -> Iterator[LocalSkill]:
    for found in plugin_skills(env):
        if found.plugin.is_enabled:
            yield from _one(plugin_skill_id(found), found.folder, f"plugin:{found.plugin.id}")


def _one(id_: str, folder: Path, source: str) -> Iterator[LocalSkill]:
    fields = _read(folder / SKILL_FILE)
    made = None if fields is None else skill_of(id_, fields, source)
    if made is not None:
        yield made
    elif fields is not None:
        _log.warning("the skill in %s is not reported: its id can't be one", folder)


def _subfolders(root: Path) -> list[Path]:
    try:
        return [one for one in root.iterdir() if one.is_dir()]
    except OSError:
        return []


def _read(path: Path) -> Mapping[str, Any] | None:
    """The fields of a SKILL.md; None = it has none that can be read."""
    try:
        there = path.stat()
    except OSError as exc:
        _log.warning("%s is left out: %s", path, exc.strerror or exc)
        return None
    return _fields(path, there.st_mtime_ns, there.st_size)


@functools.lru_cache(maxsize=2048)
def _fields(path: Path, mtime_ns: int, size: int) -> Mapping[str, Any] | None:
    """Reads a file once for each of its versions: every ``hello`` asks, and a bad file is told once."""
    try:
        # A pipe in a skill's place must not keep the daemon waiting.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise OSError("it is no file")
            head = opened.read(MAX_HEAD_BYTES)
        block = frontmatter(head.decode(errors="replace"))
    except OSError as exc:
        _log.warning("%s is left out: %s", path, exc.strerror or exc)
        return None
    if block is None:
        _log.warning("%s is left out: it does not begin with a block of fields", path)
        return None
    try:
        # The loader that makes text only: no date, number or object of Python's comes of a stranger's file. It is
        # the slow one; the one in C ends the whole process over what is nested too deep.
        loaded = yaml.load(block, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        loaded = None
    return loaded if isinstance(loaded, dict) else plain_fields(block)
