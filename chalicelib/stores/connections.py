"""Connections: the open WebSockets, by the id that API Gateway gave them, and by whose they are.

``get`` finds an expired row too, for as long as DynamoDB has not deleted it: API Gateway itself ends a connection about
when its row expires, and the ``$disconnect`` that follows, maybe late, needs the row to know whose connection ended.

Beside its row a connection has a note under its tenant, by which those of a runtime or a key are found. It is an item,
not an index: an index lags behind, and whoever revokes a secret must find what was opened by it a moment ago.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from ..core.catalog import Connection
from ..wire.ids import ConnectionId, TenantId
from .table import Records, Table, ttl_of


class ConnectionRows(Table):
    """One item is one open WebSocket."""

    suffix = "connections"

    connection_id = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    ttl = NumberAttribute()


class Connections:
    """The open WebSockets."""

    def __init__(self, rows: type[ConnectionRows], records: type[Records]) -> None:
        self._rows = rows
        self._records = records

    def put(self, connection: Connection) -> None:
        """Writes a row."""
        for holder in connection.holders:
            # First: a connection without its note could not be found by who revokes its secret.
            sk = _note(holder, connection.connection_id)
            self._records(connection.tenant_id, sk, ttl=ttl_of(connection.expires_at)).save()
        body = msgspec.json.encode(connection).decode()
        self._rows(connection.connection_id, body=body, ttl=ttl_of(connection.expires_at)).save()

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """The row, or None."""
        try:
            found = self._rows.get(connection_id, consistent_read=True)
        except self._rows.DoesNotExist:
            return None
        return msgspec.json.decode(found.body, type=Connection)

    def of_holder(self, tenant_id: TenantId, holder: str) -> Sequence[ConnectionId]:
        """The connections of a runtime, a key or a session token.

        Also such as have ended since: their notes are left to expire.
        """
        prefix = _note(holder, "")
        found = self._records.query(tenant_id, self._records.sk.startswith(prefix), consistent_read=True)
        return [ConnectionId(one.sk.removeprefix(prefix)) for one in found]

    def delete(self, connection_id: ConnectionId) -> None:
        """Deletes the row if it is there."""
        self._rows(connection_id).delete()


def _note(holder: str, connection_id: str) -> str:
    return f"open#{holder}#{connection_id}"
