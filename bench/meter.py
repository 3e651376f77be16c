"""The meters: count the requests of botocore clients, those to DynamoDB with the units that they would cost.

moto answers every request with one made-up capacity, so units are computed here from the items' sizes, as DynamoDB
does. To know sizes that an answer does not tell (the item before and after a write, what a filter left out) the meter
asks the same client itself; its own requests are not counted.

Sources: AWS docs, "DynamoDB read and write operations" (4 KB a read unit, 1 KB a write unit, rounded up per request; a
filter saves nothing; a put costs the larger of the item before and after, so does a write that is refused), "DynamoDB
item sizes and formats", "Provisioned throughput considerations" for local and global secondary indexes.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024

_WRITES: Final = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
_COLLECTION_BYTES: Final = 3
_OPTIONS: Final = ("KeyConditionExpression", "ProjectionExpression")

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        operation: DynamoDB's name for it.
        table: the table's name.
        is_strong: a strongly consistent read.
        read_units: of a read; half units for an eventually consistent one.
        write_units: of a write, its indexes included.
    """

    operation: str
    table: str
    is_strong: bool = False
    read_units: float = 0.0
    write_units: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it is a put, an update or a delete."""
        return self.operation in _WRITES


class Meter:
    """Listens to a botocore DynamoDB client from now on.

    Args:
        client: the client; it must be used by one thread only.

    Raises:
        ValueError: later, from a request, when it is of a kind that nobody has taught the meter to price.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._requests: list[Request] = []
        self._is_own = False
        self._indexes: dict[str, list[dict[str, Any]]] = {}
        client.meta.events.register("before-call.dynamodb", self._before)
        client.meta.events.register("after-call.dynamodb", self._after)

    def take(self) -> list[Request]:
        """The requests since this was last asked."""
        taken, self._requests = self._requests, []
        return taken

    def _before(self, model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        if self._is_own:
            return
        asked = json.loads(params["body"])
        context["bench_asked"] = asked
        if model.name in _WRITES:
            context["bench_before"] = list(map(self._item, _writes_in(asked)))

    def _after(self, model: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
        if self._is_own:
            return
        asked = context["bench_asked"]
        if model.name in _WRITES:
            for write, before in zip(_writes_in(asked), context["bench_before"], strict=True):
                table = write["TableName"]
                # A transaction's writes are prepared and committed. Source: AWS docs, "Amazon DynamoDB transactions".
                times = 2 if "TransactItems" in asked else 1
                units = times * self._write_units(table, before, self._item(write))
                self._requests.append(Request(model.name, table, write_units=units))
            return
        if model.name not in ("GetItem", "Query"):
            raise ValueError(f"The meter can't price {model.name}.")
        table = asked["TableName"]
        items = self._evaluated(asked, parsed) if model.name == "Query" else [parsed.get("Item") or {}]
        is_strong = bool(asked.get("ConsistentRead"))
        units = max(1, math.ceil(sum(map(size_of, items)) / READ_UNIT_BYTES))
        self._requests.append(
            Request(model.name, table, is_strong=is_strong, read_units=float(units) if is_strong else units / 2)
        )

    def _evaluated(self, asked: dict[str, Any], parsed: Mapping[str, Any]) -> list[Item]:
        """The items that a query read: a filter, or that it only counts, leaves out what was read and is paid for."""
        if not {"FilterExpression", "Select"} & set(asked):
            return list(parsed["Items"])
        bare = {key: value for key, value in asked.items() if key not in ("FilterExpression", "Select")}
        used = " ".join(str(bare.get(option, "")) for option in _OPTIONS)
        for names in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            kept = {key: value for key, value in bare.pop(names, {}).items() if re.search(rf"{key}\b", used)}
            if kept:
                bare[names] = kept
        with self._own():
            return list(self._client.query(**bare)["Items"])

    def _item(self, asked: Mapping[str, Any]) -> Item:
        """The item that a write is about, as it stands now; empty when there is none."""
        keys = self._schema(asked["TableName"])[0]["keys"]
        holder = asked.get("Key") or asked["Item"]
        with self._own():
            found = self._client.get_item(
                TableName=asked["TableName"], Key={key: holder[key] for key in keys}, ConsistentRead=True
            )
        return _raw(found.get("Item") or {})

    def _write_units(self, table: str, before: Item, after: Item) -> int:
        units = max(1, _write_units(before), _write_units(after))
        own, *indexes = self._schema(table)
        for index in indexes:
            was = _entry(before, own["keys"], index)
            now = _entry(after, own["keys"], index)
            if was == now:
                continue
            is_moved = [was.get(key) for key in index["keys"]] != [now.get(key) for key in index["keys"]]
            # An entry under another key is a delete and a put.
            each = (_write_units(was), _write_units(now))
            units += sum(each) if is_moved else max(each)
        return units

    def _schema(self, table: str) -> list[dict[str, Any]]:
        """The table's keys, then those of its indexes and what these hold."""
        if table not in self._indexes:
            with self._own():
                told = self._client.describe_table(TableName=table)["Table"]
            found = [told, *told.get("LocalSecondaryIndexes", ()), *told.get("GlobalSecondaryIndexes", ())]
            self._indexes[table] = [
                {
                    "keys": [one["AttributeName"] for one in each["KeySchema"]],
                    "is_whole": each.get("Projection", {}).get("ProjectionType") == "ALL",
                }
                for each in found
            ]
        return self._indexes[table]

    @contextmanager
    def _own(self) -> Iterator[None]:
        self._is_own = True
        try:
            yield
        finally:
            self._is_own = False


class BlobMeter:
    """Counts the requests of a botocore S3 client from now on. Signing an address is none: nothing is sent."""

    def __init__(self, client: Any) -> None:
        self._n_requests = 0
        client.meta.events.register("before-call.s3", self._count)

    def take(self) -> int:
        """How many there were since this was last asked."""
        taken, self._n_requests = self._n_requests, 0
        return taken

    def _count(self, **_: Any) -> None:
        self._n_requests += 1


def _writes_in(asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The writes of a request: of a transaction all, otherwise the request itself."""
    transacted = asked.get("TransactItems")
    return [asked] if transacted is None else [write for one in transacted for write in one.values()]


def size_of(item: Item) -> int:
    """An item's size as DynamoDB counts it (bytes): names and values. Numbers are rounded up, by at most a byte."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "B":
            return len(held) if isinstance(held, bytes) else len(base64.b64decode(held))
        case "N":
            digits: str = held.strip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + bool(held.startswith("-"))
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(one.encode()) for one in held)
        case "M":
            return _COLLECTION_BYTES + size_of(held) + len(held)
        case "L":
            return _COLLECTION_BYTES + sum(1 + _value_bytes(one) for one in held)
    raise ValueError(f"The meter does not know the size of a {kind}.")


def _write_units(item: Item) -> int:
    return math.ceil(size_of(item) / WRITE_UNIT_BYTES)


def _entry(item: Item, table_keys: list[str], index: Mapping[str, Any]) -> Item:
    """What an index holds of an item: nothing, if the item lacks one of its keys."""
    if not all(key in item for key in index["keys"]):
        return {}
    if index["is_whole"]:
        return item
    return {key: item[key] for key in dict.fromkeys([*table_keys, *index["keys"]])}


def _raw(item: Item) -> Item:
    return {name: dict(value) for name, value in item.items()}
