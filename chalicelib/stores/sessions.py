"""Sessions: the rows that lists show, and how many of a tenant's are open. The truth about a session is its log's.

The count is a number beside the rows, so that making a session does not read all others. Whoever dies between a row and
the count leaves it too high, which does no harm before the tenant's limit is reached; there it is counted anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from ..core.catalog import SessionRow, SessionSummary
from ..core.details import Details
from ..core.object_key import PutRefused
from ..core.session_list import RECOUNT_S, Keys
from ..wire.ids import SessionId, TenantId
from .table import Records, page, remove, save, update, written

_KIND = "session#"
_COUNT = "sessions"


class Sessions:
    """The rows that lists of sessions show."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def reserve(self, tenant_id: TenantId, most: int, now: float) -> bool:
        """Counts one more open session. False, and nothing is counted, when the tenant has ``most`` of them."""
        records, row = self._records, self._records(tenant_id, _COUNT)
        while True:
            # Nothing is smaller than a count that is not there: a tenant from before there was one is counted.
            done, standing = update(row, [records.n_open.add(1)], records.n_open < most)
            if done:
                return True
            if standing and float(standing.counted_at or 0.0) > now - RECOUNT_S:
                return False
            self._recount(tenant_id, standing, now)

    def put(self, row: SessionRow) -> None:
        """Writes a new row, for which room was reserved. Writing the same again is harmless, and keeps what came since.

        Raises:
            PutRefused: there is another row of this id.
        """
        body = msgspec.json.encode(row).decode()
        item = self._records(
            row.tenant_id,
            _sk(row.session_id),
            body=body,
            status=row.status,
            summary_n=row.summary_n,
            updated_at=row.updated_at,
        )
        standing = save(item, self._records.body.does_not_exist())
        if standing is not None and standing.body != body:
            raise PutRefused(f"There is another row of session {row.session_id}.")

    def get(self, tenant_id: TenantId, session_id: SessionId) -> SessionRow | None:
        """The row, or None."""
        try:
            return _row(self._records.get(tenant_id, _sk(session_id), consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def list(self, tenant_id: TenantId, keys: Keys, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        """Some of the rows that ``keys`` names, in its order, and the id to go on beyond, or None. One request."""
        low, high = _KIND + keys.low, _KIND + keys.high
        beyond = _KIND + keys.beyond if keys.beyond is not None else ""
        if beyond:
            low, high = (max(low, beyond), high) if keys.ascending else (low, min(high, beyond))
        if low > high:
            return [], None
        place: Condition = self._records.sk.between(low, high)
        # One more than asked for tells whether there are more, and another one may be the place itself.
        found = self._records.query(
            tenant_id, place, scan_index_forward=keys.ascending, limit=limit + 2, consistent_read=True
        )
        items = [one for one in page(self._records, found) if one.sk != beyond]
        rows = [_row(one) for one in items[:limit]]
        is_cut = found.page_iter.last_evaluated_key is not None
        return rows, rows[-1].session_id if rows and (is_cut or len(items) > limit) else None

    def summarise(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        """Repeats what the row shows as of a record, unless the row has it of a newer one or is gone."""
        # A session deleted meanwhile must not come back as a row without a body. (A row that is not there has no n.)
        # Two summaries may cross: the one of the later record counts, whichever is written last.
        is_older = self._records.summary_n < summary.n
        self._change(tenant_id, session_id, self._summed(summary), is_older)

    def describe(self, tenant_id: TenantId, session_id: SessionId, details: Details, n: int, at: float) -> None:
        """Repeats what the session is called by as of record ``n``, written at ``at`` (epoch seconds).

        Not where the row has it of a newer one, or is gone.
        """
        records = self._records
        actions = (
            records.details.set(msgspec.json.encode(details).decode()),
            records.details_n.set(n),
            records.updated_at.set(at),
        )
        is_older = records.details_n.does_not_exist() | (records.details_n < n)
        self._change(tenant_id, session_id, actions, records.body.exists() & is_older)

    def archive(self, tenant_id: TenantId, session_id: SessionId, summary: SessionSummary) -> None:
        """Marks the row as archived at ``summary.at``, unless it is, or is gone. It counts as open no longer."""
        records = self._records
        actions = (*self._summed(summary), records.archived_at.set(summary.at))
        # Of those who archive it at the same moment one gives its room back.
        if self._change(tenant_id, session_id, actions, records.body.exists() & records.archived_at.does_not_exist()):
            self._release(tenant_id)

    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Deletes the row if it is there. It counts as open no longer."""
        was = remove(self._records(tenant_id, _sk(session_id)))
        if was is not None and not was.archived_at:
            self._release(tenant_id)

    def _release(self, tenant_id: TenantId) -> None:
        n_open = self._records.n_open
        # A tenant from before there was a count has none to lower.
        written(lambda: self._records(tenant_id, _COUNT).update([n_open.add(-1)], n_open > 0))

    def _recount(self, tenant_id: TenantId, standing: Records | None, now: float) -> None:
        records = self._records
        is_open = records.archived_at.does_not_exist()
        n_open = records.count(tenant_id, records.sk.startswith(_KIND), is_open, consistent_read=True)
        # Who made or ended a session since has changed the number, and this one is no longer true.
        is_same = records.n_open.does_not_exist() if standing is None else records.n_open == standing.n_open
        actions: list[Action] = [records.n_open.set(n_open), records.counted_at.set(now)]
        written(lambda: records(tenant_id, _COUNT).update(actions, is_same))

    def _summed(self, summary: SessionSummary) -> Sequence[Action]:
        records = self._records
        since = records.running_since
        return (
            records.status.set(summary.status),
            records.summary_n.set(summary.n),
            records.updated_at.set(summary.at),
            records.active_s.set(summary.active_s),
            since.remove() if summary.running_since is None else since.set(summary.running_since),
        )

    def _change(
        self, tenant_id: TenantId, session_id: SessionId, actions: Sequence[Action], condition: Condition
    ) -> bool:
        item = self._records(tenant_id, _sk(session_id))
        return written(lambda: item.update([*actions], condition))


def _row(item: Records) -> SessionRow:
    made = msgspec.json.decode(item.body or "", type=SessionRow)
    details = msgspec.json.decode(item.details, type=Details) if item.details else None
    return replace(
        made,
        status=item.status,
        summary_n=int(item.summary_n),
        updated_at=float(item.updated_at),
        title=details.title if details else made.title,
        metadata=details.metadata if details else made.metadata,
        details_n=int(item.details_n or made.details_n),
        archived_at=float(item.archived_at) if item.archived_at else None,
        active_s=float(item.active_s or 0.0),
        running_since=float(item.running_since) if item.running_since else None,
    )


def _sk(session_id: SessionId) -> str:
    return f"{_KIND}{session_id}"
