"""Sessions: the rows that lists show. The truth about a session is its log's."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.update import Action

from ..core.catalog import SessionRow
from ..core.object_key import PutRefused
from ..wire.ids import SessionId, TenantId
from .listing import newest_first
from .table import Records, save, written


class Sessions:
    """The rows that lists of sessions show."""

    def __init__(self, records: type[Records]) -> None:
        self._records = records

    def put(self, row: SessionRow) -> None:
        """Writes a new row. Writing the same again is harmless, and keeps what was summarised since.

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

    def list(self, tenant_id: TenantId, after: str | None, limit: int) -> tuple[Sequence[SessionRow], str | None]:
        """Newest first: a page, and the place to go on from or None. ``after`` is such a place.

        Raises:
            BadRequest: ``bad_page``: ``after`` is no such place.
        """
        rows, place = newest_first(self._records, tenant_id, "session", after, limit)
        return [_row(row) for row in rows], place

    def summarise(self, tenant_id: TenantId, session_id: SessionId, status: str, n: int, at: float) -> None:
        """Repeats the status as of record ``n``, unless the row has a newer one or is gone."""
        records = self._records
        item = records(tenant_id, _sk(session_id))
        # A session deleted meanwhile must not come back as a row without a body. (A row that is not there has no n.)
        # Two summaries may cross: the one of the later record counts, whichever is written last.
        is_older = records.summary_n < n
        actions: list[Action] = [records.status.set(status), records.summary_n.set(n), records.updated_at.set(at)]
        written(lambda: item.update(actions, is_older))

    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Deletes the row if it is there."""
        self._records(tenant_id, _sk(session_id)).delete()


def _row(item: Records) -> SessionRow:
    written_first = msgspec.json.decode(item.body or "", type=SessionRow)
    return replace(written_first, status=item.status, summary_n=int(item.summary_n), updated_at=float(item.updated_at))


def _sk(session_id: SessionId) -> str:
    return f"session#{session_id}"
