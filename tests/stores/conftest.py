"""Every store twice: over moto and in memory. Both hold the same contract, so each test runs on both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from chalicelib.actors.ports import Stores
from chalicelib.stores import Tables, open_tables
from infra.bucket import create_bucket
from infra.tables import create_tables
from tests.fakes import FakeClock, FakeSockets, fake_stores
from tests.golden.grammar import kind_of

REGION = "eu-central-1"
PREFIX = "plane"
BUCKET = "plane-files"

T = TypeVar("T")


@pytest.fixture(scope="module")
def plane(aws: None) -> Iterator[Tables]:
    """A plane's tables on moto, made once a module: making them and a client takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", REGION)
        create_tables(prefix=PREFIX)
        create_bucket(BUCKET)
        yield open_tables(PREFIX, region=REGION, bucket=BUCKET)


@pytest.fixture
def tables(plane: Tables) -> Iterator[Tables]:
    """The same tables, empty for each test. What a test leaves in them is of the kinds that the key grammar names."""
    yield plane
    unnamed = []
    for table in plane.models:
        for item in table.scan():
            if kind_of(table, item.serialize()) is None:
                unnamed.append(item)
            item.delete()
    assert unnamed == [], "the table in the docstring of chalicelib/stores/table.py names no such keys"


@pytest.fixture(params=["dynamodb", "memory"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """The same ports, real and in memory."""
    if request.param == "memory":
        yield fake_stores(FakeClock())
    else:
        yield as_stores(request.getfixturevalue("tables"))


def as_stores(tables: Tables) -> Stores:
    """The real stores as the actors know them; that this type-checks is a part of the contract."""
    return Stores(
        objects=tables.objects,
        bodies=tables.bodies,
        live=tables.live,
        work=tables.work,
        connections=tables.connections,
        attachments=tables.attachments,
        tenants=tables.tenants,
        users=tables.users,
        passes=tables.passes,
        runtimes=tables.runtimes,
        devices=tables.devices,
        agents=tables.agents,
        environments=tables.environments,
        sessions=tables.sessions,
        files=tables.files,
        blobs=tables.blobs,
        sockets=FakeSockets(),
        clock=FakeClock(),
    )


def at_once(n: int, do: Callable[[int], T]) -> list[T | Exception]:
    """What `do(0)` … `do(n - 1)` answered or raised, all started at the same moment in threads of their own."""
    ready = threading.Barrier(n)

    def one(i: int) -> T | Exception:
        ready.wait(timeout=10)
        try:
            return do(i)
        except Exception as exc:  # noqa: BLE001  # The test looks at it.
            return exc

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))
