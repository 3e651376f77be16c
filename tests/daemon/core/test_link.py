"""The link stays connected, rotates without a hole, and knows what is final."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from mooring.core import link
from mooring.core.link import TRANSITIONS, LinkState, backoff_s, decide, is_retryable, next_look
from mooring.core.link_cues import (
    Close,
    Closed,
    Dial,
    GoOffline,
    Heard,
    Opened,
    Output,
    Replaced,
    SayGoodnight,
    SayHello,
    Stop,
    Suspending,
    Tick,
    Use,
    Wait,
    Welcomed,
    Woken,
)
from mooring.errors import EXIT_REFUSED, EXIT_TAKEN_OVER
from mooring.wire.limits import MAX_CONNECTION_S, ROTATE_MAX_S, ROTATE_MIN_S

START = 1000.0
DICE = st.floats(0, 1, exclude_max=True)


class Driver:
    """A link and its clock; ``cue`` returns what it says is to be done."""

    def __init__(self) -> None:
        self.state = LinkState(instance="me")
        self.now = START
        self.die = 0.5

    def cue(self, cue: Any, after: float = 0.0) -> tuple[Output, ...]:
        self.now += after
        step = decide(self.state, cue, now=self.now, die=self.die)
        assert step == decide(self.state, cue, now=self.now, die=self.die)
        self.state = step.state
        return step.outputs

    def ticks_to(self, at: float) -> tuple[Output, ...]:
        """Ticks as the shell does until ``at`` or until something is to be done."""
        while self.now < at:
            self.now = min(at, max(next_look(self.state, self.now), self.now + 0.001))
            found = self.cue(Tick())
            if found:
                return found
            for one in self.state.connections:
                self.cue(Heard(one.number))
        return ()

    def online(self, number: int = 1) -> Driver:
        self.cue(Tick())
        self.cue(Opened(number))
        self.cue(Welcomed(number))
        return self

    def phases(self) -> list[tuple[int, str]]:
        return [(one.number, one.phase) for one in self.state.connections]


@pytest.fixture
def driver() -> Driver:
    return Driver()


# ---- connecting


def test_link_dials_at_once_says_hello_and_is_used_when_welcomed(driver: Driver) -> None:
    assert driver.cue(Tick()) == (Dial(1),)
    assert driver.cue(Opened(1)) == (SayHello(1, beside=False),)
    assert driver.cue(Welcomed(1)) == (Use(1),)
    assert driver.phases() == [(1, "ONLINE")]


@pytest.mark.parametrize(
    ("attempts", "die", "wait"),
    [(1, 0.0, 0.0), (1, 0.5, 0.5), (2, 0.5, 1.0), (5, 0.5, 8.0), (7, 0.5, 30.0), (99, 0.5, 30)],
)
def test_backoff_is_a_random_part_of_a_doubling_bound(attempts: int, die: float, wait: float) -> None:
    assert backoff_s(attempts, die) == wait


def test_failed_attempts_wait_longer_until_a_welcome(driver: Driver) -> None:
    """Catches a backoff that begins anew when a socket opens: a plane that fails behind it would be hammered."""
    waits = []
    for number in (1, 2, 3):
        assert driver.ticks_to(driver.now + 60) == (Dial(number),)
        driver.cue(Opened(number))
        went, wait = driver.cue(Closed(number))
        assert went == GoOffline()
        waits.append(wait)
    assert waits == [Wait(0.5), Wait(1.0), Wait(2.0)]
    assert driver.ticks_to(driver.now + 1.9) == ()
    assert driver.ticks_to(driver.now + 0.1) == (Dial(4),)
    driver.cue(Opened(4))
    driver.cue(Welcomed(4))
    assert driver.cue(Closed(4)) == (GoOffline(), Wait(0.5))


def test_attempt_refused_before_it_opened_only_waits(driver: Driver) -> None:
    driver.cue(Tick())
    assert driver.cue(Closed(1, status=503)) == (Wait(0.5),)


@pytest.mark.parametrize(
    ("opened", "seconds", "why", "more"),
    [(False, link.DIAL_S, "dialing took too long", ()), (True, link.WELCOME_S, "no welcome", (GoOffline(),))],
)
def test_step_that_takes_too_long_is_given_up(
    driver: Driver, opened: bool, seconds: float, why: str, more: tuple[Output, ...]
) -> None:
    driver.cue(Tick())
    if opened:
        driver.cue(Opened(1))
    assert driver.ticks_to(START + seconds - 0.1) == ()
    assert driver.ticks_to(START + seconds) == (Close(1, why), *more, Wait(0.5))
    assert driver.ticks_to(driver.now + 0.5) == (Dial(2),)


def test_half_open_socket_is_noticed_after_two_unanswered_pings(driver: Driver) -> None:
    """Catches a deadline that only a close could bring on."""
    driver.online()
    driver.cue(Tick(), after=20)
    driver.cue(Heard(1))
    for _ in range(2):
        assert driver.cue(Tick(), after=25) == ()
    assert driver.cue(Tick(), after=5) == (Close(1, "no answer to two pings"), GoOffline(), Wait(0.5))


def test_pace_of_the_plane_sets_the_limit_of_silence(driver: Driver) -> None:
    driver.cue(Tick())
    driver.cue(Opened(1))
    driver.cue(Welcomed(1, ping_s=5))
    driver.cue(Heard(1))
    assert next_look(driver.state, driver.now) == driver.now + 15


def test_welcome_again_changes_nothing_but_what_was_heard(driver: Driver) -> None:
    driver.online()
    rotate_at = driver.state.connections[0].rotate_at
    assert driver.cue(Welcomed(1), after=10) == (Use(1),)
    assert driver.state.connections[0].rotate_at == rotate_at


# ---- rotation


def rotating(driver: Driver) -> Driver:
    driver.online()
    at = driver.state.connections[0].rotate_at
    assert driver.ticks_to(at) == (Dial(2),)
    return driver


@pytest.mark.parametrize("die", [0.0, 0.5, 0.999])
def test_rotation_falls_between_its_bounds_and_before_the_quota(driver: Driver, die: float) -> None:
    driver.die = die
    driver.online()
    age = driver.state.connections[0].rotate_at - START
    assert ROTATE_MIN_S <= age <= ROTATE_MAX_S < MAX_CONNECTION_S


def until_dial(driver: Driver) -> int:
    while True:
        for output in driver.ticks_to(driver.now + MAX_CONNECTION_S):
            if isinstance(output, Dial):
                return output.number


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_connection_lives_to_the_quota_whatever_the_dice_and_whatever_fails_first(data: st.DataObject) -> None:
    """Catches a rotation that comes so late that a few failed attempts leave the gateway to cut the old connection."""
    driver = Driver()
    driver.die = data.draw(DICE)
    driver.online()
    opened_at = driver.now
    for _ in range(2):
        for how in data.draw(st.lists(st.sampled_from(["refused", "hangs", "is not welcomed"]), max_size=4)):
            number = until_dial(driver)
            driver.die = data.draw(DICE)
            if how == "refused":
                driver.cue(Closed(number, status=503))
            elif how == "is not welcomed":
                driver.cue(Opened(number))
        number = until_dial(driver)
        driver.cue(Opened(number), after=data.draw(st.floats(0, link.DIAL_S - 1)))
        successor_opened_at = driver.now
        driver.cue(Welcomed(number), after=data.draw(st.floats(0, link.WELCOME_S - 1)))
        assert driver.now - opened_at < MAX_CONNECTION_S
        opened_at = successor_opened_at


@pytest.mark.parametrize("die", [0.0, 0.5, 0.999])
def test_rotation_keeps_to_an_earlier_age_that_is_asked_for(driver: Driver, die: float) -> None:
    """Catches a laptop behind a proxy that cuts its connection each time before the daemon replaces it."""
    driver.state = LinkState(instance="me", rotate_max_s=3000.0)
    driver.die = die
    driver.online()
    age = driver.state.connections[0].rotate_at - START
    assert 0.8 * 3000 < age <= 3000


def test_new_connection_is_welcomed_before_the_old_one_is_closed(driver: Driver) -> None:
    rotating(driver)
    assert driver.cue(Opened(2)) == (SayHello(2, beside=True),)
    assert driver.cue(Welcomed(2)) == (Use(2),)
    assert driver.phases() == [(1, "DRAINING"), (2, "ONLINE")]
    assert driver.cue(Replaced(1, "me")) == ()
    assert driver.ticks_to(driver.now + link.DRAIN_S) == (Close(1, "its time is over"),)
    assert driver.phases() == [(2, "ONLINE")]
    assert driver.cue(Closed(1)) == ()


def test_failed_rotation_leaves_the_old_connection_working_and_is_tried_again(driver: Driver) -> None:
    rotating(driver)
    assert driver.cue(Closed(2)) == (Wait(0.5),)
    assert driver.phases() == [(1, "ONLINE")]
    assert driver.ticks_to(driver.now + 0.5) == (Dial(3),)
    driver.cue(Opened(3))
    assert driver.ticks_to(driver.now + link.WELCOME_S) == (Close(3, "no welcome"), Wait(1.0))


def test_old_connection_lost_during_rotation_goes_on_with_the_new_one(driver: Driver) -> None:
    rotating(driver)
    driver.cue(Opened(2))
    assert driver.cue(Closed(1)) == (GoOffline(),)
    assert driver.cue(Welcomed(2)) == (Use(2),)


def test_waiting_for_a_rotation_that_hangs_does_not_spin(driver: Driver) -> None:
    """Catches a wake-up computed from a rotation that is under way already."""
    rotating(driver)
    assert next_look(driver.state, driver.now) > driver.now + 1


def test_draining_connection_that_closes_by_itself_changes_nothing(driver: Driver) -> None:
    rotating(driver)
    driver.cue(Opened(2))
    driver.cue(Welcomed(2))
    assert driver.cue(Closed(1)) == ()
    assert driver.phases() == [(2, "ONLINE")]


def test_replaced_by_the_successor_while_it_waits_for_its_welcome_is_ignored(driver: Driver) -> None:
    rotating(driver)
    driver.cue(Opened(2))
    assert driver.cue(Replaced(1, "me")) == ()
    assert driver.phases() == [(1, "ONLINE"), (2, "HELLO_SENT")]


# ---- replaced


@pytest.mark.parametrize("instance", ["me", ""])
def test_only_connection_replaced_by_our_own_dead_one_says_hello_again(driver: Driver, instance: str) -> None:
    """Catches a link that ignores it: the plane would believe nothing more that is said on it."""
    driver.online()
    rotate_at = driver.state.connections[0].rotate_at
    for _ in range(2):
        assert driver.cue(Replaced(1, instance)) == (SayHello(1, beside=False),)
    assert driver.phases() == [(1, "HELLO_SENT")]
    assert driver.cue(Welcomed(1), after=1) == (Use(1),)
    assert driver.state.connections[0].rotate_at == rotate_at


def test_second_daemon_taking_over_is_final(driver: Driver) -> None:
    driver.online()
    closed, stop = driver.cue(Replaced(1, "another"))
    assert closed == Close(1, "taken_over")
    assert isinstance(stop, Stop)
    assert (stop.code, stop.exit_code, stop.error().exit_code) == ("taken_over", EXIT_TAKEN_OVER, EXIT_TAKEN_OVER)
    assert "--take-over" in str(stop.error())
    assert driver.cue(Tick(), after=10) == ()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_token_is_final(driver: Driver, status: int) -> None:
    driver.cue(Tick())
    (stop,) = driver.cue(Closed(1, status=status))
    assert isinstance(stop, Stop)
    assert (stop.code, stop.exit_code) == ("token_refused", EXIT_REFUSED)
    assert str(status) in stop.message


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (None, True),
        (400, True),
        (401, False),
        (403, False),
        (404, True),
        (409, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
def test_only_the_planes_word_on_the_token_is_not_worth_repeating(status: int | None, retry: bool) -> None:
    assert is_retryable(status) is retry


# ---- sleep


@pytest.mark.parametrize("die", [0.1, 0.5, 0.99])
def test_a_plane_that_is_away_for_an_hour_is_neither_hammered_nor_forgotten(driver: Driver, die: float) -> None:
    """Catches a storm of dials, and a link that gives up or waits for ever longer."""
    driver.die = die
    dialed = 0
    while driver.now < START + 3600:
        assert driver.ticks_to(driver.now + link.BACKOFF_MAX_S) == (Dial(dialed + 1),), "within the longest wait"
        dialed += 1
        driver.cue(Closed(dialed), after=0.01)
    assert dialed <= 3600 / (link.BACKOFF_MAX_S * die) + 10
    assert driver.ticks_to(driver.now + link.BACKOFF_MAX_S) == (Dial(dialed + 1),)
    driver.cue(Opened(dialed + 1))
    assert driver.cue(Welcomed(dialed + 1)) == (Use(dialed + 1),)
    assert driver.state.attempts == 0


@pytest.mark.parametrize("jump", [link.SLEPT_S + 1, 8 * 3600.0, -2 * 3600.0])
def test_laptop_that_slept_dials_at_once(driver: Driver, jump: float) -> None:
    driver.online()
    driver.cue(Tick())
    assert driver.cue(Tick(), after=jump) == (Close(1, "the laptop slept"), GoOffline(), Dial(2))


def test_laptop_that_slept_offline_does_not_wait_its_backoff_out(driver: Driver) -> None:
    driver.cue(Tick())
    driver.cue(Closed(1))
    assert driver.cue(Tick(), after=link.SLEPT_S + 1) == (Dial(2),)


def test_late_tick_that_is_no_sleep_closes_nothing(driver: Driver) -> None:
    driver.online()
    driver.cue(Tick())
    driver.cue(Heard(1), after=30)
    assert driver.cue(Tick(), after=link.SLEPT_S - 30) == ()


def test_laptop_about_to_sleep_says_goodnight_and_wakes_up_with_a_new_connection(driver: Driver) -> None:
    """Catches a goodnight that nobody waits for, a close that counts as a failure, and a dial too early."""
    driver.online()
    assert driver.cue(Suspending(), after=5) == (SayGoodnight(1), GoOffline())
    assert driver.cue(Heard(1)) == ()
    assert driver.cue(Closed(1)) == ()
    assert driver.cue(Tick(), after=1) == (), "it is not dialed while the laptop falls asleep"
    assert (driver.state.is_suspended, driver.state.attempts) == (True, 0)
    assert driver.cue(Woken(), after=3 * 3600) == (Dial(2),)
    assert not driver.state.is_suspended
    assert driver.cue(Tick()) == (), "the same sleep is not noticed twice"


def test_goodnight_that_nobody_answers_does_not_keep_the_laptop_awake(driver: Driver) -> None:
    driver.online()
    driver.cue(Tick())
    driver.cue(Suspending())
    assert driver.ticks_to(driver.now + link.GOODNIGHT_S) == (Close(1, "its time is over"),)


def test_connection_that_is_not_there_yet_is_closed_without_a_word(driver: Driver) -> None:
    """Catches a hello that is welcomed while the laptop falls asleep."""
    driver.cue(Tick())
    assert driver.cue(Suspending()) == (Close(1, "the laptop goes to sleep"),)
    driver.cue(Woken(), after=60)
    driver.cue(Opened(2))
    assert driver.cue(Suspending()) == (Close(2, "the laptop goes to sleep"), GoOffline())


def test_rotation_in_mid_air_is_given_up_for_the_night(driver: Driver) -> None:
    driver.online()
    driver.cue(Tick())
    driver.ticks_to(driver.now + ROTATE_MAX_S)
    assert driver.phases() == [(1, "ONLINE"), (2, "DIALING")]
    assert driver.cue(Suspending()) == (SayGoodnight(1), Close(2, "the laptop goes to sleep"), GoOffline())


def test_sleep_that_was_called_off_without_a_word_is_over_after_a_while(driver: Driver) -> None:
    """Catches a laptop that stays away for ever because its system never said that it is awake."""
    driver.online()
    driver.cue(Tick())
    driver.cue(Suspending())
    driver.cue(Closed(1))
    began = driver.now
    assert driver.ticks_to(driver.now + 2 * link.SUSPEND_S) == (Dial(2),)
    assert driver.now == began + link.SUSPEND_S
    assert not driver.state.is_suspended


def test_failures_before_a_sleep_do_not_slow_down_what_follows_it(driver: Driver) -> None:
    """Catches a backoff of a minute after a night: the network comes a few seconds after the laptop."""
    for number in range(1, 9):
        driver.ticks_to(driver.now + link.BACKOFF_MAX_S)
        driver.cue(Closed(number))
    assert driver.state.attempts == 8
    assert driver.cue(Woken(), after=1) == (Dial(9),)
    assert driver.cue(Closed(9)) == (Wait(backoff_s(1, driver.die)),)


# ---- the table


@pytest.mark.parametrize("phase", ["DIALING", "HELLO_SENT", "ONLINE", "DRAINING"])
@pytest.mark.parametrize("cue", [Opened(1), Welcomed(1), Heard(1), Replaced(1, "me")])
def test_news_that_the_table_does_not_know_moves_nothing(driver: Driver, phase: Any, cue: Any) -> None:
    one = link.Connection(number=1, phase=phase, until=START + 9)
    driver.state = LinkState(instance="me", connections=(one,), dialed=1)
    driver.cue(cue)
    expected = TRANSITIONS.get((phase, type(cue)), phase)
    assert driver.phases() == [(1, expected)]


@pytest.mark.parametrize("cue", [Opened(7), Welcomed(7), Heard(7), Replaced(7, "another"), Closed(7, status=401)])
def test_news_of_a_connection_that_is_no_more_changes_nothing(driver: Driver, cue: Any) -> None:
    driver.online()
    before = driver.state
    assert driver.cue(cue) == ()
    assert driver.state == before


def test_next_look_is_never_further_than_a_tick_and_never_in_the_past(driver: Driver) -> None:
    driver.state = LinkState(instance="me", retry_at=driver.now + 1000)
    assert next_look(driver.state, driver.now) == driver.now + link.TICK_S
    assert next_look(driver.state, driver.now + 2000) == driver.now + 2000


# ---- any order


class LinkMachine(RuleBasedStateMachine):
    """Any news in any order.

    Catches, each tried: a rotation that closes the old connection first, two dials at once, a link that neither has nor
    tries nor plans a connection.
    """

    @initialize()
    def begin(self) -> None:
        self.driver = Driver()
        self.used: int | None = None
        self.dials = itertools.count(1)

    def do(self, outputs: tuple[Output, ...]) -> None:
        for output in outputs:
            match output:
                case Dial(number):
                    assert number == next(self.dials)
                case Use(number):
                    self.used = number
                case Close(number, _):
                    if number == self.used:
                        assert any(isinstance(other, GoOffline | Stop) for other in outputs)
                case GoOffline():
                    self.used = None
                case _:
                    pass

    @rule(number=st.integers(1, 4), kind=st.sampled_from([Opened, Welcomed, Heard]))
    def news(self, number: int, kind: Any) -> None:
        self.do(self.driver.cue(kind(number)))

    @rule(back=st.integers(0, 2), status=st.sampled_from([None, 500]))
    def closed(self, back: int, status: int | None) -> None:
        self.do(self.driver.cue(Closed(self.driver.state.dialed - back, status)))

    @rule(kind=st.sampled_from([Suspending, Woken]))
    def lid(self, kind: Any) -> None:
        self.do(self.driver.cue(kind()))

    @rule(back=st.integers(0, 2), kind=st.sampled_from([Opened, Welcomed]))
    def recent_news(self, back: int, kind: Any) -> None:
        self.do(self.driver.cue(kind(self.driver.state.dialed - back)))

    @rule()
    def newest_comes_online(self) -> None:
        """So that what needs a working connection is reached often."""
        self.do(self.driver.cue(Opened(self.driver.state.dialed)))
        self.do(self.driver.cue(Welcomed(self.driver.state.dialed)))

    @rule(back=st.integers(0, 2))
    def replaced(self, back: int) -> None:
        self.do(self.driver.cue(Replaced(self.driver.state.dialed - back, "me")))

    @rule(after=st.sampled_from([0.3, 10.0, 25.0, 100.0]))
    def tick(self, after: float) -> None:
        self.do(self.driver.cue(Tick(), after))

    @rule()
    def quota_comes_near(self) -> None:
        state = self.driver.state
        rotated = tuple(replace(one, rotate_at=min(one.rotate_at, self.driver.now)) for one in state.connections)
        self.driver.state = replace(state, connections=rotated)

    @invariant()
    def one_tries_at_most_and_one_works_at_most(self) -> None:
        phases = [phase for _, phase in self.driver.phases()]
        assert phases.count("DIALING") + phases.count("HELLO_SENT") <= 1
        assert phases.count("ONLINE") <= 1
        online = [number for number, phase in self.driver.phases() if phase == "ONLINE"]
        assert not online or online == [self.used]
        assert self.used is None or self.used in [number for number, _ in self.driver.phases()]

    @invariant()
    def there_is_always_a_next_step(self) -> None:
        state = self.driver.state
        assert math.isfinite(next_look(state, self.driver.now))
        assert any(one.phase != "DRAINING" for one in state.connections) or math.isfinite(state.retry_at)


LinkMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLinkMachine: Any = LinkMachine.TestCase
