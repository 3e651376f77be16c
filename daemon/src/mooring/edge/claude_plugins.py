"""Claude Code's plugins on this laptop: which there are, where each is read from, and which skills it brings.

``plugins/installed_plugins.json`` names them, ``enabledPlugins`` in ``settings.json`` turns them on, and each lies in
its record's ``installPath``, which is ``plugins/cache/<marketplace>/<plugin>/<version>``. One of a marketplace that is
a folder on this laptop is read from that folder instead. A folder below ``skills/`` with a plugin's manifest in it is a
plugin too. What of that is missing or broken brings no skill.

Source: Claude Code 2.1.316, by what it loaded; its pages "Plugins reference" and "Plugin marketplaces".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .skill_folders import has_skill, skill_folders

INSTALLED: Final = "installed_plugins.json"
MARKETPLACES: Final = "known_marketplaces.json"

CATALOG: Final = Path(".claude-plugin", "marketplace.json")
"""Where in a marketplace its plugins are listed."""

MANIFEST: Final = Path(".claude-plugin", "plugin.json")
"""Where in a plugin it says what it brings."""

SKILLS_FOLDER: Final = "skills-dir"
"""What stands in an id for the marketplace of a plugin that lies among the skills."""

MAX_JSON_BYTES: Final = 4 * 1024 * 1024

_log = logging.getLogger("mooring.skills")


@dataclass(frozen=True)
class Plugin:
    """A plugin.

    Attributes:
        id: ``name@marketplace``.
        name: what stands before its skills' names; its own word for itself.
        root: the folder that it is read from.
        declared: folders in it that hold skills or are one, beside ``skills``.
        is_enabled: for every session, by its user's own settings.
    """

    id: str
    name: str
    root: Path
    declared: tuple[str, ...]
    is_enabled: bool


@dataclass(frozen=True)
class PluginSkill:
    """A skill in a plugin. ``stands_alone``: its folder is named by the plugin, not found in a folder of skills."""

    plugin: Plugin
    folder: Path
    stands_alone: bool


def home_of(env: Mapping[str, str]) -> Path:
    """The home folder of a child with these variables."""
    named = env.get("HOME") or env.get("USERPROFILE")
    return Path(named) if named else Path.home()


def config_folder(env: Mapping[str, str]) -> Path:
    """Where Claude Code finds its user's configuration."""
    return Path(env.get("CLAUDE_CONFIG_DIR") or home_of(env) / ".claude")


def plugin_skills(env: Mapping[str, str]) -> Iterator[PluginSkill]:
    """The skills of all plugins, those that are off too."""
    for plugin in plugins(config_folder(env)):
        yield from skills_of(plugin)


def plugins(config: Path) -> list[Plugin]:
    """All plugins, each in every place from which it may be read."""
    return [*installed(config), *among_skills(config)]


def installed(config: Path) -> list[Plugin]:
    """The plugins that were installed from marketplaces, as they are read."""
    folder = config / "plugins"
    enabled = read_object(config / "settings.json").get("enabledPlugins")
    known = read_object(folder / MARKETPLACES)
    made = []
    for id_, records in records_of(read_object(folder / INSTALLED)).items():
        marketplace = known.get(id_.rpartition("@")[2])
        live = live_root(marketplace, id_)
        roots = [live] if live else [Path(one["installPath"]) for one in records]
        is_enabled = isinstance(enabled, dict) and bool(enabled.get(id_))
        made += [plugin_at(root, id_, marketplace, is_enabled=is_enabled) for root in dict.fromkeys(roots)]
    return made


def plugin_at(root: Path, id_: str, marketplace: object, *, is_enabled: bool = True) -> Plugin:
    """A plugin of a marketplace as it lies in ``root``."""
    name = id_.rpartition("@")[0]
    manifest, entry = read_object(root / MANIFEST), _entry_of(marketplace, name)
    declared = (*_paths(manifest.get("skills")), *_paths(entry.get("skills")))
    return Plugin(id_, str(manifest.get("name") or name), root, declared, is_enabled)


def among_skills(config: Path) -> list[Plugin]:
    """The plugins that lie among the skills."""
    made = []
    folder = config / "skills"
    try:
        found = sorted(one for one in folder.iterdir() if (one / MANIFEST).is_file())
    except OSError:
        return []
    for root in found:
        made.append(plugin_at(root, f"{root.name}@{SKILLS_FOLDER}", None))
    return made


def skills_of(plugin: Plugin) -> Iterator[PluginSkill]:
    """The skills that a plugin brings."""
    for base in dict.fromkeys((plugin.root / "skills", *(plugin.root / one for one in plugin.declared))):
        if not _is_inside(base, plugin.root):
            continue
        if has_skill(base):
            yield PluginSkill(plugin, base, stands_alone=True)
        else:
            yield from (PluginSkill(plugin, one, stands_alone=False) for one in skill_folders(base))


def records_of(file: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The records of ``INSTALLED`` by plugin. Its first version had one record for each."""
    found = file.get("plugins")
    if not isinstance(found, dict):
        return {}
    lists = {id_: one if isinstance(one, list) else [one] for id_, one in found.items()}
    return {
        id_: [one for one in of if isinstance(one, dict) and isinstance(one.get("installPath"), str)]
        for id_, of in lists.items()
    }


def live_root(marketplace: object, id_: str) -> Path | None:
    """Where a plugin of a marketplace that lies here is read from; None = from where it was installed."""
    place = _entry_of(marketplace, id_.rpartition("@")[0]).get("source")
    if not isinstance(marketplace, dict) or not isinstance(place, str):
        return None
    source = marketplace.get("source")
    is_here = isinstance(source, dict) and source.get("source") in ("directory", "file")
    return Path(marketplace["installLocation"]) / place if is_here else None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is none that can be read."""
    try:
        with path.open("rb") as opened:
            found = json.loads(opened.read(MAX_JSON_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as exc:
        _log.warning("%s can't be read: %s", path, exc)
        return {}
    return found if isinstance(found, dict) else {}


def _entry_of(marketplace: object, name: str) -> Mapping[str, Any]:
    """What a marketplace's catalogue says of a plugin; nothing if it does not have it."""
    place = marketplace.get("installLocation") if isinstance(marketplace, dict) else None
    listed = read_object(Path(place) / CATALOG).get("plugins") if isinstance(place, str) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return next((one for one in entries if one.get("name") == name), {})


def _paths(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str) and "\0" not in one]


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # A loop of links, on older Pythons.
        return False
