"""Pairing: how a person approves, in this machine's browser or on another device."""

from __future__ import annotations

import base64
import hashlib
import platform
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from mooring.commands.pairing import Grant, by_browser, by_device_code
from mooring.edge import loopback
from mooring.edge.https import PlaneError
from mooring.edge.plane import Machine
from mooring.errors import MoorError
from tests.daemon.fake_plane import WAIT_S, Answer, FakePlane, fault
from tests.daemon.shown import Shown

MACHINE = Machine(machine_id="m-1", hostname="ada's mbp", os="darwin/arm64", version="1")
HEALTH = "GET /health"
START, POLL = "POST /agents/runtime/device", "POST /agents/runtime/device/token"
CODES = {
    "device_code": "d3vice",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://plane.example/connect/device",
    "verification_uri_complete": "https://plane.example/connect/device?user_code=WDJB-MJHT",
    "expires_in": 60,
    "interval": 5,
}


@pytest.fixture(autouse=True)
def healthy(plane: FakePlane) -> None:
    """A plane answers."""
    plane.route(HEALTH, (200, {"status": "ok"}))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def challenge_of(verifier: str | None) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(str(verifier).encode()).digest()).rstrip(b"=").decode()


@contextmanager
def browsing(screen: Shown, answer: Callable[[dict[str, str]], str]) -> Iterator[list[str]]:
    """A browser that opens the address which is shown, and goes where ``answer`` leads. Gives the addresses."""
    seen: list[str] = []

    def browse() -> None:
        seen.append(screen.next_event()["url"])
        asked = query_of(seen[0])
        seen.append(f"{asked['redirect_uri']}?{answer(asked)}")
        with urllib3.PoolManager() as pool:
            pool.request("GET", seen[1], timeout=WAIT_S, retries=False)

    thread = threading.Thread(target=browse)
    thread.start()
    yield seen
    thread.join(WAIT_S)


def test_a_browsers_approval_is_a_code_that_only_this_process_can_use(plane: FakePlane) -> None:
    """Catches a state or verifier that leaves the machine, and an address that hides which machine asks."""
    screen = Shown()
    with browsing(screen, lambda asked: f"code=c0de&state={asked['state']}") as seen:
        grant = by_browser(plane.url, MACHINE, screen, opens=False)
    asked = query_of(seen[0])
    assert seen[0].startswith(f"{plane.url}/connect?")
    assert sorted(asked) == ["code_challenge", "hostname", "os", "redirect_uri", "state"]
    assert (asked["hostname"], asked["os"]) == ("ada's mbp", "darwin/arm64")
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert grant == Grant("c0de", asked["state"], grant.code_verifier)
    assert asked["code_challenge"] == challenge_of(grant.code_verifier)
    assert str(grant.code_verifier) not in seen[0]
    assert seen[0] in "".join(screen.texts)
    assert "c0de" not in repr(grant)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("access_denied", "access_denied", "declined"),
        ("server_error", "not_approved", "server_error"),
        ("%1b[31mevil", "not_approved", "an error"),
    ],
)
def test_a_browsers_refusal_is_told(plane: FakePlane, error: str, code: str, said: str) -> None:
    """Catches a refusal that is waited out, and a page that writes on the terminal."""
    screen = Shown()
    with (
        browsing(screen, lambda asked: f"error={error}&state={asked['state']}"),
        pytest.raises(MoorError, match=f"^{code}: .*{said}") as caught,
    ):
        by_browser(plane.url, MACHINE, screen, opens=False)
    assert "\x1b" not in str(caught.value)


def test_a_browser_that_never_answers_is_not_waited_for_for_ever(
    plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback.Loopback, "wait", lambda _: None)
    with pytest.raises(MoorError, match="^not_approved: .*in time"):
        by_browser(plane.url, MACHINE, Shown(), opens=False)


@pytest.mark.parametrize(
    ("system", "asks", "opens", "display", "opened"),
    [
        ("Linux", True, True, ":0", 1),
        ("Darwin", True, True, "", 1),
        ("Linux", True, True, "", 0),
        ("Linux", True, False, ":0", 0),
        ("Linux", False, True, ":0", 0),
    ],
)
def test_a_browser_is_opened_where_somebody_sits_in_front_of_one(
    plane: FakePlane, monkeypatch: pytest.MonkeyPatch, system: str, asks: bool, opens: bool, display: str, opened: int
) -> None:
    """Catches a text browser that takes the terminal over, and one that writes into a program's JSON."""
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(platform, "system", lambda: system)
    seen: list[str] = []

    def see(url: str) -> bool:
        seen.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", see)
    screen = Shown(asks=asks)
    with browsing(screen, lambda asked: f"code=c0de&state={asked['state']}"):
        by_browser(plane.url, MACHINE, screen, opens=opens)
    assert len(seen) == opened
    assert ("Your browser opens" in "".join(screen.texts)) is bool(opened)


@pytest.mark.parametrize(
    ("answer", "code"),
    [((200, b"<html>"), "bad_answer"), ((200, {"status": "no"}), "bad_answer"), (fault(404, "not_found"), "not_found")],
)
def test_nobody_is_sent_to_an_address_where_no_plane_is(plane: FakePlane, answer: Answer, code: str) -> None:
    """Catches a mistyped address that is noticed after five minutes of waiting."""
    plane.route(HEALTH, answer)
    with pytest.raises(MoorError, match=f"^{code}: "):
        by_browser(plane.url, MACHINE, Shown(), opens=False)


@dataclass
class Time:
    """A clock that moves when somebody pauses."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def approved(plane: FakePlane, *answers: Answer) -> tuple[Shown, Time, Callable[[], Grant]]:
    """A device's pairing that gets these answers in turn, the last one again and again."""
    left = list(answers)
    plane.route(START, (200, CODES))
    plane.route(POLL, lambda _: left.pop(0) if len(left) > 1 else left[0])
    screen, time = Shown(), Time()
    return screen, time, lambda: by_device_code(plane.url, MACHINE, screen, pause=time.pause, clock=lambda: time.now)


def test_a_device_shows_a_code_and_asks_until_somebody_has_approved(plane: FakePlane) -> None:
    """Catches a machine that asks faster than it was told to, or gives up before its code has ended."""
    pending = fault(400, "authorization_pending")
    answers = [pending, fault(400, "slow_down"), pending, fault(503, "busy"), (200, {"code": "c0de"})]
    screen, time, go = approved(plane, *answers)
    grant = go()
    assert time.pauses == [5, 5, 10, 10, 15]
    [start, *polls] = plane.asked
    assert grant == Grant("c0de", start.json["state"], grant.code_verifier)
    assert start.json["code_challenge"] == challenge_of(grant.code_verifier)
    assert [one.json for one in polls] == [{"device_code": "d3vice"}] * 5
    shown = "".join(screen.texts)
    assert "|   WDJB-MJHT   |" in shown
    assert str(CODES["verification_uri"]) in shown
    assert screen.next_event() == {
        "type": "setup.device_code",
        **{name: CODES[name] for name in ("user_code", "verification_uri", "verification_uri_complete", "expires_in")},
    }


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (fault(400, "access_denied"), "access_denied"),
        (fault(400, "expired_token"), "not_approved"),
        (fault(400, "authorization_pending"), "not_approved"),
        (fault(503, "busy"), "not_approved"),
    ],
)
def test_a_device_that_is_not_approved_is_told_why(plane: FakePlane, answer: Answer, code: str) -> None:
    """Catches a machine that asks on after it was refused, or for ever."""
    _, time, go = approved(plane, answer)
    with pytest.raises(MoorError, match=f"^{code}: "):
        go()
    assert time.now <= 75


def test_a_device_code_that_the_plane_does_not_understand_is_final(plane: FakePlane) -> None:
    _, time, go = approved(plane, fault(400, "bad_request"))
    with pytest.raises(PlaneError, match="^bad_request: "):
        go()
    assert len(time.pauses) == 1
