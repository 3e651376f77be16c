"""Live: the deltas of running turns, in the order in which their daemon counted them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from ..core.catalog import LivePiece
from ..wire.ids import TenantId, TurnId
from .table import Table, ttl_of


class LivePieces(Table):
    """One item is one delta."""

    suffix = "live"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class Live:
    """Deltas of running turns, for late viewers. Never the only copy of anything."""

    def __init__(self, pieces: type[LivePieces]) -> None:
        self._pieces = pieces

    def put(self, tenant_id: TenantId, turn_id: TurnId, piece: LivePiece, expires_at: float) -> None:
        """Keeps a piece until ``expires_at`` (epoch seconds)."""
        self._pieces(
            _pk(tenant_id, turn_id),
            _sk(piece.epoch, piece.counter),
            body=msgspec.json.encode(piece).decode(),
            expires_at=expires_at,
            ttl=ttl_of(expires_at),
        ).save()

    def read(self, tenant_id: TenantId, turn_id: TurnId, start: tuple[int, int], now: float) -> Sequence[LivePiece]:
        """Pieces from key ``(epoch, counter)`` on, in key order, without those expired at ``now``."""
        pieces = self._pieces
        found = pieces.query(
            _pk(tenant_id, turn_id), pieces.sk >= _sk(*start), pieces.expires_at > now, consistent_read=True
        )
        return [msgspec.json.decode(one.body, type=LivePiece) for one in found]


def _pk(tenant_id: TenantId, turn_id: TurnId) -> str:
    return f"{tenant_id}/{turn_id}"


def _sk(epoch: int, counter: int) -> str:
    # Keys sort as text; as many digits as any number that JSON carries without loss.
    return f"{epoch:016d}.{counter:016d}"
