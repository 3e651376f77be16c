"""Bodies: an event of any size comes back whole or not at all."""

from __future__ import annotations

import random

import pytest

from chalicelib.actors.ports import Stores
from chalicelib.stores import Tables
from chalicelib.stores.bodies import PART_BYTES, BodyItems
from chalicelib.wire.codec import digest
from chalicelib.wire.ids import SessionId, TenantId
from chalicelib.wire.limits import MAX_EVENT_BYTES

TENANT, SESSION = TenantId("ten_a"), SessionId("sesn_1")


def text(n_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


@pytest.mark.parametrize("n_bytes", [2, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, MAX_EVENT_BYTES])
def test_a_body_comes_back_byte_for_byte(stores: Stores, n_bytes: int) -> None:
    body = text(n_bytes)
    stores.bodies.put(TENANT, SESSION, digest(body), body)
    assert stores.bodies.get(TENANT, SESSION, digest(body)) == body


def test_writing_a_body_again_is_harmless(stores: Stores) -> None:
    body = text(2 * PART_BYTES)
    stores.bodies.put(TENANT, SESSION, digest(body), body)
    stores.bodies.put(TENANT, SESSION, digest(body), body)
    assert stores.bodies.get(TENANT, SESSION, digest(body)) == body


def test_a_body_of_another_tenant_session_or_content_is_absent(stores: Stores) -> None:
    name = digest(b"{}")
    stores.bodies.put(TENANT, SESSION, name, b"{}")
    assert stores.bodies.get(TenantId("ten_b"), SESSION, name) is None
    assert stores.bodies.get(TENANT, SessionId("sesn_2"), name) is None
    assert stores.bodies.get(TENANT, SESSION, digest(b"[]")) is None


def test_a_body_whose_writer_died_half_way_is_not_read(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent after each of the writer's puts but the last; whole once another writer has begun again."""
    for n_puts in range(3):
        body = text(3 * PART_BYTES, n_puts)
        with monkeypatch.context() as patch:
            die_after(patch, n_puts)
            with pytest.raises(ConnectionError):
                tables.bodies.put(TENANT, SESSION, digest(body), body)
        assert tables.bodies.get(TENANT, SESSION, digest(body)) is None
        tables.bodies.put(TENANT, SESSION, digest(body), body)
        assert tables.bodies.get(TENANT, SESSION, digest(body)) == body


def test_a_body_that_lost_a_part_is_not_read(tables: Tables) -> None:
    body = text(3 * PART_BYTES)
    tables.bodies.put(TENANT, SESSION, digest(body), body)
    items = next(table for table in tables.models if issubclass(table, BodyItems))
    parts = [item for item in items.scan() if not item.sk.endswith("#head")]
    assert len(parts) == 3
    parts[1].delete()
    assert tables.bodies.get(TENANT, SESSION, digest(body)) is None


def die_after(patch: pytest.MonkeyPatch, n_puts: int) -> None:
    done: list[None] = []
    save = BodyItems.save

    def dying(item: BodyItems) -> object:
        if len(done) == n_puts:
            raise ConnectionError
        done.append(None)
        return save(item)

    patch.setattr(BodyItems, "save", dying)
