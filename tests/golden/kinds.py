"""Everything that must have a golden file in some version, and what has none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from chalicelib.core.making import MakingState
from chalicelib.core.runtime_room import RoomState
from chalicelib.core.session_state import SessionState
from chalicelib.stores.table import Table
from mooring.edge.journal_file import open_database
from tests.wire.said import EVERYTHING

from . import grammar
from .frozen import LEAST, files

_FOLDERS = {"event": "events", "room": "events", "bundle": "bundle"}
_STATES: dict[str, type[Struct]] = {"session": SessionState, "room": RoomState, "request": MakingState}


def wanted() -> set[str]:
    """What is to be frozen: files, folders that are not empty, and what is to be in them.

    That is ``daemon/journal:<table>`` for a row of a table, ``rows/<table>:<attribute>`` for an attribute of an item,
    and ``records/<kind>:<field>`` for a field of an object's state.
    """
    with closing(open_database(":memory:")[0]) as journal:
        tables = _tables(journal)
    said = {f"{_FOLDERS.get(name.partition('-')[0], 'frames')}/{name}" for name in EVERYTHING}
    rows = set(grammar.kinds())
    return (
        {f"{name}{end}" for name in said for end in (".json", LEAST)}
        | {f"rows/{kind}.jsonl" for kind in rows}
        | {f"records/{kind.partition('/')[2]}" for kind in rows if kind.startswith("objects/")}
        | {f"daemon/journal:{table}" for table in tables}
        | {f"rows/{one.suffix}:{name}" for one in Table.__subclasses__() for name in one.get_attributes()}
        | {f"records/{kind}:{one.encode_name}" for kind, state in _STATES.items() for one in fields(state)}
    )


def frozen(folders: Iterable[Path]) -> set[str]:
    """What these versions hold, of the same names."""
    held: set[str] = set()
    for folder in folders:
        for name, body in files(folder).items():
            held |= {name, "/".join(name.split("/")[:2]), *_inside(name, body)}
            if name.endswith(".sqlite"):
                # Immutable: nothing is written beside a frozen file, not even for a moment.
                with closing(sqlite3.connect(f"file:{folder / name}?immutable=1", uri=True)) as db:
                    filled = [one for one in _tables(db) if db.execute(f"SELECT 1 FROM {one}").fetchone()]
                held |= {f"daemon/journal:{table}" for table in filled}
    return held


def _inside(name: str, body: bytes) -> Iterator[str]:
    """The attributes in a file of rows, the fields of the state in a record."""
    room, kind, *_ = name.split("/")
    if room == "rows":
        for line in body.splitlines():
            yield from (f"rows/{kind}:{attribute}" for attribute in json.loads(line)["item"])
    elif room == "records":
        yield from (f"records/{kind}:{field}" for field in json.loads(body)["state"])


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
