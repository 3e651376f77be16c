"""Listing: pages of a tenant's records, newest first.

The records' ids begin with the time of their making, so the newest are the last by key. The place to go on from is the
id of the last one shown: it stays a place when that one is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from pynamodb.expressions.condition import Condition

from ..core.errors import BadRequest
from ..wire.ids import TenantId
from .table import Records, page

T = TypeVar("T")

_PLACE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def newest_first(
    records: type[Records], tenant_id: TenantId, kind: str, after: str | None, limit: int, within: str = ""
) -> tuple[Sequence[Records], str | None]:
    """A page of the records whose keys begin with ``kind#``. One request.

    Args:
        records: the table.
        tenant_id: whose.
        kind: what the range keys begin with.
        after: a place that an earlier page gave, or None for the first page.
        limit: at most so many.
        within: how the ids begin of those that are wanted.

    Returns:
        The page, and the place to go on from or None.

    Raises:
        BadRequest: ``bad_page``: ``after`` is no such place.
    """
    prefix = f"{kind}#"
    condition: Condition
    if after is None:
        condition = records.sk.startswith(prefix + within)
    elif _PLACE.fullmatch(after):
        # A place outside of what is wanted must let nothing else in; "~" sorts behind all that an id may hold.
        upto = max(within, min(after, f"{within}~"))
        condition = records.sk.between(prefix + within, prefix + upto)
    else:
        raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
    # One more than asked for tells whether there are more, and another one may be the place itself.
    found = records.query(tenant_id, condition, scan_index_forward=False, limit=limit + 2, consistent_read=True)
    rows = [row for row in page(records, found) if row.sk != f"{prefix}{after}"]
    is_cut = found.page_iter.last_evaluated_key is not None
    shown = rows[:limit]
    has_more = len(rows) > limit or (is_cut and bool(shown))
    return shown, shown[-1].sk.removeprefix(prefix) if has_more and shown else None


def newest_first_of(
    records: type[Records],
    tenant_id: TenantId,
    kind: str,
    after: str | None,
    limit: int,
    keep: Callable[[Records], T | None],
    within: str = "",
) -> tuple[Sequence[T], str | None]:
    """As ``newest_first``, of what ``keep`` makes of the records, without those of which it makes None.

    A page is full unless it is the last one, however many records are left out, since SDKs stop at an empty page. So it
    may take more than one request.
    """
    shown: list[T] = []
    last, place = "", after
    while True:
        rows, place = newest_first(records, tenant_id, kind, place, limit + 1, within)
        for row in rows:
            kept = keep(row)
            if kept is None:
                continue
            if len(shown) == limit:
                return shown, last
            shown.append(kept)
            last = row.sk.removeprefix(f"{kind}#")
        if place is None:
            return shown, None
