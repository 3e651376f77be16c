"""The real stores on moto, in a world: each call is an I/O point, before and after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from chalicelib.actors.ports import PutRefused, Stores
from chalicelib.stores import Tables, open_tables
from infra.tables import create_tables

from .world import SimClock, SimSockets, World

REGION = "us-east-1"


class Yielding:
    """A store that gives way to the world at each call; an applied put of a record is sometimes reported refused."""

    def __init__(self, store: Any, name: str, world: World) -> None:
        self._store, self._name, self._world = store, name, world

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self._store, method)

        def yielding(*args: Any, **kwargs: Any) -> Any:
            self._world.io(f"{self._name}.{method}", "before")
            answer = call(*args, **kwargs)
            if method == "due":
                answer = list(answer)
            if self._name == "objects" and method == "append" and self._world.lie():
                raise PutRefused
            self._world.io(f"{self._name}.{method}", "after")
            return answer

        return yielding


@contextmanager
def tables_on_moto() -> Iterator[Tables]:
    """Fresh tables, on moto in this process; greenlets take turns here, so that it needs no lock."""
    with patch.dict(os.environ, {"AWS_REGION": REGION}), mock_aws():
        create_tables(None, "schedules")
        yield open_tables("schedules", region=REGION)


def empty() -> None:
    """Takes everything out of all tables, which is much faster than making them anew."""
    for backends in dynamodb_backends.values():
        for table in backends[REGION].tables.values():
            table.items.clear()


@contextmanager
def on_moto() -> Iterator[Callable[[World], Stores]]:
    """Fresh tables; gives what makes a world's stores, empty each time."""
    with tables_on_moto() as tables:

        def make(world: World) -> Stores:
            empty()
            ports = {
                name: Yielding(getattr(tables, name), name, world)
                for name in Stores.__struct_fields__
                if name not in ("sockets", "clock")
            }
            parts: dict[str, Any] = {**ports, "sockets": SimSockets(world), "clock": SimClock(world)}
            return Stores(**parts)

        yield make
