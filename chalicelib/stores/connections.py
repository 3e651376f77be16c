"""Connections: the open WebSockets, by the id that API Gateway gave them.

``get`` finds an expired row too, for as long as DynamoDB has not deleted it: API Gateway itself ends a connection about
when its row expires, and the ``$disconnect`` that follows, maybe late, needs the row to know whose connection ended.
"""

from __future__ import annotations

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from ..core.catalog import Connection
from ..wire.ids import ConnectionId
from .table import Table, ttl_of


class ConnectionRows(Table):
    """One item is one open WebSocket."""

    suffix = "connections"

    connection_id = UnicodeAttribute(hash_key=True)
    body = UnicodeAttribute()
    ttl = NumberAttribute()


class Connections:
    """The open WebSockets."""

    def __init__(self, rows: type[ConnectionRows]) -> None:
        self._rows = rows

    def put(self, connection: Connection) -> None:
        """Writes a row."""
        body = msgspec.json.encode(connection).decode()
        self._rows(connection.connection_id, body=body, ttl=ttl_of(connection.expires_at)).save()

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """The row, or None."""
        try:
            found = self._rows.get(connection_id, consistent_read=True)
        except self._rows.DoesNotExist:
            return None
        return msgspec.json.decode(found.body, type=Connection)

    def delete(self, connection_id: ConnectionId) -> None:
        """Deletes the row if it is there."""
        self._rows(connection_id).delete()
