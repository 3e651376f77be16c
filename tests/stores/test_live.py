"""Live: pieces in the order of their counters, until they expire."""

from __future__ import annotations

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import LivePiece
from chalicelib.wire.ids import TenantId, TurnId

TENANT, TURN = TenantId("ten_a"), TurnId("turn_1")
NOW = 1_800_000_000.25


def piece(epoch: int, counter: int, text: str = "…") -> LivePiece:
    return LivePiece(epoch=epoch, counter=counter, event_id="sevt_1", event_type="agent.message", offset=0, text=text)


def test_pieces_come_in_the_order_of_epoch_and_counter(stores: Stores) -> None:
    keys = [(1, 10), (1, 9), (2, 1), (10, 0), (1, 2**40), (1, 100)]
    for key in keys:
        stores.live.put(TENANT, TURN, piece(*key), NOW + 1)
    found = stores.live.read(TENANT, TURN, (0, 0), NOW)
    assert list(found) == [piece(*key) for key in sorted(keys)]


def test_reading_begins_at_the_start_key(stores: Stores) -> None:
    for key in [(1, 1), (1, 2), (2, 1)]:
        stores.live.put(TENANT, TURN, piece(*key), NOW + 1)
    assert [one.counter for one in stores.live.read(TENANT, TURN, (1, 2), NOW)] == [2, 1]
    assert list(stores.live.read(TENANT, TURN, (2, 2), NOW)) == []


def test_a_piece_sent_twice_is_there_once(stores: Stores) -> None:
    stores.live.put(TENANT, TURN, piece(1, 1), NOW + 1)
    stores.live.put(TENANT, TURN, piece(1, 1), NOW + 1)
    assert len(stores.live.read(TENANT, TURN, (0, 0), NOW)) == 1


def test_expired_pieces_are_not_read_though_nobody_deleted_them(stores: Stores) -> None:
    stores.live.put(TENANT, TURN, piece(1, 1, "old"), NOW)
    stores.live.put(TENANT, TURN, piece(1, 2, "new"), NOW + 0.25)
    assert [one.text for one in stores.live.read(TENANT, TURN, (0, 0), NOW)] == ["new"]
    assert list(stores.live.read(TENANT, TURN, (0, 0), NOW + 0.25)) == []


def test_pieces_of_another_tenant_or_turn_are_absent(stores: Stores) -> None:
    stores.live.put(TENANT, TURN, piece(1, 1), NOW + 1)
    assert list(stores.live.read(TenantId("ten_b"), TURN, (0, 0), NOW)) == []
    assert list(stores.live.read(TENANT, TurnId("turn_2"), (0, 0), NOW)) == []


def test_more_pieces_than_a_page_holds_are_all_read(stores: Stores) -> None:
    for counter in range(12):
        stores.live.put(TENANT, TURN, piece(1, counter, "x" * 100_000), NOW + 1)
    assert [one.counter for one in stores.live.read(TENANT, TURN, (0, 0), NOW)] == list(range(12))
