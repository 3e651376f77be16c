"""What a plane remembers: its tables as they are, read past the plane itself.

So a row that no list shows counts too. Left out is what moves by itself: rooms (leases), connections and work items.
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

TABLES = ("attachments", "bodies", "codes", "live", "objects", "records", "secrets")
_SIGNED = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
_HEADERS = {
    "x-amz-target": "DynamoDB_20120810.Scan",
    "content-type": "application/x-amz-json-1.0",
    "authorization": _SIGNED,  # The stand-in reads the service and the region from it, and checks nothing.
}


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
        return {name: sorted(self._rows(f"mooring-{name}")) for name in TABLES}

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _rows(self, table: str) -> list[str]:
        found: list[str] = []
        page: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        while True:
            answer = self._pool.request("POST", self._endpoint_url, body=json.dumps(page), headers=_HEADERS)
            body = json.loads(answer.data)
            assert answer.status == 200, body
            rows = (json.dumps(item, sort_keys=True) for item in body["Items"])
            found += [row for row in rows if '"room:' not in row]
            if "LastEvaluatedKey" not in body:
                return found
            page["ExclusiveStartKey"] = body["LastEvaluatedKey"]
