"""Attachments: who follows which session."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from ..core.catalog import Attachment
from ..wire.ids import ConnectionId, ReaderId, SessionId
from .table import Table, ttl_of


class ByConnection(GlobalSecondaryIndex["AttachmentRows"]):  # type: ignore[no-untyped-call]  # PynamoDB does not type its __init_subclass__.
    """What a connection follows, for when it ends."""

    class Meta:
        """Sparse: readers that poll have no connection. Whole rows: they stay below one write unit either way."""

        index_name = "by_connection"
        projection = AllProjection()

    connection_id = UnicodeAttribute(hash_key=True)


class AttachmentRows(Table):
    """One item is one reader of one session."""

    suffix = "attachments"

    session_id = UnicodeAttribute(hash_key=True)
    reader_id = UnicodeAttribute(range_key=True)
    connection_id = UnicodeAttribute(null=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()
    by_connection = ByConnection()


class Attachments:
    """Who follows which session."""

    def __init__(self, rows: type[AttachmentRows]) -> None:
        self._rows = rows

    def put(self, attachment: Attachment) -> None:
        """Writes, or writes over, the reader's attachment."""
        self._rows(
            attachment.session_id,
            attachment.reader_id,
            connection_id=attachment.connection_id,
            body=msgspec.json.encode(attachment).decode(),
            expires_at=attachment.expires_at,
            ttl=ttl_of(attachment.expires_at),
        ).save()

    def remove(self, session_id: SessionId, reader_id: ReaderId) -> None:
        """Removes it if it is there."""
        self._rows(session_id, reader_id).delete()

    def of_session(self, session_id: SessionId, now: float) -> Sequence[Attachment]:
        """Everybody attached and not expired at ``now``."""
        rows = self._rows
        found = rows.query(session_id, filter_condition=rows.expires_at > now, consistent_read=True)
        return [_attachment(row) for row in found]

    def of_connection(self, connection_id: ConnectionId) -> Sequence[Attachment]:
        """All of a connection's, expired ones too: they are asked for to be removed. Eventually consistent."""
        return [_attachment(row) for row in self._rows.by_connection.query(connection_id)]


def _attachment(row: AttachmentRows) -> Attachment:
    return msgspec.json.decode(row.body, type=Attachment)
