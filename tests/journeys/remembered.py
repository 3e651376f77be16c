"""What a plane remembers: its tables as they are, read past the plane itself.

So a row that no list shows counts too. Left out of ``rows`` is what moves by itself: rooms (leases), connections with
their notes, and work items; ``comings_and_goings`` and ``connections`` tell of one runtime's.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import urllib3

TABLES = ("attachments", "bodies", "codes", "live", "objects", "passes", "records", "secrets")
_KINDS = {"mooring.runtime_attached": "attached", "mooring.runtime_detached": "detached"}
_SIGNED = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
_HEADERS = {
    "x-amz-target": "DynamoDB_20120810.Scan",
    "content-type": "application/x-amz-json-1.0",
    "authorization": _SIGNED,  # The stand-in reads the service and the region from it, and checks nothing.
}


_MOVING = re.compile(r'"(?:room:|open#)')


class Tables:
    """The tables of a plane with the usual prefix.

    Args:
        endpoint_url: its AWS stand-in.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._pool = urllib3.PoolManager(retries=False, timeout=10.0)

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table, as sorted JSON."""
        found = {name: (json.dumps(item, sort_keys=True) for item in self._items(name)) for name in TABLES}
        return {name: sorted(row for row in rows if not _MOVING.search(row)) for name, rows in found.items()}

    def comings_and_goings(self, runtime_id: str) -> list[tuple[str, float]]:
        """When a connection became the runtime's own (``attached``), and when none was any more (``detached``)."""
        found = [item for item in self._items("objects") if item["pk"]["S"] == f"room:{runtime_id}"]
        found.sort(key=lambda item: int(item["n"]["N"]))
        records = [json.loads(base64.b64decode(item["body"]["B"])) for item in found]
        told = [(event["type"], record["at"]) for record in records for event in record["events"]]
        return [(_KINDS[kind], at) for kind, at in told if kind in _KINDS]

    def connections(self, runtime_id: str) -> int:
        """How many open connections of a runtime the plane knows."""
        return sum(runtime_id in json.dumps(item) for item in self._items("connections"))

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _items(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"TableName": f"mooring-{table}", "ConsistentRead": True}
        while True:
            answer = self._pool.request("POST", self._endpoint_url, body=json.dumps(page), headers=_HEADERS)
            body = json.loads(answer.data)
            assert answer.status == 200, body
            found += body["Items"]
            if "LastEvaluatedKey" not in body:
                return found
            page["ExclusiveStartKey"] = body["LastEvaluatedKey"]
