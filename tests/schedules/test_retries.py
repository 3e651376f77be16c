"""SDKs that send a request again: functions are slow, die, and are overtaken by those that were started in their place.

A client asks for the same with the same words several times, one after the other. Whatever becomes of the tries, none
of what it asked for happens twice; and where no function dies, all of it happens.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

import pytest
from greenlet import getcurrent, greenlet

from chalicelib.actors.agents import AgentChoice
from chalicelib.actors.session_rows import NewSession
from chalicelib.core import making, repeats
from chalicelib.core.access import KeyPrincipal
from chalicelib.core.catalog import Runtime, RuntimeBinding
from chalicelib.core.definition import AgentChange, blank, changed
from chalicelib.core.record import open_session
from chalicelib.core.repeats import Try, is_repeat
from chalicelib.wire.events import UserMessage
from chalicelib.wire.ids import AgentId, KeyId, RuntimeId, SessionId, TenantId
from chalicelib.wiring import Plane
from tests.actors.plane import DAY_S, text
from tests.fakes import FakeClock, FakeObjects, Phase, fake_stores

TENANT, SESSION, KEY = TenantId("ten_1"), SessionId("sesn_1"), KeyId("key_1")
RUNTIME = Runtime(
    tenant_id=TENANT,
    runtime_id=RuntimeId("rt_1"),
    owner_key_id=KEY,
    machine_id="m1",
    hostname="",
    os="",
    version="",
    created_at=0.0,
)
BINDING = RuntimeBinding(runtime_id=RUNTIME.runtime_id, acp_agent_id="echo")
AGENT = changed(blank(TENANT, AgentId("agent_1"), 0.0), AgentChange(name="a", runtime_binding=BINDING))

GATEWAY_S = 29.0
FUNCTION_S = 50.0
"""A function goes on after its gateway has given it up, and is ended some time."""

TRIES = 3
SEEDS = 300


class Died(BaseException):
    """A function dies here."""


class Race:
    """One client, and the functions that its tries start.

    Attributes:
        answered: how many of its requests the client knows to have been carried out.
    """

    def __init__(self, seed: int, act: Callable[[Plane, Try], object], n_requests: int, deaths: float) -> None:
        self.rng, self.act, self.n_requests, self.deaths = random.Random(seed), act, n_requests, deaths
        self.clock, self.answered = FakeClock(), 0
        stores = fake_stores(self.clock, on_io=self._io)
        self.objects = stores.objects
        self.plane = Plane(stores)
        self._main = getcurrent()
        self._ends_at: dict[greenlet, float] = {}
        self._rests_s = 0.0
        self._tasks: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = itertools.count()
        stores.runtimes.put(RUNTIME)
        stores.agents.put(AGENT)
        self.plane.rooms.open(TENANT, RUNTIME.runtime_id)
        self.plane.sessions.create(SESSION, AGENT, title=None, metadata={}, environment_id="env", expires_in_s=DAY_S)

    def run(self) -> int:
        """Runs it to its end. Returns how many messages were accepted in all sessions."""
        self._try(0, 0)
        while self._tasks:
            at, _, task = heapq.heappop(self._tasks)
            self.clock.time = max(self.clock.time, at)
            task()
        assert isinstance(self.objects, FakeObjects)
        logs = [log for key, log in self.objects.logs.items() if key.kind == "session"]
        records = [open_session(one.body) for log in logs for one in log.values()]
        return sum(isinstance(event, UserMessage) for record in records for event in record.events)

    def _try(self, k: int, count: int) -> None:
        """The client's try number ``count`` of its request number ``k``."""
        done: list[object] = []
        arrived = self.clock.time
        one = Try("same words", count, int(arrived * 1000))
        # Cold starts and throttles: a function may begin long after its request has come.
        self._start(lambda: done.append(self.act(self.plane, one)), self._some_time())
        # The client may lose its connection, or the answer, at any time.
        patience = GATEWAY_S if self.rng.random() < 0.6 else self.rng.uniform(0.05, GATEWAY_S)

        def look() -> None:
            if done:
                self.answered += 1
            if not done and count + 1 < TRIES:
                self._later(self.rng.uniform(0.4, 8.0), lambda: self._try(k, count + 1))
            elif k + 1 < self.n_requests:
                self._later(self.rng.uniform(0.01, 20.0), lambda: self._try(k + 1, 0))

        self._later(patience, look)

    def _start(self, call: Callable[[], object], delay: float) -> None:
        def body() -> None:
            try:
                call()
            except Died:
                return

        lane = greenlet(body, self._main)
        self._ends_at[lane] = self.clock.time + FUNCTION_S

        def step() -> None:
            lane.switch()
            if not lane.dead:
                self._later(min(self._rests_s, max(0.0, self._ends_at[lane] - self.clock.time)), step)

        self._later(delay, step)

    def _io(self, _name: str, phase: Phase) -> None:
        """Here another function may go first, and this one may be slow, or die."""
        if getcurrent() is self._main:
            return
        if self.rng.random() < self.deaths:
            raise Died
        if phase == "before":
            self._rests_s = self._some_time()
            self._main.switch()

    def _some_time(self) -> float:
        return self.rng.uniform(0.5, 20.0) if self.rng.random() < 0.08 else self.rng.uniform(0.001, 0.05)

    def _later(self, seconds: float, task: Callable[[], object]) -> None:
        heapq.heappush(self._tasks, (self.clock.time + seconds, next(self._serial), task))


def post(plane: Plane, one: Try) -> object:
    """Posts a message to the session that is there."""
    return plane.session_rows.post(TENANT, SESSION, (text(),), expires_in_s=DAY_S, cause=None, attempt=one)


def create(plane: Plane, one: Try) -> object:
    """Makes a session with its first message."""
    new = NewSession(agent=AgentChoice(agent_id=AGENT.agent_id), items=(text(),))
    return plane.session_rows.create(KeyPrincipal(TENANT, KEY), new, attempt=one)


BOTH = pytest.mark.parametrize("act", [post, create])


@BOTH
@pytest.mark.parametrize("n_requests", [1, 2, 3])
def test_what_an_sdk_asks_for_happens_as_often_as_it_was_meant(act: Callable[..., object], n_requests: int) -> None:
    for seed in range(SEEDS):
        race = Race(seed, act, n_requests, deaths=0.0)
        assert race.run() == n_requests, f"seed {seed}"


@BOTH
@pytest.mark.parametrize("n_requests", [1, 3])
def test_nothing_happens_twice_where_functions_die(act: Callable[..., object], n_requests: int) -> None:
    for seed in range(SEEDS):
        race = Race(seed, act, n_requests, deaths=0.02)
        accepted = race.run()
        assert accepted <= n_requests, f"seed {seed}"
        if n_requests == 1:
            assert accepted >= race.answered, f"seed {seed}: what was answered has not happened"


def never(_known: Try, _one: Try) -> bool:
    """Without the rule at all."""
    return False


def only_later_ones(known: Try, one: Try) -> bool:
    """Without half of it: a try is taken for new, although its own repeat was carried out."""
    return is_repeat(known, one) and known.count < one.count


def only_by_words(known: Try, one: Try) -> bool:
    """Without the other half: whoever says the same is taken for a repeat."""
    return known.body == one.body


@BOTH
@pytest.mark.parametrize("rule", [never, only_later_ones, only_by_words])
def test_a_race_notices_when_the_rule_is_taken_out(
    act: Callable[..., object], rule: Callable[[Try, Try], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a test that has gone blind."""
    monkeypatch.setattr(repeats, "is_repeat", rule)
    monkeypatch.setattr(making, "is_repeat", rule)
    assert any(Race(seed, act, 2, deaths=0.0).run() != 2 for seed in range(SEEDS))
