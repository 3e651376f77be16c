"""Connections: whose a WebSocket is."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Connection
from chalicelib.stores import Tables
from chalicelib.stores.connections import ConnectionRows
from chalicelib.wire.ids import ConnectionId, KeyId, RuntimeId, SessionId, TenantId

ID = ConnectionId("Zk3=")
DAEMON = Connection(
    connection_id=ID,
    role="daemon",
    tenant_id=TenantId("ten_a"),
    created_at=1_800_000_000.0,
    expires_at=1_800_007_200.25,
    runtime_id=RuntimeId("rt_1"),
    token_hash="ab" * 32,
)


def test_a_daemons_and_a_viewers_row_come_back(stores: Stores) -> None:
    viewer = Connection(
        connection_id=ConnectionId("viewer"),
        role="viewer",
        tenant_id=TenantId("ten_a"),
        created_at=1.0,
        expires_at=2.0,
        key_id=KeyId("key_1"),
        only_session_id=SessionId("sesn_1"),
    )
    stores.connections.put(DAEMON)
    stores.connections.put(viewer)
    assert stores.connections.get(ID) == DAEMON
    assert stores.connections.get(ConnectionId("viewer")) == viewer


def test_a_row_is_written_over(stores: Stores) -> None:
    stores.connections.put(DAEMON)
    stores.connections.put(replace(DAEMON, tenant_id=TenantId("ten_b")))
    assert stores.connections.get(ID) == replace(DAEMON, tenant_id=TenantId("ten_b"))


def test_a_deleted_or_unknown_row_is_absent(stores: Stores) -> None:
    stores.connections.put(DAEMON)
    stores.connections.delete(ID)
    stores.connections.delete(ID)
    assert stores.connections.get(ID) is None


def test_dynamodb_deletes_a_row_not_before_it_expires(tables: Tables) -> None:
    tables.connections.put(DAEMON)
    rows = next(table for table in tables.models if issubclass(table, ConnectionRows))
    assert rows.get(ID).ttl == 1_800_007_201
