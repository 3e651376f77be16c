"""Makes a plane's tables: `python -m infra.tables`. Running it again changes nothing."""

from __future__ import annotations

import os
import sys
from typing import Any

from pynamodb.exceptions import TableError
from pynamodb.models import Model

from chalicelib.stores import open_tables

DEFAULT_PREFIX = "mooring"
TTL_ATTRIBUTE = "ttl"


def create_tables(endpoint_url: str | None = None, prefix: str | None = None) -> None:
    """Make the tables that are missing, pay per request, and switch expiry on where a table has it.

    Args:
        endpoint_url: DynamoDB's URL; None leaves it to botocore (which knows `AWS_ENDPOINT_URL`).
        prefix: What the tables' names begin with; None takes it from the environment, see `table_prefix`.
    """
    for table in open_tables(prefix or table_prefix(), endpoint_url, region()).models:
        _create(table)
        if TTL_ATTRIBUTE in table.get_attributes():
            _expire(table)


def table_prefix() -> str:
    """What the plane's tables' names begin with: `MOORING_TABLE_PREFIX`, or "mooring"."""
    return os.environ.get("MOORING_TABLE_PREFIX") or DEFAULT_PREFIX


def region() -> str | None:
    """The region as Lambda names it, `AWS_REGION`; None leaves it to botocore, which does not read that one."""
    return os.environ.get("AWS_REGION") or None


def _create(table: type[Model]) -> None:
    try:
        table.create_table(wait=True)
    except TableError as exc:
        # Somebody else made it between PynamoDB's question and its request.
        if exc.cause_response_code != "ResourceInUseException":
            raise


def _expire(table: type[Model]) -> None:
    # DynamoDB refuses to switch on what is on.
    client: Any = table._get_connection().connection.client
    name = table.Meta.table_name
    described = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if described["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
        wish = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=wish)


if __name__ == "__main__":
    create_tables()
    sys.stdout.write(f"The tables {table_prefix()}-* are there.\n")
