"""A plane that browsers reach, over in-memory stores, and a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import uvicorn

from app import app
from chalicelib import wiring
from infra.local.connections import ConnectionTable
from infra.local.functions import FunctionPool, PlaneFunctions
from infra.local.gateway import address, bind
from infra.local.http import HTTPGateway
from infra.local.limits import Limits
from tests.browser.chromium import Window, chromium
from tests.knocking import Person, World

STOP_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the plane that `world` is."""
    limits = Limits()
    functions = PlaneFunctions(app, connections_url="http://127.0.0.1:9", timeout_s=limits.integration_s)
    pool = FunctionPool(4, limits.integration_s, "browser")
    gateway = HTTPGateway(functions, pool, ConnectionTable(), limits, stream=None, owns=lambda _method, _path: False)
    config = uvicorn.Config(gateway, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with bind(0) as listener:
        serving = threading.Thread(target=server.run, args=([listener],))
        serving.start()
        yield address(listener, "http")
        server.should_exit = True
        serving.join(STOP_TIMEOUT_S)
        assert not serving.is_alive()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    yield World()
    wiring.reset()


@pytest.fixture
def ada(world: World) -> Person:
    return world.tenant()


@pytest.fixture(scope="module")
def only_window() -> Iterator[Window]:
    with chromium() as chrome:
        yield Window(chrome)


@pytest.fixture
def window(only_window: Window) -> Iterator[Window]:
    """The window, in which nobody is signed in.

    Whatever the browser complains of fails the test: an error of a script, a file that is not there, something that the
    page's policy forbids.
    """
    yield only_window
    complaints = only_window.complaints()
    only_window.forget()
    assert complaints == []
