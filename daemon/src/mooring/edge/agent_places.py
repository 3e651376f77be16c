"""The agents that were installed for the daemon alone: one folder each in its home, with a note of what is in it.

In it every installation has a folder of its own, npm's prefix. The note, which is replaced last, says which one counts;
what it does not name was cut short or has been replaced. The one before stays until the next installation: sessions may
still be running it.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from ..errors import MoorError
from .creds import Paths, make_home, write_secret

NOTE: Final = "mooring.json"

_log = logging.getLogger("mooring.agents")


class Installed(Struct, frozen=True, kw_only=True):
    """What a folder's note says.

    Attributes:
        folder: the installation's, in the agent's.
        program: below that.
        args: with which it speaks ACP.
        at: epoch seconds.
    """

    id: str
    package: str
    version: str
    folder: str
    program: str
    args: tuple[str, ...] = ()
    at: float = 0.0


def place_of(where: Paths, agent_id: str) -> Path:
    """The folder of one agent, there or not."""
    return where.agents / agent_id


def installed(where: Paths) -> dict[str, Installed]:
    """The agents that are there, by id. A note that can't be read is said and counts as none."""
    found = {}
    for path in sorted(where.agents.glob(f"*/{NOTE}")):
        try:
            note = msgspec.json.decode(path.read_bytes(), type=Installed)
        except (OSError, msgspec.MsgspecError, UnicodeError) as exc:
            _log.warning("path=%s can't be read: %s. Run `moor agents install` again.", path, exc)
            continue
        if note.id == path.parent.name:
            found[note.id] = note
    return found


def command_of(where: Paths, note: Installed) -> tuple[str, ...]:
    """Program and arguments of an agent that was installed."""
    return (str(place_of(where, note.id) / note.folder / note.program), *note.args)


def keep_note(where: Paths, note: Installed) -> None:
    """Says that an agent's folder is complete."""
    write_secret(where, place_of(where, note.id) / NOTE, msgspec.json.encode(note))


def new_folder(where: Paths, agent_id: str, version: str) -> Path:
    """An empty folder for another installation of an agent, beside that which counts and whose place it may take."""
    make_home(where)
    place = place_of(where, agent_id)
    counts = installed(where).get(agent_id)
    for left in place.glob("*/"):
        if counts is None or left.name != counts.folder:
            shutil.rmtree(left, ignore_errors=True)
    made = place / f"{version}-{secrets.token_hex(3)}"
    made.mkdir(parents=True)
    return made


def remove_place(where: Paths, agent_id: str) -> bool:
    """Removes an agent's folder; False if there is none.

    Raises:
        MoorError: ``agent_not_removed``.
    """
    place = place_of(where, agent_id)
    try:
        # Without its note first: half a folder must not look like an agent.
        (place / NOTE).unlink(missing_ok=True)
        shutil.rmtree(place)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise MoorError("agent_not_removed", f"{place} can't be removed: {exc.strerror or exc}.") from exc
    return True
