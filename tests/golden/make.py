"""Freezes what is written now: `python -m tests.golden.make v3 [PATH…]`.

Writes the golden files whose paths begin with one of those given (without any: all of them) into the version's folder,
and adds them to its list of hashes. A file that is there is never touched: when one of those wanted is, nothing is
written. Rows are read with the others of their version round them, so ``rows`` is best frozen as a whole.

The whole text of a new frame or event, with every field, is written by hand, as ``v3/events/event-agent.message.json``;
this adds what is said of it at least.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from tests.wire.said import EVERYTHING, read

from . import rows
from .frozen import HERE, LEAST, SUMS, files, spelled_out
from .history import Lived, lived
from .home import furnish


def main(arguments: list[str]) -> int:
    """Freezes what is asked for. Returns an exit status."""
    if not arguments or not re.fullmatch(r"v[1-9][0-9]*", arguments[0]):
        sys.stderr.write("usage: python -m tests.golden.make VERSION [PATH…], as in: v3 rows events\n")
        return 2
    folder = HERE / arguments[0]
    wanted = {**written_by_the_code(), **dict(said_at_least(folder))}
    wanted = {name: body for name, body in wanted.items() if name.startswith(tuple(arguments[1:]) or "")}
    standing = freeze(folder, wanted)
    for name in standing:
        sys.stderr.write(f"{folder.name}/{name} is frozen; nothing was written.\n")
    return 1 if standing else 0


def freeze(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """Writes new files and adds them to the list of hashes; or writes nothing and returns the files that are there."""
    standing = [name for name in wanted if (folder / name).exists()]
    if standing:
        return standing
    for name, body in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("xb") as file:
            file.write(body)
    pinned = (folder / SUMS).read_text(encoding="utf-8") if (folder / SUMS).exists() else ""
    with (folder / SUMS).open("a", encoding="utf-8") as sums:
        for name, body in files(folder).items():
            if f"  {name}\n" not in pinned:
                sums.write(f"{hashlib.sha256(body).hexdigest()}  {name}\n")
    return []


def said_at_least(folder: Path) -> Iterator[tuple[str, bytes]]:
    """For each whole frame or event in the folder that lacks it: what is said at least, and how that is read."""
    for path in sorted(one for kind in ("frames", "events", "bundle") for one in (folder / kind).glob("*.json")):
        least = path.with_name(f"{path.stem}{LEAST}")
        if path.name.endswith(LEAST) or path.stem not in EVERYTHING or least.exists():
            continue
        whole = read(path.stem, path.read_bytes())
        assert isinstance(whole, Struct), f"{path} is no {path.stem}"
        left_out = set(spelled_out(whole)) - set(json.loads(path.read_bytes()))
        assert not left_out, f"{path} leaves {left_out} out"
        said = spelled_out(whole, least=True)
        pair = {"said": said, "read": spelled_out(read(path.stem, json.dumps(said).encode()))}
        yield str(least.relative_to(folder)), json.dumps(pair, ensure_ascii=False).encode() + b"\n"


def written_by_the_code() -> dict[str, bytes]:
    """Records, rows, the bundle as the laptop gets it and the daemon's home, from a run of the history."""
    with lived() as left, tempfile.TemporaryDirectory() as home:
        furnish(Path(home), left)
        return {
            "bundle/served.json": left.bundle,
            **{f"daemon/{name}": body for name, body in files(Path(home)).items()},
            **dict(_records(left)),
            **dict(_rows(left)),
        }


def _records(left: Lived) -> Iterator[tuple[str, bytes]]:
    for kind, item in rows.scanned(left.tables):
        if kind.startswith("objects/"):
            place = item["pk"]["S"].replace(":", "/")
            yield f"records/{place}/{int(item['n']['N']):04d}.json", item["body"]["B"]


def _rows(left: Lived) -> Iterator[tuple[str, bytes]]:
    """A file for each kind; of the objects' records, which are frozen as such, the newest and those with a cause."""
    found = list(rows.scanned(left.tables))
    newest = {item["pk"]["S"]: item for kind, item in found if kind.startswith("objects/")}
    kept = [
        (kind, item) for kind, item in found if "n" not in item or "cause" in item or newest[item["pk"]["S"]] is item
    ]
    for kind in sorted({kind for kind, _ in kept}):
        # Reading one kind may change another: each of them finds the tables as they were.
        rows.put_raw(left.tables, kept)
        shown = [rows.as_line(item, rows.read(left.tables, kind, item)) for of, item in kept if of == kind]
        yield f"rows/{kind}.jsonl", b"".join(shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
