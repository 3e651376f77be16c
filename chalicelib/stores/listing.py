"""Listing: pages of a tenant's records, newest first.

The records' ids begin with the time of their making, so the newest are the last by key. The place to go on from is the
id of the last one shown: it stays a place when that one is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pynamodb.expressions.condition import Condition

from ..core.errors import BadRequest
from ..wire.ids import TenantId
from .table import Records, page

_PLACE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def newest_first(
    records: type[Records], tenant_id: TenantId, kind: str, after: str | None, limit: int
) -> tuple[Sequence[Records], str | None]:
    """A page of the records whose keys begin with ``kind#``. One request.

    Args:
        records: the table.
        tenant_id: whose.
        kind: what the range keys begin with.
        after: a place that an earlier page gave, or None for the first page.
        limit: at most so many.

    Returns:
        The page, and the place to go on from or None.

    Raises:
        BadRequest: ``bad_page``: ``after`` is no such place.
    """
    prefix = f"{kind}#"
    condition: Condition
    if after is None:
        condition = records.sk.startswith(prefix)
    elif _PLACE.fullmatch(after):
        condition = records.sk.between(prefix, prefix + after)
    else:
        raise BadRequest("bad_page", "This is no place that a list gave.", field="page")
    # One more than asked for tells whether there are more, and another one may be the place itself.
    found = records.query(tenant_id, condition, scan_index_forward=False, limit=limit + 2, consistent_read=True)
    rows = [row for row in page(records, found) if row.sk != f"{prefix}{after}"]
    is_cut = found.page_iter.last_evaluated_key is not None
    shown = rows[:limit]
    has_more = len(rows) > limit or (is_cut and bool(shown))
    return shown, shown[-1].sk.removeprefix(prefix) if has_more and shown else None
