"""The tables as such: made once, expiring where they should, nothing done before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from pynamodb.connection import Connection

from chalicelib.actors import ports
from chalicelib.actors.ports import Stores
from chalicelib.core.selection import Selection
from chalicelib.core.session_list import Keys
from chalicelib.stores import Tables, open_tables
from chalicelib.wire.ids import AgentId, ConnectionId, EnvironmentId, EventId, RuntimeId, SessionId, TenantId, TurnId
from infra.tables import create_tables
from tests.stores.conftest import REGION

EXPIRING = {"live", "connections", "attachments", "records", "codes", "passes", "devices"}
OTHERS = {"objects", "bodies", "work", "secrets"}


@pytest.fixture
def dynamodb(aws: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_REGION", REGION)
    return boto3.client("dynamodb", region_name=REGION)


def names(client: Any, prefix: str) -> set[str]:
    return {name for name in client.list_tables()["TableNames"] if name.startswith(f"{prefix}-")}


def test_tables_are_made_once_and_making_them_again_keeps_their_rows(dynamodb: Any) -> None:
    create_tables(prefix="twice")
    dynamodb.put_item(TableName="twice-codes", Item={"code_hash": {"S": "kept"}})
    create_tables(prefix="twice")
    assert names(dynamodb, "twice") == {f"twice-{one}" for one in EXPIRING | OTHERS}
    assert dynamodb.scan(TableName="twice-codes")["Count"] == 1


def test_a_table_made_meanwhile_by_somebody_else_is_taken(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    create_tables(prefix="race")
    monkeypatch.setattr("pynamodb.models.Model.exists", lambda: False)
    create_tables(prefix="race")
    assert len(names(dynamodb, "race")) == len(EXPIRING | OTHERS)


def test_the_prefix_comes_from_the_environment(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_TABLE_PREFIX", "given")
    create_tables()
    monkeypatch.delenv("MOORING_TABLE_PREFIX")
    create_tables()
    assert len(names(dynamodb, "given")) == len(names(dynamodb, "mooring")) == len(EXPIRING | OTHERS)


def test_tables_expire_where_rows_do_and_are_paid_per_request(dynamodb: Any) -> None:
    create_tables(prefix="ttl")
    for one in EXPIRING | OTHERS:
        described = dynamodb.describe_time_to_live(TableName=f"ttl-{one}")["TimeToLiveDescription"]
        assert described.get("AttributeName") == ("ttl" if one in EXPIRING else None)
        table = dynamodb.describe_table(TableName=f"ttl-{one}")["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_the_index_on_cause_is_local_and_sparse(dynamodb: Any) -> None:
    create_tables(prefix="lsi")
    tables = open_tables("lsi", region=REGION)
    key = ports.ObjectKey("session", "ten_a", "sesn_1")
    tables.objects.append(key, 1, b"one", None)
    tables.objects.append(key, 2, b"two", "cause")
    described = dynamodb.describe_table(TableName="lsi-objects")["Table"]["LocalSecondaryIndexes"]
    assert [(one["IndexName"], one["Projection"]["ProjectionType"]) for one in described] == [("by_cause", "KEYS_ONLY")]
    assert dynamodb.scan(TableName="lsi-objects", IndexName="by_cause")["Count"] == 1


def test_two_planes_in_one_process_do_not_mix(dynamodb: Any) -> None:
    for prefix in ("one", "two"):
        create_tables(prefix=prefix)
    one, two = open_tables("one", region=REGION), open_tables("two", region=REGION)
    key = ports.ObjectKey("room", "", "rt_1")
    one.objects.append(key, 1, b"one", None)
    assert two.objects.newest(key) is None


def test_all_tables_of_a_plane_share_one_client_with_short_waits(dynamodb: Any) -> None:
    tables = open_tables("shared", region=REGION)
    clients = {id(table._get_connection().connection.client) for table in tables.models}
    assert len(clients) == 1
    config: Any = tables.models[0]._get_connection().connection.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.0, 5.0)
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}


def test_opening_tables_makes_no_client_and_needs_no_environment() -> None:
    code = "from chalicelib.stores import open_tables; open_tables('p'); import chalicelib.outbound.sockets"
    subprocess.run([sys.executable, "-c", code], env={}, check=True, timeout=60)


def test_a_refusal_is_told_from_an_error(dynamodb: Any) -> None:
    tables = open_tables("nowhere", region=REGION)
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        tables.objects.append(ports.ObjectKey("room", "", "rt_1"), 1, b"", None)


def test_every_read_but_those_of_global_indexes_is_strongly_consistent(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moto never lags, so what is asked is looked at instead of what is answered."""
    asked: list[tuple[str, dict[str, Any]]] = []
    dispatch = Connection.dispatch

    def watched(self: Connection, operation: str, wish: dict[str, Any]) -> Any:
        asked.append((operation, wish))
        return dispatch(self, operation, wish)

    monkeypatch.setattr(Connection, "dispatch", watched)
    ten, sesn, rt = TenantId("ten_a"), SessionId("sesn_1"), RuntimeId("rt_1")
    key = ports.session_key(ten, sesn)
    tables.bodies.put(ten, sesn, EventId("sevt_1"), b"x" * 400_000)
    reads: list[Callable[[], object]] = [
        lambda: tables.objects.newest(key),
        lambda: tables.objects.by_cause(key, "cause"),
        lambda: tables.objects.get(key, 1),
        lambda: tables.objects.read(key, 0, 1),
        lambda: tables.objects.read_back(key, 9, 1),
        lambda: tables.bodies.get(ten, sesn, EventId("sevt_1")),
        lambda: tables.live.read(ten, TurnId("turn_1"), (0, 0), 0.0),
        lambda: tables.work.of_runtime(rt),
        lambda: list(tables.work.due(0.0)),
        lambda: tables.connections.get(ConnectionId("c")),
        lambda: tables.attachments.of_session(sesn, 0.0),
        lambda: tables.attachments.of_connection(ConnectionId("c")),
        tables.tenants.first,
        lambda: tables.tenants.key("00"),
        lambda: tables.runtimes.get(ten, rt),
        lambda: tables.runtimes.list(ten),
        lambda: tables.runtimes.token("00"),
        lambda: tables.runtimes.revoke_tokens(ten, rt, 0.0),
        lambda: tables.agents.get(ten, AgentId("agent_1")),
        lambda: tables.agents.list(ten, None, 1, Selection()),
        lambda: tables.agents.older(ten, AgentId("agent_1"), 1),
        lambda: tables.agents.versions(ten, AgentId("agent_1"), 2, 1),
        lambda: tables.agents.count(ten),
        lambda: tables.environments.get(ten, EnvironmentId("env_1")),
        lambda: tables.environments.list(ten, None, 1, Selection()),
        lambda: tables.sessions.get(ten, sesn),
        lambda: tables.sessions.list(ten, Keys(), 1),
    ]
    for read in reads:
        asked.clear()
        read()
        found = [wish for operation, wish in asked if operation in ("GetItem", "Query", "Scan")]
        assert found
        for wish in found:
            is_global = wish.get("IndexName") in ("by_due", "by_connection")
            assert wish.get("ConsistentRead", False) is not is_global


def test_every_method_of_every_port_is_there_on_both_sides(stores: Stores) -> None:
    for name in ports.Stores.__struct_fields__:
        port = getattr(ports, name.capitalize())
        methods = [one for one in vars(port) if not one.startswith("_")]
        assert methods
        assert all(callable(getattr(getattr(stores, name), one)) for one in methods)
