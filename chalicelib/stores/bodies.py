"""Bodies: events too large for a record, in parts where one item is too small for them.

A body is named by the hash of its content, so that nobody can put another one in its place: two writers who both want
to be record ``n`` name their events alike, and only one of them gets there. The parts are written first and the head
last, so that a body is either absent or whole, whoever dies in between.
"""

from __future__ import annotations

import hashlib
import logging

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from ..wire.ids import SessionId, TenantId
from .table import Table

log = logging.getLogger(__name__)

PART_BYTES = 350 * 1024
"""DynamoDB's items end at 400 KB with their keys, AWS docs "ServiceQuotas"; emulators end a little earlier."""


class BodyItems(Table):
    """A head (how many parts) or a part. A body that fits one item stands in its head."""

    suffix = "bodies"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)
    n_parts = NumberAttribute(null=True)


class Bodies:
    """Events too large for a record, by session and hash of content."""

    def __init__(self, items: type[BodyItems]) -> None:
        self._items = items

    def put(self, tenant_id: TenantId, session_id: SessionId, sha256: str, body: bytes) -> None:
        """Keeps the event's JSON, at most ``MAX_EVENT_BYTES``. A put per 350 KB, and one for the head of several."""
        pk = _pk(tenant_id, session_id)
        if len(body) <= PART_BYTES:
            self._items(pk, _head(sha256), body=body, n_parts=0).save()
            return
        starts = range(0, len(body), PART_BYTES)
        for index, start in enumerate(starts):
            self._items(pk, _part(sha256, index), body=body[start : start + PART_BYTES]).save()
        self._items(pk, _head(sha256), n_parts=len(starts)).save()

    def get(self, tenant_id: TenantId, session_id: SessionId, sha256: str) -> bytes | None:
        """The event's JSON, or None. One request, and one more for each 1 MB of a body in parts."""
        pk = _pk(tenant_id, session_id)
        try:
            head = self._items.get(pk, _head(sha256), consistent_read=True)
        except self._items.DoesNotExist:
            return None
        body = self._joined(pk, sha256, int(head.n_parts)) if head.n_parts else head.body
        if hashlib.sha256(body).hexdigest() != sha256:
            log.error("tenant=%s session=%s sha256=%s the body is damaged", tenant_id, session_id, sha256)
            return None
        return body

    def _joined(self, pk: str, sha256: str, n_parts: int) -> bytes:
        ends = _part(sha256, 0), _part(sha256, n_parts - 1)
        parts = self._items.query(pk, self._items.sk.between(*ends), consistent_read=True)
        return b"".join(part.body for part in parts)


def _pk(tenant_id: TenantId, session_id: SessionId) -> str:
    return f"{tenant_id}/{session_id}"


def _head(sha256: str) -> str:
    return f"{sha256}#head"


def _part(sha256: str, index: int) -> str:
    return f"{sha256}#{index:04d}"
