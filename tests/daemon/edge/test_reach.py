"""Reaching the plane: where the way ends is told by name, so that the remedy can be."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mooring.edge import reach as reaching
from mooring.edge.creds import Paths
from mooring.edge.reach import open_socket, reach
from mooring.errors import MoorError
from tests.daemon.fake_plane import FakePlane

HEALTHY = (200, {"status": "ok"})


@pytest.fixture(autouse=True)
def _no_proxy(home: Paths) -> None:
    """Nothing of the developer's own way out."""


def end_of_the_way(url: str) -> str:
    with pytest.raises(MoorError) as stopped:
        reach(url)
    assert stopped.value.message.endswith(".")
    return stopped.value.code


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_plane_that_is_well_is_reached_and_its_clock_is_read(plane: FakePlane) -> None:
    plane.route("GET /health", HEALTHY)
    reached = reach(plane.url)
    assert reached.proxy is None
    assert reached.took_s >= 0
    assert reached.ahead_s is not None
    assert abs(reached.ahead_s) < 30


def test_a_name_that_nobody_knows() -> None:
    assert end_of_the_way("http://nowhere.invalid") == "name_unknown"


def test_a_port_that_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert end_of_the_way(f"http://127.0.0.1:{port}") == "not_reachable"


def test_one_who_takes_the_call_and_says_nothing(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "ANSWER_S", 0.2)
    assert end_of_the_way(f"http://127.0.0.1:{deaf}") == "timed_out"


def test_something_else_that_answers(plane: FakePlane) -> None:
    """Catches a captive portal that is taken for the plane."""
    plane.route("GET /health", (302, {}))
    assert end_of_the_way(plane.url) == "no_plane"


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")
    assert end_of_the_way("http://plane.example") == "proxy_unreachable"


def test_a_plane_that_can_not_prove_who_it_is(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def shake_hands() -> None:
            taken, _ = listening.accept()
            with taken, pytest.raises(ssl.SSLError):
                context.wrap_socket(taken, server_side=True)

        answering = threading.Thread(target=shake_hands)
        answering.start()
        code = end_of_the_way(f"https://127.0.0.1:{listening.getsockname()[1]}")
        answering.join()
    assert code == "tls_untrusted"


def test_a_socket_is_opened_and_nothing_is_said_on_it(plane: FakePlane) -> None:
    """Catches a look at the way that takes the runtime from the daemon which runs: a hello would."""
    open_socket(plane.ws_url, "sk_machine_secret")
    opened = plane.socket()
    assert opened.authorization == "Bearer sk_machine_secret"
    assert opened.closed.wait(15)
    assert opened.fragments == []


def test_a_socket_that_is_refused(plane: FakePlane) -> None:
    plane.refuse = 403
    with pytest.raises(MoorError, match=r"websocket_refused.*403"):
        open_socket(plane.ws_url, "sk_machine_secret")
