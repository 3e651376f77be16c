"""Connections: whose a WebSocket is."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Connection
from chalicelib.stores import Tables
from chalicelib.stores.connections import ConnectionRows
from chalicelib.stores.table import Records
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


def test_the_connections_of_a_runtime_or_a_key_are_found_by_it(stores: Stores) -> None:
    """Catches a revocation that leaves open what its secret opened, or closes somebody else's."""
    viewer = replace(DAEMON, connection_id=ConnectionId("v1="), role="viewer", runtime_id=None, key_id=KeyId("key_1"))
    stores.connections.put(DAEMON)
    stores.connections.put(viewer)
    stores.connections.put(replace(viewer, connection_id=ConnectionId("v2=")))
    stores.connections.put(replace(viewer, connection_id=ConnectionId("v3="), key_id=KeyId("key_10")))
    stores.connections.put(replace(viewer, connection_id=ConnectionId("v4="), tenant_id=TenantId("ten_b")))
    stores.connections.put(replace(viewer, connection_id=ConnectionId("v5="), key_id=None))
    assert sorted(stores.connections.of_holder(TenantId("ten_a"), "key_1")) == ["v1=", "v2="]
    assert stores.connections.of_holder(TenantId("ten_a"), "rt_1") == [ID]
    assert stores.connections.of_holder(TenantId("ten_a"), "key_2") == []


def test_the_note_of_whose_a_connection_is_expires_with_it(tables: Tables) -> None:
    """Catches notes that pile up: nobody deletes them when a connection ends."""
    tables.connections.put(DAEMON)
    tables.connections.delete(ID)
    records = next(table for table in tables.models if issubclass(table, Records))
    (note,) = records.query("ten_a")
    assert (note.sk, note.ttl) == ("open#rt_1#Zk3=", 1_800_007_201)
