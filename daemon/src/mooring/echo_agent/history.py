"""What an echo session remembers: a file in its folder, ``.moor-echo/<session>.json``."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ID: Final = re.compile(r"echo_[0-9a-f]{16}\Z")


@dataclass
class Exchange:
    """One prompt and what was said to it."""

    prompt: str
    answer: str = ""


@dataclass
class History:
    """One session's exchanges, oldest first."""

    session_id: str
    cwd: Path
    exchanges: list[Exchange] = field(default_factory=list)

    @classmethod
    def begin(cls, cwd: Path) -> History:
        """Returns a new session's, which is on disk from its first prompt on."""
        return cls(f"echo_{secrets.token_hex(8)}", cwd)

    @classmethod
    def load(cls, cwd: Path, session_id: str) -> History | None:
        """Returns an earlier session's; None = there is none of that id in the folder."""
        # The id becomes a file's name: nothing but our own form of it does.
        if not _ID.match(session_id):
            return None
        try:
            kept = json.loads(_path(cwd, session_id).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return cls(session_id, cwd, [Exchange(**exchange) for exchange in kept])

    def save(self) -> None:
        """Writes all exchanges; a crash leaves the former or the new file, never a half."""
        path = _path(self.cwd, self.session_id)
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps([vars(exchange) for exchange in self.exchanges]), "utf-8")
        os.replace(fresh, path)


def _path(cwd: Path, session_id: str) -> Path:
    return cwd / ".moor-echo" / f"{session_id}.json"
