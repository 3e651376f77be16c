"""A plane to be measured: the whole app over the real stores, on moto in this process, and who talks to it.

One thread does everything, so that moto needs no lock. Time stands still and chance counts, so that two runs give the
same numbers to the last unit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from chalice.test import Client
from chalice.test import HTTPResponse as Answer
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from app import app
from bench.meter import BlobMeter, Meter
from chalicelib import wiring
from chalicelib.actors.ports import Stores
from chalicelib.stores import Tables, open_tables
from chalicelib.wiring import Plane
from infra.bucket import create_bucket
from infra.tables import create_tables
from tests.fakes import FakeClock, FakeSockets
from tests.knocking import WS_URL, World

REGION = "us-east-1"
PREFIX = "bench"
BUCKET = "bench-files"

_TICK: dict[str, Any] = dict.fromkeys(("version", "account", "region", "detail-type", "source", "time", "id"), "") | {
    "detail": {},
    "resources": [],
}
"""The fields of a scheduled event, none of which the sweep looks at."""


class Site:
    """Tables and a bucket, and the meters on them; every world on it begins with empty tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        connection: Any = tables.models[0]._get_connection().connection
        self.meter = Meter(connection.client)
        self.blob_meter = BlobMeter(tables.blobs._client())

    def world(self) -> MeteredWorld:
        """A plane with nobody in it."""
        for backends in dynamodb_backends.values():
            for table in backends[REGION].tables.values():
                table.items.clear()
        return MeteredWorld(self)


@contextmanager
def site() -> Iterator[Site]:
    """Tables and a bucket on moto in this process."""
    dummies = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    with patch.dict(os.environ, dummies), mock_aws():
        create_tables(None, PREFIX)
        create_bucket(BUCKET)
        try:
            yield Site(open_tables(PREFIX, region=REGION, bucket=BUCKET))
        finally:
            wiring.reset()


class MeteredWorld(World):
    """A plane over the real stores.

    Attributes:
        invocations: Lambda invocations so far: requests and WebSocket events.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.invocations = 0
        self.clock = FakeClock()
        self.sockets = FakeSockets()
        names = set(Stores.__struct_fields__) - {"sockets", "clock"}
        parts: dict[str, Any] = {name: getattr(site.tables, name) for name in names}
        self.stores = Stores(**parts, sockets=self.sockets, clock=self.clock)
        self.restart()
        self.http = Client(app).http

    def restart(self) -> None:
        """A new container: nothing is remembered but what is stored."""
        self.plane = Plane(self.stores, ws_url=WS_URL)
        wiring.use(self.plane)

    def ask(self, method: str, path: str, secret: str | None = None, body: Any = None, **headers: str) -> Answer:
        """One request, which is one invocation."""
        self.invocations += 1
        return super().ask(method, path, secret, body, **headers)

    def ws(self, route: str, connection_id: str, **event: Any) -> dict[str, Any]:
        """One WebSocket event, which is one invocation."""
        self.invocations += 1
        return super().ws(route, connection_id, **event)

    def sweep(self) -> None:
        """The scheduled sweep, which is one invocation."""
        self.invocations += 1
        Client(app).lambda_.invoke("sweep", dict(_TICK))
