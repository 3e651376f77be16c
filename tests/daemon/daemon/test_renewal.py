"""Renewal: a laptop keeps a token that opens, loses none, and asks its plane no more than it must."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mooring.daemon import renewal
from mooring.daemon.renewal import FIRST_S, LOOK_S, MOST_S, REST_S, Renewal, Token, backoff_s, due_at
from mooring.edge.config import Config
from mooring.edge.creds import Credentials, Paths, read_credentials, renew_credentials, write_credentials
from mooring.errors import EXIT_REFUSED, MoorError
from tests.daemon.fake_plane import WAIT_S, Answer, Asked, FakePlane, fault
from tests.daemon.machine import RUNTIME, TOKEN, Machine, set_up

DAY_S = 24 * 3600.0
RENEW, REVOKE = "POST /agents/runtime/token", "DELETE /agents/runtime/token"
NEW = "sk_machine_new"
OTHER = "sk_machine_of_another_setup"


@dataclass
class Time:
    """A clock that only moves when somebody pauses, until it has moved often enough."""

    now: float
    left: int
    pauses: list[float] = field(default_factory=list)
    jumps: dict[int, float] = field(default_factory=dict)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now = self.jumps.get(len(self.pauses), self.now + seconds)
        if len(self.pauses) >= self.left:
            raise asyncio.CancelledError


def aged(home: Paths, plane: FakePlane, **fields: Any) -> Credentials:
    """Credentials of a token that was given at 0 and opens for 90 days."""
    made = replace(set_up(home, plane), **{"created_at": 0.0, "expires_at": 90 * DAY_S, **fields})
    write_credentials(home, made)
    return made


def go(home: Paths, time: Time) -> None:
    """Renews until the time is over."""

    async def story() -> None:
        await Renewal(home, RUNTIME, clock=lambda: time.now, dice=lambda: 0.0, pause=time.pause).run()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())


def gives(plane: FakePlane, *tokens: str, expires_at: float = 150 * DAY_S) -> None:
    left = list(tokens)
    plane.route(RENEW, lambda _: (200, {"token": left.pop(0), "expires_at": int(expires_at)}))


def bearers(plane: FakePlane, pattern: str) -> Sequence[str]:
    return [one.headers["authorization"].removeprefix("Bearer ") for one in plane.requests(pattern)]


def test_a_token_is_renewed_at_two_thirds_of_its_life_and_kept_with_its_end(plane: FakePlane, home: Paths) -> None:
    """Catches a renewal that is never due, one that asks all the time, and an end that is not written down."""
    aged(home, plane)
    gives(plane, NEW)
    go(home, Time(60 * DAY_S - 2 * LOOK_S - 10, left=3))
    assert bearers(plane, RENEW) == []
    time = Time(60 * DAY_S - LOOK_S - 10, left=6)
    go(home, time)
    assert bearers(plane, RENEW) == [TOKEN]
    assert time.pauses[:3] == [LOOK_S, 10, REST_S]
    kept = read_credentials(home)
    assert (kept.token, kept.created_at, kept.expires_at) == (NEW, 60 * DAY_S, 150 * DAY_S)


def test_credentials_that_do_not_say_when_they_end_are_renewed_at_once(plane: FakePlane, home: Paths) -> None:
    """Catches a laptop that was set up by an older version, whose token ends unnoticed."""
    aged(home, plane, expires_at=None)
    gives(plane, NEW)
    go(home, Time(1.0, left=2))
    assert read_credentials(home).token == NEW
    assert len(plane.requests(RENEW)) == 1


def test_a_failed_renewal_is_tried_again_ever_more_slowly_until_it_works(plane: FakePlane, home: Paths) -> None:
    """Catches a hot loop, and one that gives up while the old token still opens."""
    aged(home, plane)
    answers: list[Answer] = [fault(503, "busy")] * 9 + [fault(404, "not_found"), (200, {"token": 7})]
    plane.route(RENEW, lambda _: answers.pop(0) if answers else (200, {"token": NEW, "expires_at": int(200 * DAY_S)}))
    time = Time(60 * DAY_S, left=14)
    go(home, time)
    assert [pause * 2 for pause in time.pauses[:11]] == [30, 60, 120, 240, 480, 960, 1920, *[MOST_S] * 4]
    assert read_credentials(home).token == NEW
    assert len(plane.requests(RENEW)) == 12


def test_a_token_that_is_refused_is_told_once_and_for_good(plane: FakePlane, home: Paths) -> None:
    """Catches a laptop that slept past the end of its token and then asks for ever."""
    aged(home, plane)
    plane.route(RENEW, fault(401, "unauthorized"))
    time = Time(59 * DAY_S, left=10, jumps={1: 100 * DAY_S})
    renewing = Renewal(home, RUNTIME, clock=lambda: time.now, dice=lambda: 0.0, pause=time.pause)
    with pytest.raises(MoorError, match="token_refused.*moor setup") as caught:
        asyncio.run(renewing.run())
    assert caught.value.exit_code == EXIT_REFUSED
    assert len(plane.requests(RENEW)) == 1


def test_a_refusal_of_a_token_that_another_setup_has_replaced_is_not_final(plane: FakePlane, home: Paths) -> None:
    """Catches a daemon that ends because of a token that nobody uses any more."""
    old = aged(home, plane)

    def set_up_anew(_: Asked) -> Answer:
        write_credentials(home, replace(old, token=OTHER, created_at=60 * DAY_S, expires_at=150 * DAY_S))
        return fault(401, "unauthorized")

    plane.route(RENEW, set_up_anew)
    go(home, Time(60 * DAY_S, left=4))
    assert read_credentials(home).token == OTHER
    assert len(plane.requests(RENEW)) == 1


def test_a_setup_that_is_faster_wins_and_the_daemons_token_is_given_back(plane: FakePlane, home: Paths) -> None:
    """Catches a renewal that overwrites what `moor setup` has just written, and a token that nobody ends."""
    old = aged(home, plane)

    def set_up_meanwhile(_: Asked) -> Answer:
        write_credentials(home, replace(old, token=OTHER, created_at=60 * DAY_S, expires_at=150 * DAY_S))
        return 200, {"token": NEW, "expires_at": int(150 * DAY_S)}

    plane.route(RENEW, set_up_meanwhile)
    plane.route(REVOKE, (200, {"type": "ended"}))
    go(home, Time(60 * DAY_S, left=3))
    assert read_credentials(home).token == OTHER
    assert bearers(plane, REVOKE) == [NEW]


def put_a_folder_in_the_locks_place(home: Paths) -> None:
    home.credentials_lock.unlink()
    home.credentials_lock.mkdir()


@pytest.mark.parametrize(
    "break_it",
    [
        lambda home: home.credentials.unlink(),
        lambda home: home.credentials.write_text("{"),
        put_a_folder_in_the_locks_place,
    ],
)
def test_a_token_that_can_not_be_kept_is_given_back_and_not_used(
    plane: FakePlane, home: Paths, break_it: Callable[[Paths], None]
) -> None:
    """Catches a token that is used before it is on the disk, and a disk in trouble that ends the daemon."""
    token = Token(home, aged(home, plane))

    def answer(_: Asked) -> Answer:
        break_it(home)
        return 200, {"token": NEW, "expires_at": int(150 * DAY_S)}

    plane.route(RENEW, answer)
    plane.route(REVOKE, (200, {}))
    time = Time(60 * DAY_S, left=1)
    go(home, time)
    assert time.pauses == [FIRST_S / 2]
    assert bearers(plane, REVOKE) == [NEW]
    assert token() == TOKEN


def test_a_clock_that_is_far_ahead_does_not_renew_without_end(plane: FakePlane, home: Paths) -> None:
    """Catches a hot loop where each new token seems to have ended already."""
    aged(home, plane)
    gives(plane, *[f"{NEW}_{n}" for n in range(9)])
    time = Time(5000 * DAY_S, left=5)
    go(home, time)
    assert time.pauses == [REST_S] * 5
    assert len(plane.requests(RENEW)) == 5


def test_the_token_in_use_is_the_one_on_the_disk(plane: FakePlane, home: Paths) -> None:
    """Catches connections that go on with a replaced token, and another runtime's token under this one's name."""
    old = aged(home, plane)
    token = Token(home, old)
    write_credentials(home, replace(old, token=NEW))
    assert token() == NEW
    write_credentials(home, replace(old, token=OTHER, runtime_id="rt_2"))
    assert token() == NEW
    home.credentials.unlink()
    assert token() == NEW


def test_who_stops_the_daemon_does_not_lose_the_answer(plane: FakePlane, home: Paths) -> None:
    """Catches a token that nobody has written down although the plane gave it."""
    aged(home, plane)
    asked, goes_on = threading.Event(), threading.Event()

    def slow(_: Asked) -> Answer:
        asked.set()
        assert goes_on.wait(WAIT_S)
        return 200, {"token": NEW, "expires_at": int(150 * DAY_S)}

    plane.route(RENEW, slow)

    async def story() -> None:
        task = asyncio.create_task(Renewal(home, RUNTIME, clock=lambda: 80 * DAY_S).run())
        await asyncio.to_thread(asked.wait, WAIT_S)
        task.cancel()
        goes_on.set()

    asyncio.run(story())
    assert read_credentials(home).token == NEW


def test_a_daemon_uses_the_new_token_from_its_next_connection_on(
    plane: FakePlane, home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a daemon that starts no renewal, and one that dials with the token of its start."""
    gives(plane, NEW, expires_at=6e9)
    kept = threading.Event()

    def keep(*given: Any) -> bool:
        is_kept = renew_credentials(*given)
        kept.set()
        return is_kept

    monkeypatch.setattr(renewal, "renew_credentials", keep)
    machine = Machine(home, aged(home, plane), Config())
    try:
        first = plane.socket()
        assert kept.wait(WAIT_S)
        first.cut()
        assert plane.socket().authorization == f"Bearer {NEW}"
    finally:
        machine.stop()


def test_a_daemon_whose_token_can_not_be_renewed_any_more_ends_and_says_so(plane: FakePlane, home: Paths) -> None:
    """Catches a daemon that stays connected by a token with which no turn can fetch anything."""
    plane.route(RENEW, fault(401, "unauthorized"))
    ended = Machine(home, aged(home, plane), Config()).outcome()
    assert isinstance(ended, MoorError)
    assert (ended.code, ended.exit_code) == ("token_refused", EXIT_REFUSED)
    assert plane.attached() <= 1


@given(st.floats(0, 2e9), st.floats(1, 1e9), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_token_is_due_between_two_thirds_of_its_life_and_a_little_later(
    created_at: float, life_s: float, die: float, other: float
) -> None:
    """Catches a fleet that renews at the same moment, and a token that is due after its end."""
    made = Credentials(
        server_url="",
        ws_url="",
        runtime_id="",
        token="",
        machine_id="",
        created_at=created_at,
        expires_at=created_at + life_s,
    )
    assert created_at + life_s * 0.66 <= due_at(made, die) <= created_at + life_s * 0.72
    assert (due_at(made, die) <= due_at(made, other)) or die >= other
    assert FIRST_S / 2 <= backoff_s(1, die) <= FIRST_S
    assert MOST_S / 2 <= backoff_s(1000, die) <= MOST_S
