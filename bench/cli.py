"""`python -m bench [NAME …] [--json]`: runs the named benches, or all of them, and prints what they found.

    price       requests, units, invocations and messages of every action; exact
    relay       delay from an agent to its viewers, as a ratio to a bare double hop
    chunks      50,000 pieces of text from one agent through the daemon
    schedules   random schedules of the test suite per second

`price --markdown` prints the tables of docs/performance.md; `price --write` puts them there.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bench import chunks, pages, price, relay, schedules
from bench.scene import Cost

Found = dict[str, Any]


def main(argv: list[str]) -> int:
    """Runs benches. Returns the exit status: 0, or 2 for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="one JSON object for all")
    parser.add_argument("--markdown", action="store_true", help="with price: the documentation's tables")
    parser.add_argument("--write", action="store_true", help="with price: put the tables into the documentation")
    options = parser.parse_args(argv)
    names = options.names or list(BENCHES)
    if strangers := [name for name in names if name not in BENCHES]:
        parser.error(f"no such bench: {', '.join(strangers)}; there are {', '.join(BENCHES)}")
    if (options.markdown or options.write) and names != ["price"]:
        parser.error("--markdown and --write go with price alone")
    if options.markdown or options.write:
        _document(write=options.write)
        return 0
    found = {}
    for name in names:
        run, show = BENCHES[name]
        found[name] = _quietly(run)
        if not options.json:
            sys.stdout.write(f"{name}\n{show(found[name])}\n\n")
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _quietly(run: Callable[[], Found]) -> Found:
    """Without logs: what is tried out on purpose is logged as the trouble that it would be elsewhere."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return run()
    finally:
        logging.disable(before)


def _document(*, write: bool) -> None:
    text = pages.markdown(price.prices())
    if write:
        pages.PAGE.write_text(pages.with_measured(pages.PAGE.read_text("utf-8"), text), "utf-8")
    else:
        sys.stdout.write(text)


def _price() -> Found:
    return {name: msgspec.to_builtins(cost) for name, cost in price.prices().items()}


def _show_price(found: Found) -> str:
    reads, writes = f"{'R':>3} {'r':>3}", f"{'P':>3} {'rows':>4}"
    lines = [f"  {'':52} {reads} {writes} {'RU':>5} {'WU':>4} {'S3':>3} {'Lambda':>6} {'laptop':>6}  viewers"]
    for name, fields in found.items():
        one = msgspec.convert(fields, Cost)
        viewers = "+".join(map(str, one.to_viewers)) or "0"
        lines.append(
            f"  {name:52} {one.strong_reads:3} {one.other_reads:3} {one.writes:3} {one.rows:4} {one.read_units:5g}"
            f" {one.write_units:4} {one.s3_requests:3} {one.invocations:6} {one.to_daemon:6}  {viewers}"
        )
    return "\n".join(lines)


BENCHES: Final[dict[str, tuple[Callable[[], Found], Callable[[Found], str]]]] = {
    "price": (_price, _show_price),
    "relay": (relay.measure, relay.show),
    "chunks": (chunks.measure, chunks.show),
    "schedules": (schedules.measure, schedules.show),
}
