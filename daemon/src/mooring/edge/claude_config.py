"""A session's own configuration folder for Claude Code, in which blocked skills are absent.

It stands for its user's: everything there is linked, so that login, settings and conversations are the same and go on.
``skills`` is a folder of links to those that are not blocked. A plugin with a blocked skill is copied without it, since
Claude Code reads no plugin whose parts lie elsewhere; what names the plugin's place is rewritten to say the copy's.
Plugins without a blocked skill stay where they are. Nothing of the user's own is written; what Claude Code itself puts
into the session's folder, such as a file whose link it replaces, stays there.

``plugins/cache`` is never a link: Claude Code clears it of what its own list of plugins does not name.

Source: Claude Code 2.1.316, by what it loaded and wrote. ``CLAUDE_SECURESTORAGE_CONFIG_DIR`` names the folder whose
login counts, which on macOS is an entry of the keychain that is named after the folder; empty is the default folder.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ..errors import MoorError
from .claude_plugins import (
    CATALOG,
    INSTALLED,
    MARKETPLACES,
    SKILLS_FOLDER,
    Plugin,
    among_skills,
    config_folder,
    home_of,
    live_root,
    plugin_at,
    read_object,
    records_of,
    skills_of,
)
from .skill_folders import SKILL_FILE, has_skill
from .skills import plugin_skill_id

MAX_COPY_BYTES: Final = 64 * 1024 * 1024
"""Of all plugins that have to be copied for one session: the daemon does nothing else meanwhile."""

_ELSEWHERE: Final = ("CLAUDE_CODE_PLUGIN_CACHE_DIR", "CLAUDE_CODE_PLUGIN_SEED_DIR")
"""Variables by which Claude Code reads plugins from other places, from where nothing could be left out."""

_REBUILT: Final = "rebuilt"
_LISTS: Final = (INSTALLED, "installed_plugins_v2.json")
_OURS: Final = ("cache", _REBUILT, MARKETPLACES, *_LISTS)
"""What is made anew below ``plugins`` each time."""

_NOT_COPIED: Final = frozenset((".git", ".in_use", ".orphaned_at"))


def without_skills(env: Mapping[str, str], folder: Path, blocked: Collection[str]) -> dict[str, str]:
    """Builds the folder, anew each time its agent starts.

    Args:
        env: the variables of the agent's child, without this.
        folder: where it is built; it may be there from an earlier start.
        blocked: ids of skills; those that do not exist change nothing.

    Returns:
        The variables by which the child finds it.

    Raises:
        MoorError: ``blocklist_unsupported``: the skills can't be hidden here.
    """
    config = config_folder(env)
    _check(config, env)
    own = env.get("CLAUDE_CONFIG_DIR", "")
    try:
        links = {one.name: one for one in _entries(config) if one.name not in ("skills", "plugins")}
        state = (config if own else home_of(env)) / ".claude.json"
        if state.exists():
            links[state.name] = state
        _own_folder(folder)
        _relink(folder, links, ("skills", "plugins"))
        _own_folder(folder / "plugins")
        for name in _OURS:
            _remove(folder / "plugins" / name)
        _Rebuilding(config, folder, frozenset(blocked)).all()
    except OSError as exc:
        raise _unsupported(f"its configuration could not be rebuilt without them: {exc.strerror or exc}") from exc
    return {
        "CLAUDE_CONFIG_DIR": str(folder),
        "CLAUDE_SECURESTORAGE_CONFIG_DIR": env.get("CLAUDE_SECURESTORAGE_CONFIG_DIR", own),
    }


class _Rebuilding:
    """One building of ``skills`` and ``plugins``."""

    def __init__(self, config: Path, folder: Path, blocked: frozenset[str]) -> None:
        self._config, self._folder, self._blocked = config, folder, blocked
        self._plugins = folder / "plugins"
        self._left_bytes = MAX_COPY_BYTES
        self._copies = 0

    def all(self) -> None:
        """Builds both."""
        self._skills()
        links = {one.name: one for one in _entries(self._config / "plugins") if one.name not in _OURS}
        _relink(self._plugins, links, _OURS)
        (self._plugins / "cache").mkdir(mode=0o700)
        known = read_object(self._config / "plugins" / MARKETPLACES)
        lists = {name: read_object(self._config / "plugins" / name) for name in _LISTS}
        for listed in lists.values():
            self._installed(listed, known)
        self._marketplaces({id_ for listed in lists.values() for id_ in records_of(listed)}, known)
        for name, body in {**lists, MARKETPLACES: known}.items():
            if body:
                (self._plugins / name).write_bytes(msgspec.json.encode(body))

    def _skills(self) -> None:
        there = _entries(self._config / "skills")
        links = {one.name: one for one in there if one.name not in self._blocked or not has_skill(one)}
        for plugin in among_skills(self._config):
            left_out = self._blocked_in(plugin)
            if left_out and plugin.root.name in links:
                links[plugin.root.name] = self._copied(plugin.root, self._place(SKILLS_FOLDER), left_out)
        _own_folder(self._folder / "skills")
        _relink(self._folder / "skills", links, ())

    def _installed(self, listed: dict[str, Any], known: Mapping[str, Any]) -> None:
        """Copies what is installed and has a blocked skill, and says so in the list."""
        for id_, records in records_of(listed).items():
            for record in records:
                root = Path(record["installPath"])
                left_out = self._blocked_in(plugin_at(root, id_, known.get(id_.rpartition("@")[2])))
                if left_out:
                    record["installPath"] = str(self._copied(root, self._place("cache", root), left_out))

    def _marketplaces(self, ids: Collection[str], known: dict[str, Any]) -> None:
        """Copies the marketplaces that are folders here and have a plugin with a blocked skill; and says so."""
        for name, marketplace in known.items():
            roots = {id_: live_root(marketplace, id_) for id_ in ids if id_.rpartition("@")[2] == name}
            found = [plugin_at(root, id_, marketplace) for id_, root in roots.items() if root is not None]
            left_out = [path for plugin in found for path in self._blocked_in(plugin)]
            if left_out:
                old, new = Path(marketplace["installLocation"]), self._place(_REBUILT)
                for path in sorted({old / CATALOG, *(plugin.root for plugin in found)}):
                    self._copied(path, new / _below(old, path), left_out)
                marketplace["installLocation"] = str(new)

    def _blocked_in(self, plugin: Plugin) -> list[Path]:
        """What of a plugin must not be copied."""
        found = [one.folder for one in skills_of(plugin) if plugin_skill_id(one) in self._blocked]
        root = os.path.realpath(plugin.root)
        places = [one / SKILL_FILE if os.path.realpath(one) == root else one for one in found]
        return [Path(os.path.realpath(one)) for one in places]

    def _place(self, kind: str, root: Path | None = None) -> Path:
        """A new place below ``plugins``; the one that ``root`` has in the user's own cache, where it lies there."""
        cache = self._config / "plugins" / "cache"
        if root is not None and root.is_relative_to(cache) and ".." not in root.parts:
            return self._plugins / "cache" / root.relative_to(cache)
        self._copies += 1
        return self._plugins / _REBUILT / f"{kind}-{self._copies}"

    def _copied(self, source: Path, target: Path, left_out: Collection[Path], above: tuple[Path, ...] = ()) -> Path:
        """Copies a file or a folder. What is there already stays: one plugin may lie in another.

        Args:
            source: may itself be a link.
            target: where to; the folders above it are made.
            left_out: the real places of what is not copied.
            above: the real places of the folders that are being copied, the outermost first.
        """
        real = Path(os.path.realpath(source))
        if source.name in _NOT_COPIED or real in (*left_out, *above):
            return target
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if real.is_dir():
            target.mkdir(mode=0o700, exist_ok=True)
            above = (*above, real)
            for one in _entries(source):
                # A link stays one, unless it would lead to what is left out.
                if one.is_symlink() and not any(path.is_relative_to(os.path.realpath(one)) for path in left_out):
                    _link_alike(one, target / one.name, above[0])
                else:
                    self._copied(one, target / one.name, left_out, above)
        elif real.is_file() and not os.path.lexists(target):
            there = real.stat()
            self._left_bytes -= there.st_size
            if self._left_bytes < 0:
                raise _unsupported(f"the plugin in {source.parent} is too large to be copied without them")
            shutil.copyfile(real, target)
            target.chmod(0o700 if there.st_mode & stat.S_IXUSR else 0o600)
        return target


def _check(config: Path, env: Mapping[str, str]) -> None:
    """Refuses what would have Claude Code look elsewhere after all."""
    settings = read_object(config / "settings.json").get("env")
    named = set(settings) if isinstance(settings, dict) else set()
    for name in (*(one for one in _ELSEWHERE if env.get(one)), *named.intersection((*_ELSEWHERE, "CLAUDE_CONFIG_DIR"))):
        raise _unsupported(f"{name} is set for it")
    if not config.is_absolute():
        raise _unsupported("its CLAUDE_CONFIG_DIR is not an absolute path")


def _unsupported(reason: str) -> MoorError:
    why = f"The agent's definition blocks local skills, and they can't be hidden from claude-acp here: {reason}."
    return MoorError("blocklist_unsupported", why)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except FileNotFoundError:
        return


def _own_folder(path: Path) -> None:
    """Makes a real folder of it: what is written below must never go through a link to where it points."""
    if path.is_symlink():
        path.unlink()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _relink(folder: Path, links: Mapping[str, Path], others: Collection[str]) -> None:
    """Makes the links, removes those that should be none, and leaves alone what is no link."""
    for one in list(_entries(folder)):
        if one.is_symlink() and one.name not in others and os.readlink(one) != str(links.get(one.name)):
            one.unlink()
    for name, target in links.items():
        if not os.path.lexists(folder / name):
            (folder / name).symlink_to(target, target_is_directory=target.is_dir())


def _link_alike(link: Path, target: Path, root: Path) -> None:
    """Copies a link. One that leads out of what is copied leads to the same place from everywhere."""
    real = Path(os.path.realpath(link))
    if not os.path.lexists(target):
        target.symlink_to(os.readlink(link) if real.is_relative_to(root) else real)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _below(root: Path, path: Path) -> Path:
    """Where ``path`` lies in ``root``."""
    found = Path(os.path.relpath(path, root))
    if ".." in found.parts:
        raise _unsupported(f"a plugin of the marketplace in {root} does not lie in it")
    return found
