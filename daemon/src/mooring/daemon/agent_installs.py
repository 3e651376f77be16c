"""Installing agents for the daemon alone, from npm, without touching what else is on the laptop.

npm checks what it gets by the registry's hashes and writes them into a lock beside it. No package's script is run, but
that of an agent which does not work before it has run. Agents that come in other ways are said where to be had.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from ..edge.agent_places import Installed, keep_note, new_folder
from ..edge.creds import Paths
from ..errors import EXIT_USAGE, MoorError
from ..providers.acp_registry import Registry
from ..providers.registry import Pin, arguments_of, pin_of

INSTALL_S: Final = 1800.0
"""How long npm may take (seconds): half a gigabyte over a slow line."""

MAX_TOLD: Final = 600
"""Characters of npm's last words that are repeated."""

_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
_OPTIONS: Final = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class _Manifest(Struct, frozen=True):
    """What is asked of an installed package's own description."""

    version: str
    bin: str | dict[str, str] = {}


def wanted(agent_id: str, registry: Registry, version: str | None) -> Pin:
    """The package to install.

    Args:
        agent_id: canonical id.
        registry: what there is.
        version: another than the one that is known to work.

    Raises:
        MoorError: ``agent_unknown``, ``agent_not_from_npm``, ``usage``.
    """
    if version is not None and not _VERSION.fullmatch(version):
        raise MoorError("usage", f"{version!r} is no version.", EXIT_USAGE)
    pin = pin_of(agent_id, registry)
    if pin is not None:
        return Pin(pin.package, version or pin.version, pin.has_script)
    entry = registry.entry(agent_id)
    if agent_id == "echo":
        raise MoorError("agent_not_from_npm", "echo comes with the daemon; there is nothing to install.")
    if entry is None:
        why = f"No agent {agent_id!r} is known. `moor agents list --all` shows which are."
        raise MoorError("agent_unknown", why)
    kinds = {"uvx": "is a Python package for uvx", "binary": "is a program to be downloaded", "npx": "", "unknown": ""}
    what = kinds[entry.kind] or "comes in a way that is not known here"
    why = f"{entry.name} {what}, and only agents from npm can be installed. Install it by its own instructions;"
    raise MoorError("agent_not_from_npm", f"{why} once its program is on the PATH, `moor agents refresh` finds it.")


def install(where: Paths, agent_id: str, pin: Pin, registry: Registry) -> Installed:
    """Installs an agent; one that was installed before is replaced once this one is complete.

    Raises:
        MoorError: ``node_missing``, ``install_failed``, ``home_unusable``.
    """
    npm = _npm()
    folder = new_folder(where, agent_id, pin.version)
    try:
        _run([npm, "install", *_prefix(folder), "--ignore-scripts", "--save-exact", f"{pin.package}@{pin.version}"])
        if pin.has_script:
            _run([npm, "rebuild", *_prefix(folder), "--ignore-scripts=false", pin.package])
        manifest = _manifest(folder, pin.package)
        note = Installed(
            id=agent_id,
            package=pin.package,
            version=manifest.version,
            folder=folder.name,
            program=_program(folder, pin.package, manifest),
            args=arguments_of(agent_id, registry),
            at=time.time(),
        )
        keep_note(where, note)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return note


def _npm() -> str:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        why = "Agents from npm need Node.js, and `node` or `npm` is not on the PATH."
        raise MoorError("node_missing", f"{why} Install Node.js 22 or newer (nodejs.org), then run this again.")
    return npm


def _prefix(folder: Path) -> tuple[str, ...]:
    return ("--prefix", str(folder), *_OPTIONS)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired as exc:
        raise MoorError("install_failed", f"npm did not end within {INSTALL_S / 60:g} minutes.") from exc
    except OSError as exc:
        raise MoorError("install_failed", f"npm can't be started: {exc.strerror}.") from exc
    if done.returncode:
        told = " ".join(done.stdout.decode("utf-8", "replace").split())[-MAX_TOLD:]
        raise MoorError("install_failed", f"npm ended with {done.returncode}. It last said: {told}")


def _manifest(folder: Path, package: str) -> _Manifest:
    try:
        return msgspec.json.decode((folder / "node_modules" / package / "package.json").read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError) as exc:
        raise MoorError("install_failed", f"npm has installed no package {package} that can be read.") from exc


def _program(folder: Path, package: str, manifest: _Manifest) -> str:
    """The package's program, below the folder: the one that is called like the package where it has several."""
    short = package.rpartition("/")[2]
    names = [short] if isinstance(manifest.bin, str) else sorted(manifest.bin, key=lambda name: (name != short, name))
    suffix = ".cmd" if os.name == "nt" else ""
    for name in names:
        program = Path("node_modules", ".bin", f"{name}{suffix}")
        if (folder / program).exists():
            return program.as_posix()
    raise MoorError("install_failed", f"The package {package} {manifest.version} has no program.")
