"""Work: the notes that a session owes its runtime something. A handful of rows at any time; a row is small."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from ..core.catalog import WorkItem
from ..wire.ids import RuntimeId, SessionId, TenantId
from .table import Table, written

SHARDS = 4
"""Over how many partitions the due times are spread: each takes 1,000 writes a second (AWS docs, partition limits). The
sweep asks each of them, so raising the number is safe at once, lowering it only after a sweep has found nothing."""


class ByDue(GlobalSecondaryIndex["WorkItems"]):  # type: ignore[no-untyped-call]  # PynamoDB does not type its __init_subclass__.
    """Items by the time at which the sweep is to look at them."""

    class Meta:
        """Whole items: the sweep needs all of it, and an item is far below one write unit anyway."""

        index_name = "by_due"
        projection = AllProjection()

    shard = UnicodeAttribute(hash_key=True)
    due = NumberAttribute(range_key=True)


class WorkItems(Table):
    """One item is one session that has work."""

    suffix = "work"

    runtime_id = UnicodeAttribute(hash_key=True)
    session_id = UnicodeAttribute(range_key=True)
    tenant_id = UnicodeAttribute()
    intent = NumberAttribute()
    due = NumberAttribute()
    shard = UnicodeAttribute()
    by_due = ByDue()


class Work:
    """The work items, by runtime."""

    def __init__(self, items: type[WorkItems]) -> None:
        self._items = items

    def put(self, item: WorkItem) -> None:
        """Writes the item if there is none, or one with a lower intent; otherwise changes nothing."""
        row = self._items(
            item.runtime_id,
            item.session_id,
            tenant_id=item.tenant_id,
            intent=item.intent,
            due=item.due,
            shard=_shard(item.session_id),
        )
        # The session had no work.
        is_absent = self._items.intent.does_not_exist()
        # What ended its work before did not delete the item yet, or another writer lost the race for its record.
        is_older = self._items.intent < item.intent
        written(lambda: row.save(is_absent | is_older))

    def postpone(self, item: WorkItem, due: float) -> None:
        """Moves the item's due time, if it still has this intent."""
        row = self._items(item.runtime_id, item.session_id)
        # A later intent has a due time of its own; a deleted item must not come back without its other attributes.
        is_same = self._items.intent == item.intent
        written(lambda: row.update([self._items.due.set(due)], is_same))

    def delete(self, runtime_id: RuntimeId, session_id: SessionId, upto: int) -> None:
        """Deletes the item if its intent is at most ``upto``; otherwise changes nothing."""
        row = self._items(runtime_id, session_id)
        # Work that began after record `upto` is not what ended with it.
        is_done = self._items.intent <= upto
        written(lambda: row.delete(is_done))

    def of_runtime(self, runtime_id: RuntimeId) -> Sequence[WorkItem]:
        """All items of a runtime."""
        return [_item(row) for row in self._items.query(runtime_id, consistent_read=True)]

    def due(self, now: float) -> Iterable[WorkItem]:
        """Items whose due time has come. Eventually consistent: one missed now is found by the next sweep."""
        for shard in range(SHARDS):
            yield from map(_item, self._items.by_due.query(str(shard), self._items.due <= now))


def _item(row: WorkItems) -> WorkItem:
    return WorkItem(
        runtime_id=RuntimeId(row.runtime_id),
        tenant_id=TenantId(row.tenant_id),
        session_id=SessionId(row.session_id),
        intent=int(row.intent),
        due=float(row.due),
    )


def _shard(session_id: SessionId) -> str:
    return str(zlib.crc32(session_id.encode()) % SHARDS)
