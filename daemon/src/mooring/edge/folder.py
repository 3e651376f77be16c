"""A session's folder: made from its bundle, whole or not at all, and removed wholly when the session is disposed of.

The folder is built beside its place and renamed into it, so that a folder that exists is complete. What a bundle names
may lie in it only: a path that is absolute, climbs out or goes through a link is refused, and nothing of it is written.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from ..errors import MoorError
from ..wire.bundle import Bundle, BundleFile
from ..wire.ids import SessionId, TurnId
from .creds import Paths, make_home

INSTRUCTIONS: Final = "AGENTS.md"
"""Where agents look for instructions, unless they have a name of their own for it."""

ATTACHMENTS: Final = ".attachments"
"""Where in a session's folder the files are that its messages bring."""

CLAUDE_CONFIG: Final = ".claude-config"
"""Where in a session's folder its own configuration of Claude Code is, from which skills are left out."""

_READERS: Final = {"claude-acp": "CLAUDE.md", "gemini": "GEMINI.md"}
"""Agents that read another file. Both understand ``@path`` as an import of another file."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NEW: Final = ".new-"
_GONE: Final = ".gone-"


class Folders:
    """The folders of all sessions, under ``where.sessions``."""

    def __init__(self, where: Paths) -> None:
        self._where = where

    def of(self, session_id: SessionId) -> Path:
        """Where the session's folder is or would be.

        Raises:
            MoorError: ``bad_session_id``: it can't be a folder's name.
        """
        return self._where.sessions / _checked_id(session_id)

    def make(self, session_id: SessionId, agent_id: str, bundle: Bundle) -> Path:
        """The session's folder; a new one gets the bundle's files, one that exists stays as its agent left it.

        Args:
            session_id: whose.
            agent_id: the ACP agent's canonical id; says under which name it reads its instructions.
            bundle: what a new folder gets.

        Raises:
            MoorError: ``bundle_path_refused``, ``folder_unusable``, ``bad_session_id``.
        """
        folder = self.of(session_id)
        if folder.is_dir():
            return folder
        files = [(_checked(one), one) for one in [*_instructions(agent_id, bundle), *bundle.files]]
        make_home(self._where)
        try:
            self._where.sessions.mkdir(mode=0o700, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=self._where.sessions, prefix=f"{_NEW}{session_id}-"))
            try:
                for path, one in files:
                    _write(fresh, path, one)
                fresh.rename(folder)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
        except OSError as exc:
            why = f"The folder of session {session_id} could not be made: {exc.strerror or exc}."
            raise MoorError("folder_unusable", why) from exc
        return folder

    def keep(self, session_id: SessionId, turn_id: TurnId, name: str, body: bytes) -> Path:
        """Writes what a turn's message brings into the session's folder, beside what its agent does there.

        Args:
            session_id: whose; where the agent works elsewhere, the folder is made for this.
            turn_id: of whose message.
            name: a plain file's name, told from those of the message's other files.
            body: the file's bytes.

        Raises:
            MoorError: ``folder_unusable``, ``bad_session_id``.
        """
        here = self.of(session_id)
        make_home(self._where)
        try:
            here.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in (ATTACHMENTS, _checked_id(turn_id)):
                here = here / part
                if here.is_symlink():
                    here.unlink()
                here.mkdir(mode=0o700, exist_ok=True)
            # A turn that is prepared again after the daemon's death finds its own file.
            (here / name).unlink(missing_ok=True)
            _create(here / name, 0o600, body)
        except OSError as exc:
            why = f"A file for session {session_id} could not be written: {exc.strerror or exc}."
            raise MoorError("folder_unusable", why) from exc
        return here / name

    def remove(self, session_id: SessionId) -> None:
        """Removes the session's folder with all that is in it, and follows no link out of it. None there: nothing.

        Raises:
            MoorError: ``folder_not_removed``, ``bad_session_id``.
        """
        folder = self.of(session_id)
        # Renamed first: what resists (an open file on Windows) is at least no session's folder any more.
        gone = folder.with_name(f"{_GONE}{session_id}")
        try:
            if folder.is_symlink():
                folder.unlink()
            elif folder.exists():
                folder.rename(gone)
            if gone.exists():
                _open_up(gone)
                shutil.rmtree(gone)
        except OSError as exc:
            why = f"The folder of session {session_id} could not be removed: {exc.strerror or exc}."
            raise MoorError("folder_not_removed", why) from exc

    def sweep(self) -> None:
        """Removes what a killed daemon left half made or half removed. Best effort: what resists stays."""
        if self._where.sessions.is_dir():
            for entry in self._where.sessions.iterdir():
                if entry.name.startswith((_NEW, _GONE)):
                    shutil.rmtree(entry, ignore_errors=True)


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise MoorError("bad_session_id", f"{text[:80]!r} can't be the name of a session's folder.")
    return text


def _checked(file: BundleFile) -> PurePosixPath:
    path = PurePosixPath(file.path)
    windows = PureWindowsPath(file.path)
    bad = (
        not path.parts
        or path.is_absolute()
        or bool(windows.drive)
        or "\\" in file.path
        or any(ord(character) < 32 for character in file.path)
        or ".." in path.parts
        or file.path.endswith("/")
    )
    if bad:
        raise _refused(file.path, "it does not name a file inside the session's folder")
    if path.parts[0].casefold() == CLAUDE_CONFIG:
        raise _refused(file.path, "that folder stands for the laptop owner's own configuration")
    return path


def _refused(path: str, reason: str) -> MoorError:
    return MoorError("bundle_path_refused", f"The bundle's file {path[:200]!r} was refused: {reason}.")


def _write(root: Path, path: PurePosixPath, file: BundleFile) -> None:
    """Writes one file below ``root``, making its folders; goes through no link and over no other file."""
    here = root
    for part in path.parts[:-1]:
        here = here / part
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            raise _refused(file.path, "one of its folders is a file")
        here.mkdir(mode=0o700, exist_ok=True)
    try:
        _create(here / path.name, 0o700 if file.executable else 0o600, file.content.encode())
    except FileExistsError as exc:
        raise _refused(file.path, "something else of that name is in the bundle") from exc


def _create(target: Path, mode: int, body: bytes) -> None:
    """Writes a new file, over nothing and through no link. Raises FileExistsError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(target, flags, mode), "wb") as opened:
        opened.write(body)


def _instructions(agent_id: str, bundle: Bundle) -> list[BundleFile]:
    """What the agent reads as instructions, as far as the bundle does not bring it itself."""
    given = {str(PurePosixPath(one.path)) for one in bundle.files}
    made = []
    if INSTRUCTIONS not in given:
        if not bundle.system_prompt:
            return []
        made.append(BundleFile(path=INSTRUCTIONS, content=f"{bundle.system_prompt}\n"))
    reader = _READERS.get(agent_id)
    if reader is not None and reader not in given:
        made.append(BundleFile(path=reader, content=f"@./{INSTRUCTIONS}\n"))
    return made


def _open_up(root: Path) -> None:
    """Gives us back the folders that an agent has made read-only, since nothing can be removed from those."""
    for folder, _, _ in os.walk(root):
        if not os.access(folder, os.W_OK | os.X_OK):
            os.chmod(folder, 0o700)
