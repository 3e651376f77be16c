"""Objects: the logs. One conditional put is commit, order and lock; a record is never written again.

The look-up by cause is a *local* index, since only those can be read strongly. It holds keys only: a put with a cause
costs one write unit more (with whole records it would cost the record's again, up to 20), a look-up that finds nothing,
which is nearly every one, one read unit, and one that finds something a get more. A local index binds all of an
object's records to 10 GB: some three million of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import KeysOnlyProjection, LocalSecondaryIndex

from ..core.object_key import ObjectKey, PutRefused, Stored
from .table import Table, page, written


class ByCause(LocalSecondaryIndex["ObjectRecords"]):  # type: ignore[no-untyped-call]  # PynamoDB does not type its __init_subclass__.
    """The records that a request made."""

    class Meta:
        """Sparse: only records with a cause are in it."""

        index_name = "by_cause"
        projection = KeysOnlyProjection()

    pk = UnicodeAttribute(hash_key=True)
    cause = UnicodeAttribute(range_key=True)


class ObjectRecords(Table):
    """One item is one record. The body is binary: its bytes are hashed, so they must come back as they went in."""

    suffix = "objects"

    pk = UnicodeAttribute(hash_key=True)
    n = NumberAttribute(range_key=True)
    body = BinaryAttribute(legacy_encoding=False)
    cause = UnicodeAttribute(null=True)
    by_cause = ByCause()


class Objects:
    """The logs."""

    def __init__(self, records: type[ObjectRecords]) -> None:
        self._records = records

    def newest(self, key: ObjectKey) -> Stored | None:
        """The newest record, or None when there is no such object."""
        records = self._records
        found = page(records, records.query(str(key), scan_index_forward=False, limit=1, consistent_read=True))
        return _stored(found[0]) if found else None

    def append(self, key: ObjectKey, n: int, body: bytes, cause: str | None) -> None:
        """Puts record ``n`` if there is none. Raises PutRefused otherwise."""
        record = self._records(str(key), n, body=body, cause=None if cause is None else _cause(cause))
        # The condition sees the item of exactly this key, so it holds while nobody has written record n.
        number_is_free = self._records.n.does_not_exist()
        if not written(lambda: record.save(number_is_free)):
            raise PutRefused(f"{key} has a record {n}.")

    def by_cause(self, key: ObjectKey, cause: str) -> Stored | None:
        """The record that the request ``cause`` made, or None."""
        records = self._records
        found = page(
            records, records.by_cause.query(str(key), records.cause == _cause(cause), limit=1, consistent_read=True)
        )
        return self.get(key, int(found[0].n)) if found else None

    def get(self, key: ObjectKey, n: int) -> Stored | None:
        """Record ``n``, or None."""
        try:
            return _stored(self._records.get(str(key), n, consistent_read=True))
        except self._records.DoesNotExist:
            return None

    def read(self, key: ObjectKey, after: int, limit: int) -> Sequence[Stored]:
        """Records ``after + 1`` …, ascending, at most ``limit``; fewer only at the end of the log or of 1 MB."""
        records = self._records
        found = records.query(str(key), records.n > after, limit=limit, consistent_read=True)
        return [_stored(one) for one in page(records, found)]

    def read_back(self, key: ObjectKey, before: int, limit: int) -> Sequence[Stored]:
        """Records ``before - 1`` …, descending, at most ``limit``; fewer only at the start of the log or at 1 MB."""
        records = self._records
        found = records.query(str(key), records.n < before, scan_index_forward=False, limit=limit, consistent_read=True)
        return [_stored(one) for one in page(records, found)]


def _stored(record: ObjectRecords) -> Stored:
    return Stored(int(record.n), record.body)


def _cause(cause: str) -> str:
    # A key's size is bounded and may not be zero; what a stranger sends as idempotency key is neither.
    return hashlib.sha256(cause.encode()).hexdigest()
