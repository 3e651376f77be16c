"""A person's home with skills and plugins in it, as Claude Code, Codex, Gemini CLI and OpenCode keep them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_json(path: Path, body: object) -> None:
    """Writes JSON and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))


def skill(folder: Path, description: str = "", name: str | None = None) -> Path:
    """Writes a skill, and says its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"---\nname: {name or folder.name}\ndescription: {description}\n---\n# Do it\n"
    (folder / "SKILL.md").write_text(text)
    return folder


_NOWHERE = "https://example.invalid/shop.git"
_WHEN = "2026-11-01T12:00:00.000Z"


class ClaudeHome:
    """A home folder with Claude Code's configuration.

    Args:
        home: a folder that is made.
        config: where the configuration is, if not in ``~/.claude``.
    """

    def __init__(self, home: Path, config: Path | None = None) -> None:
        self.home, self.config = home, config or home / ".claude"
        self.env = {"HOME": str(home)} | ({"CLAUDE_CONFIG_DIR": str(config)} if config else {})
        for folder in (home, self.config):
            folder.mkdir(parents=True, exist_ok=True)
        self._installed: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        self._enabled: dict[str, bool] = {}
        self.settings: dict[str, Any] = {}

    def skill(self, name: str, description: str = "") -> Path:
        """Writes a global skill."""
        return skill(self.config / "skills" / name, description)

    def cached(self, name: str, marketplace: str = "shop", version: str = "1.0.0") -> Path:
        """The folder of an installed plugin's version."""
        return self.config / "plugins" / "cache" / marketplace / name / version

    def install(
        self,
        name: str,
        *,
        marketplace: str = "shop",
        version: str = "1.0.0",
        skills: Sequence[str] = (),
        manifest: Mapping[str, Any] | None = None,
        enabled: bool = True,
    ) -> Path:
        """Installs a plugin with some skills in its ``skills``, and says where it lies."""
        root = self.cached(name, marketplace, version)
        write_json(root / ".claude-plugin" / "plugin.json", {"name": name, **(manifest or {})})
        for one in skills:
            skill(root / "skills" / one, f"{name} {one}")
        record = {"scope": "user", "installPath": str(root), "version": version, "installedAt": _WHEN}
        self._installed.setdefault(f"{name}@{marketplace}", []).append(record)
        self._enabled[f"{name}@{marketplace}"] = enabled
        self.write()
        return root

    def marketplace(self, name: str, place: Path, plugins: Sequence[Mapping[str, Any]], source: str) -> None:
        """Adds a marketplace: a folder with a catalogue. ``source`` is where it is from: directory, file or git."""
        catalogue = place / ".claude-plugin" / "marketplace.json"
        write_json(catalogue, {"name": name, "owner": {"name": "somebody"}, "plugins": list(plugins)})
        held = {"directory": {"path": str(place)}, "file": {"path": str(catalogue)}, "git": {"url": _NOWHERE}}[source]
        self._known[name] = {
            "source": {"source": source, **held},
            "installLocation": str(place),
            "lastUpdated": _WHEN,
        }
        self.write()

    def write(self) -> None:
        """Writes what names the plugins."""
        write_json(self.config / "plugins" / "installed_plugins.json", {"version": 2, "plugins": self._installed})
        write_json(self.config / "plugins" / "known_marketplaces.json", self._known)
        write_json(self.config / "settings.json", {"enabledPlugins": self._enabled, **self.settings})


def print_of(root: Path) -> dict[str, tuple[int, int, str]]:
    """Everything below a folder with its mode, its time and what stands in it; no link is followed."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            there = path.lstat()
            if path.is_symlink():
                held = os.readlink(path)
            else:
                held = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = (there.st_mode, there.st_mtime_ns, held)
    return found


def named_in(folder: Path) -> set[str]:
    """The names in a folder."""
    return {one.name for one in folder.iterdir()}
