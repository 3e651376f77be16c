"""Passes: what browsers hold in place of keys."""

from __future__ import annotations

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from ..core.catalog import Pass
from .table import Table, ttl_of


class PassRows(Table):
    """One item is one pass, by the hash of its secret."""

    suffix = "passes"

    pass_hash = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    ttl = NumberAttribute()


class Passes:
    """What browsers hold in place of keys."""

    def __init__(self, rows: type[PassRows]) -> None:
        self._rows = rows

    def put(self, made: Pass) -> None:
        """Writes a pass."""
        self._rows(made.pass_hash, body=msgspec.json.encode(made).decode(), ttl=ttl_of(made.expires_at)).save()

    def get(self, pass_hash: str, now: float) -> Pass | None:
        """The pass with this hash, or None when there is none or it had expired at ``now``."""
        try:
            row = self._rows.get(pass_hash, consistent_read=True)
        except self._rows.DoesNotExist:
            return None
        found = msgspec.json.decode(row.body, type=Pass)
        # DynamoDB deletes late.
        return found if found.expires_at > now else None

    def delete(self, pass_hash: str) -> None:
        """Deletes the pass if it is there."""
        self._rows(pass_hash).delete()
