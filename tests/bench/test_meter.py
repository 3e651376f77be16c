"""The meter: units as DynamoDB counts them, requests of its own left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bench.meter import Meter, Request, size_of

TABLE = "t"


def text(name: str) -> dict[str, str]:
    return {"AttributeName": name, "AttributeType": "S"}


def keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


def connected() -> Any:
    return boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")


@pytest.fixture
def client(aws: None) -> Iterator[Any]:
    admin = connected()
    admin.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[text("pk"), text("sk"), text("cause"), text("due")],
        KeySchema=keys("pk", "sk"),
        LocalSecondaryIndexes=[
            {"IndexName": "local", "KeySchema": keys("pk", "cause"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "global", "KeySchema": keys("due", "pk"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    yield connected()
    admin.delete_table(TableName=TABLE)


@pytest.fixture
def meter(client: Any) -> Meter:
    return Meter(client)


def item(sk: str, n_bytes: int = 0, **more: str) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}, "b": {"B": b"x" * n_bytes}, **{k: {"S": v} for k, v in more.items()}}


def put(client: Any, meter: Meter, **wish: Any) -> int:
    client.put_item(TableName=TABLE, **wish)
    (request,) = meter.take()
    assert (request.operation, request.table, request.is_write) == ("PutItem", TABLE, True)
    return request.write_units


def test_a_put_costs_the_larger_of_before_and_after(client: Any, meter: Meter) -> None:
    assert put(client, meter, Item=item("a", 1000)) == 1
    assert put(client, meter, Item=item("a", 1020)) == 2  # Names and keys count too.
    assert put(client, meter, Item=item("a")) == 2
    assert put(client, meter, Item=item("a")) == 1


def test_a_refused_put_costs_what_stands_there(client: Any, meter: Meter) -> None:
    put(client, meter, Item=item("a", 5000))
    with pytest.raises(ClientError):
        client.put_item(TableName=TABLE, Item=item("a"), ConditionExpression="attribute_not_exists(sk)")
    assert [one.write_units for one in meter.take()] == [5]


def test_an_index_costs_what_changes_in_it(client: Any, meter: Meter) -> None:
    assert put(client, meter, Item=item("a", 1500, cause="c")) == 2 + 1  # Keys only.
    assert put(client, meter, Item=item("a", 1600, cause="c")) == 2  # The keys are the same.
    assert put(client, meter, Item=item("b", 1500, due="1")) == 2 + 2  # The whole item.
    assert put(client, meter, Item=item("b", 1500, due="2")) == 2 + 2 + 2  # Taken out there, put in here.
    assert put(client, meter, Item=item("b", 1600, due="2")) == 2 + 2


def test_updates_and_deletes_cost_the_item(client: Any, meter: Meter) -> None:
    put(client, meter, Item=item("a", 2500))
    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    client.update_item(
        TableName=TABLE, Key=key, UpdateExpression="SET c = :c", ExpressionAttributeValues={":c": {"N": "1"}}
    )
    client.delete_item(TableName=TABLE, Key=key)
    client.delete_item(TableName=TABLE, Key=key)
    assert [(one.operation, one.write_units) for one in meter.take()] == [
        ("UpdateItem", 3),
        ("DeleteItem", 3),
        ("DeleteItem", 1),
    ]


def test_each_write_of_a_transaction_costs_twice(client: Any, meter: Meter) -> None:
    """Catches a transaction that is counted as one write, or not at all."""
    put(client, meter, Item=item("a", 2500))
    change = {
        "TableName": TABLE,
        "Key": {"pk": {"S": "p"}, "sk": {"S": "a"}},
        "UpdateExpression": "ADD c :c",
        "ExpressionAttributeValues": {":c": {"SS": ["x"]}},
    }
    client.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": item("b")}}, {"Update": change}])
    taken = meter.take()
    assert [(one.table, one.is_write, one.write_units) for one in taken] == [(TABLE, True, 2), (TABLE, True, 6)]


def test_reads_cost_by_4_kb_and_half_when_they_may_be_old(client: Any, meter: Meter) -> None:
    put(client, meter, Item=item("a", 5000))
    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
    client.get_item(TableName=TABLE, Key=key)
    client.get_item(TableName=TABLE, Key={**key, "sk": {"S": "none"}}, ConsistentRead=True)
    assert [(one.is_strong, one.read_units) for one in meter.take()] == [(True, 2.0), (False, 1.0), (True, 1.0)]


def test_a_query_costs_what_it_reads_also_what_a_filter_leaves_out(client: Any, meter: Meter) -> None:
    for number in range(3):
        put(client, meter, Item=item(f"a{number}", 3000, keep="no"))
    client.query(
        TableName=TABLE,
        KeyConditionExpression="pk = :p",
        FilterExpression="#k = :k",
        ExpressionAttributeNames={"#k": "keep"},
        ExpressionAttributeValues={":p": {"S": "p"}, ":k": {"S": "yes"}},
        ConsistentRead=True,
    )
    assert meter.take() == [Request("Query", TABLE, is_strong=True, read_units=3.0)]


@pytest.mark.parametrize("keep", ["yes", "no"])
def test_a_query_that_only_counts_costs_what_it_counted_and_what_it_left_out(
    client: Any, meter: Meter, keep: str
) -> None:
    """Catches a count that costs nothing, or breaks the meter, because its answer holds no items."""
    for number in range(3):
        put(client, meter, Item=item(f"a{number}", 3000, keep=keep))
    told = client.query(
        TableName=TABLE,
        Select="COUNT",
        KeyConditionExpression="pk = :p",
        FilterExpression="#k = :k",
        ExpressionAttributeNames={"#k": "keep"},
        ExpressionAttributeValues={":p": {"S": "p"}, ":k": {"S": "yes"}},
        ConsistentRead=True,
    )
    assert "Items" not in told
    assert meter.take() == [Request("Query", TABLE, is_strong=True, read_units=3.0)]


def test_a_request_that_nobody_taught_it_to_price_is_an_error(client: Any, meter: Meter) -> None:
    with pytest.raises(ValueError, match="Scan"):
        client.scan(TableName=TABLE)


@pytest.mark.parametrize(
    ("value", "n_bytes"),
    [
        ({"S": "é"}, 2),
        ({"B": b"abc"}, 3),
        ({"B": "YWJj"}, 3),
        ({"N": "1800000000.0"}, 2),
        ({"N": "-123"}, 4),
        ({"BOOL": True}, 1),
        ({"SS": ["ab", "é"]}, 4),
        ({"L": [{"S": "a"}]}, 5),
        ({"M": {"a": {"S": "b"}}}, 6),
    ],
)
def test_sizes_are_those_of_the_documentation(value: dict[str, Any], n_bytes: int) -> None:
    assert size_of({"name": value}) == 4 + n_bytes
