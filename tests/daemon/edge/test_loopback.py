"""The loopback listener: whom it hears, and whom it does not."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from mooring.edge.loopback import Answer, Loopback
from tests.daemon.fake_plane import WAIT_S

STATE = "state-1"
RIGHT = f"/callback?code=c0de&state={STATE}"


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with Loopback(STATE) as listening:
        yield listening


def knock(loopback: Loopback, target: str, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """A request. Returns its status and page."""
    connection = http.client.HTTPConnection(loopback.authority, timeout=WAIT_S)
    try:
        connection.request(method, target, headers={"host": host or loopback.authority})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_browsers_answer_is_heard_and_answered_with_a_page(loopback: Loopback) -> None:
    assert loopback.redirect_uri == f"http://{loopback.authority}/callback"
    status, page = knock(loopback, RIGHT)
    assert status == 200
    assert "is being connected" in page
    assert "You may close this window" in page
    answer = loopback.wait(WAIT_S)
    assert answer == Answer(code="c0de")
    assert "c0de" not in repr(answer)


def test_a_refusal_is_heard_too(loopback: Loopback) -> None:
    assert "was not connected" in knock(loopback, f"/callback?error=access_denied&state={STATE}")[1]
    assert loopback.wait(WAIT_S) == Answer(error="access_denied")


@pytest.mark.parametrize(
    ("target", "method", "host"),
    [
        ("/callback?code=evil&state=state-2", "GET", None),
        ("/callback?code=evil&state=", "GET", None),
        ("/callback?code=evil", "GET", None),
        ("/callback?code=evil&state=%C3%A9%00", "GET", None),
        (f"/callback?code=evil&state=wrong&state={STATE}", "GET", None),
        (f"/callback?code=evil&code=c0de&state={STATE}", "GET", None),
        (f"/callback?code=evil&error=access_denied&state={STATE}", "GET", None),
        (f"/callback?state={STATE}", "GET", None),
        (f"/callback?state={STATE}&" + "&".join(f"a{n}=1" for n in range(12)), "GET", None),
        (f"/?code=evil&state={STATE}", "GET", None),
        (f"/callback/x?code=evil&state={STATE}", "GET", None),
        (f"http://[x/callback?code=evil&state={STATE}", "GET", None),
        ("/favicon.ico", "GET", None),
        (RIGHT, "POST", None),
        (RIGHT, "HEAD", None),
        (RIGHT, "OPTIONS", None),
        (RIGHT, "GET", "evil.example"),
        (RIGHT, "GET", "localhost"),
        (RIGHT, "GET", "127.0.0.1"),
    ],
)
def test_a_stranger_is_not_heard_and_does_not_end_the_waiting(
    loopback: Loopback, target: str, method: str, host: str | None
) -> None:
    """Catches a page or process of this machine that connects it to a plane of its own, or spoils the person's try."""
    status, page = knock(loopback, target, method, host)
    assert status in (404, 501)
    assert "evil" not in page
    assert loopback.wait(0) is None
    assert knock(loopback, RIGHT)[0] == 200
    assert loopback.wait(WAIT_S) == Answer(code="c0de")


def test_the_second_answer_is_not_heard(loopback: Loopback) -> None:
    """Catches a listener that is good for more than one answer."""
    assert knock(loopback, RIGHT)[0] == 200
    assert loopback.wait(WAIT_S) == Answer(code="c0de")
    assert knock(loopback, RIGHT.replace("c0de", "later"))[0] == 404
    assert loopback.wait(0) is None


def test_a_connection_that_says_nothing_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a browser's idle connection that holds the answer, or the end of the process, back."""
    monkeypatch.setattr("mooring.edge.loopback.REQUEST_S", 4 * WAIT_S)
    with Loopback(STATE) as loopback:
        host, port = loopback.authority.split(":")
        with socket.create_connection((host, int(port))):
            assert knock(loopback, RIGHT)[0] == 200
            assert loopback.wait(WAIT_S) == Answer(code="c0de")


def test_only_this_machine_can_knock(loopback: Loopback) -> None:
    assert loopback.authority.startswith("127.0.0.1:")
    assert loopback._server.server_address[0] == "127.0.0.1"
