"""The operator's questions to a plane, and orders: `python -m infra.admin verify|tenant|user|key …`.

`verify SESSION_ID` looks whether a session's log is what was written; `infra/people.py` has the other verbs.

The chain of hashes shows a record that was changed, taken out or put in between. It cannot show that the newest records
were cut off or rewritten: for that, compare the head that is printed with the one the session's daemon keeps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import wiring
from chalicelib.core.errors import MooringError, NotFound
from chalicelib.core.object_key import session_key
from chalicelib.core.record import Flaw, verify
from chalicelib.stores import Tables, open_tables
from chalicelib.wire.codec import digest
from chalicelib.wire.ids import SessionId, TenantId
from infra.people import add_verbs
from infra.tables import region, table_prefix

EXIT_INTACT = EXIT_DONE = 0
EXIT_FLAWED = EXIT_REFUSED = 1
EXIT_UNKNOWN = 2
EXIT_UNREACHABLE = 3

_PAGE = 500


class AdminError(Exception):
    """The question can't be answered; the sentence says why."""


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    """Answer one question, or do what is ordered.

    Returns:
        0 for an intact log and what was done, 1 for a log with flaws and what was refused, 2 when there is no such
        thing or no telling whose it is, 3 when the plane's tables can't be reached.
    """
    options = _parse(argv)
    try:
        return _order(options, say) if "verb" in options else _verify(options, say)
    except (PynamoDBException, BotoCoreError, ClientError) as exc:
        why = f"The plane's tables {table_prefix()}-* can't be used: {exc}"
        say(json.dumps({"error": why, "code": "unreachable"}) if options.json else why)
        return EXIT_UNREACHABLE


def _order(options: argparse.Namespace, say: Callable[[str], object]) -> int:
    try:
        told = options.verb(wiring.plane(), options)
    except MooringError as exc:
        say(json.dumps({"error": exc.message, "code": exc.code}) if options.json else exc.message)
        return EXIT_UNKNOWN if isinstance(exc, NotFound) else EXIT_REFUSED
    for line in [json.dumps(told.report)] if options.json else told.lines:
        say(line)
    return EXIT_DONE


def _verify(options: argparse.Namespace, say: Callable[[str], object]) -> int:
    tables = open_tables(table_prefix(), options.endpoint, region())
    try:
        tenant_id = TenantId(options.tenant) if options.tenant else _only_tenant(tables)
        stored = _whole_log(tables, tenant_id, SessionId(options.session_id))
    except AdminError as exc:
        say(json.dumps({"error": str(exc)}) if options.json else str(exc))
        return EXIT_UNKNOWN
    flaws = verify(stored)
    n, head_hash = stored[-1][0], digest(stored[-1][1])
    if options.json:
        found = [{"n": flaw.n, "why": flaw.why} for flaw in flaws]
        report = {"session_id": options.session_id, "tenant_id": tenant_id, "intact": not flaws}
        say(json.dumps({**report, "head_n": n, "head_hash": head_hash, "flaws": found}))
    else:
        for line in _lines(options.session_id, flaws, n, head_hash):
            say(line)
    return EXIT_FLAWED if flaws else EXIT_INTACT


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.admin", description="The operator's questions and orders.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check that a session's log is what was written")
    check.add_argument("session_id", metavar="SESSION_ID")
    check.add_argument("--tenant", metavar="T", help="whose session; may be left out when the plane has one tenant")
    check.add_argument("--endpoint", metavar="URL", help="DynamoDB's URL; by default the one that botocore finds")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    add_verbs(commands)
    return parser.parse_args(argv)


def _only_tenant(tables: Tables) -> TenantId:
    tenants = tables.tenants.all()
    if len(tenants) != 1:
        raise AdminError(f"The plane has {len(tenants)} tenants: say whose session it is with --tenant.")
    return tenants[0].tenant_id


def _whole_log(tables: Tables, tenant_id: TenantId, session_id: SessionId) -> list[tuple[int, bytes]]:
    stored: list[tuple[int, bytes]] = []
    while page := tables.objects.read(session_key(tenant_id, session_id), stored[-1][0] if stored else 0, _PAGE):
        stored += [(one.n, one.body) for one in page]
    if not stored:
        raise AdminError(f"There is no session {session_id} of tenant {tenant_id}.")
    return stored


def _lines(session_id: str, flaws: list[Flaw], n: int, head_hash: str) -> list[str]:
    head = f"head: record {n}, sha256 {head_hash}"
    if not flaws:
        return [f"session {session_id}: intact", head]
    return [f"session {session_id}: NOT intact", *(f"record {flaw.n}: {flaw.why}" for flaw in flaws), head]


if __name__ == "__main__":
    sys.exit(main())
