"""The one thing in ``config.toml`` that a command changes: the list of allowed folders. All else stays as it stands.

Comments, order and quotes are kept. The file is replaced whole, where it really is: it may be a link into somebody's
collection of settings.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

import tomlkit
from tomlkit.items import Array

from ..errors import MoorError
from .config import read_config


def add_workspace(path: Path, entry: str) -> None:
    """Puts a folder at the end of the list.

    Raises:
        MoorError: ``bad_config``: the file is not in order as it is; ``config_not_written``.
    """
    document, entries = _read(path)
    entries.append(entry)
    _write(path, document)


def remove_workspaces(path: Path, gone: Collection[str]) -> None:
    """Takes folders out of the list, by how they stand there. Raises as ``add_workspace`` does."""
    document, entries = _read(path)
    for index in reversed([index for index, entry in enumerate(entries) if entry in gone]):
        del entries[index]
    _write(path, document)


def _read(path: Path) -> tuple[tomlkit.TOMLDocument, Array]:
    read_config(path)  # What is not in order is told with its line, and never written over.
    document = tomlkit.parse(path.read_bytes()) if path.exists() else tomlkit.document()
    if "workspaces" not in document:
        document["workspaces"] = tomlkit.array()
    entries = document["workspaces"]
    if not isinstance(entries, Array):
        raise TypeError(f"workspaces is {type(entries)}")  # `read_config` has refused everything else.
    return document, entries


def _write(path: Path, document: tomlkit.TOMLDocument) -> None:
    real = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}-")  # mkstemp makes it 0600.
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(tomlkit.dumps(document))
            if real.exists():
                os.chmod(name, real.stat().st_mode & 0o7777)
            os.replace(name, real)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise MoorError("config_not_written", f"{path} can't be written: {exc.strerror or exc}.") from exc
