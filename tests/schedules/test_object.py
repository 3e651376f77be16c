"""The object under concurrent actors: Hypothesis chooses who goes next at each I/O point, who dies, which puts lie.

The machine is a ledger: each request adds its number once. Whatever the interleaving, numbers are dense, one record a
number, the chain of hashes is intact, and no accepted request is lost or applied twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.json import Decoder

from chalicelib.actors.loop import Cause, ObjectLoop
from chalicelib.actors.ports import ObjectKey, PutRefused
from chalicelib.core.errors import Busy
from chalicelib.core.record import Record, verify
from chalicelib.core.step import Step
from tests.fakes import FakeClock, FakeObjects

from .moto_world import empty, tables_on_moto

KEY = ObjectKey("ledger", "ten_1", "one")
OPEN = Decoder(Record[int, int]).decode


class Died(BaseException):
    """The actor dies here."""


class Plan(Struct):
    """What happens at each I/O point: who goes on, and what befalls them."""

    turns: list[int]
    deaths: set[int]
    lies: set[int]


def ledger(state: int, cue: int, *, n: int, now: float) -> Step[int, int]:
    """Adds the request's number."""
    return Step(state + cue, (cue,))


class Watched:
    """A log that gives way before each call, and dies or lies by plan."""

    def __init__(self, inner: Any, plan: Plan, switch: Callable[[], None]) -> None:
        self._inner, self._plan, self._switch = inner, plan, switch
        self._calls = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._inner, name)

        def watched(*args: Any) -> Any:
            self._calls += 1
            mine = self._calls
            self._switch()
            answer = call(*args)
            if name == "append" and mine in self._plan.lies:
                raise PutRefused
            if mine in self._plan.deaths:
                raise Died
            return answer

        return watched


def play(
    objects: Any, plan: Plan, amounts: list[int], *, use_cause: bool = True
) -> tuple[list[int], list[Record[int, int]]]:
    """Every amount is one request, tried again after its actor died. Returns what was answered, and the log."""
    main = getcurrent()

    def switch() -> None:
        if getcurrent() is not main:
            main.switch()

    loop: ObjectLoop[int, int, int] = ObjectLoop(Watched(objects, plan, switch), FakeClock(), ledger, OPEN)
    assert loop.begin(KEY, 0, ())
    answered: list[int] = []

    def request(k: int, amount: int) -> None:
        while True:
            try:
                cause = Cause(f"k{k}", "body") if use_cause else None
                assert loop.act(KEY, lambda _: amount, cause)
            except Died:
                continue
            except Busy:
                continue
            answered.append(k)
            return

    lanes = [greenlet(lambda k=k, a=a: request(k, a), main) for k, a in enumerate(amounts)]
    step = 0
    while any(not lane.dead for lane in lanes):
        living = [lane for lane in lanes if not lane.dead]
        pick = plan.turns[step % len(plan.turns)] if plan.turns else step
        living[pick % len(living)].switch()
        step += 1
    log = [OPEN(one.body) for one in objects.read(KEY, 0, 1000)]
    return answered, log


def broken(objects: Any, amounts: list[int], answered: list[int], log: list[Record[int, int]]) -> list[str]:
    """What is wrong with the outcome."""
    stored = [(one.n, one.body) for one in objects.read(KEY, 0, 1000)]
    flaws = [str(flaw) for flaw in verify(stored)]
    causes = [record.cause for record in log if record.events]
    if sorted(answered) != list(range(len(amounts))):
        flaws.append("a request was never answered")
    if len(causes) != len(amounts) or len(set(causes)) != len(causes):
        flaws.append(f"applied: {causes}")
    if log[-1].state != sum(amounts):
        flaws.append(f"the sum is {log[-1].state}, not {sum(amounts)}")
    return flaws


PLANS = st.builds(
    Plan,
    turns=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    deaths=st.sets(st.integers(2, 60), max_size=5),
    lies=st.sets(st.integers(2, 60), max_size=5),
)
AMOUNTS = st.lists(st.integers(1, 1000), min_size=1, max_size=5)


@given(plan=PLANS, amounts=AMOUNTS)
@settings(max_examples=2000, deadline=None)
def test_numbers_are_dense_and_every_request_is_applied_once(plan: Plan, amounts: list[int]) -> None:
    objects = FakeObjects()
    answered, log = play(objects, plan, amounts)
    assert not broken(objects, amounts, answered, log)


def test_the_same_holds_on_the_real_store() -> None:
    with tables_on_moto() as tables:

        @given(plan=PLANS, amounts=AMOUNTS)
        @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def holds(plan: Plan, amounts: list[int]) -> None:
            empty()
            answered, log = play(tables.objects, plan, amounts)
            assert not broken(tables.objects, amounts, answered, log)

        holds()


def test_without_the_cause_a_request_is_applied_twice() -> None:
    """The rule "a request is recognised by its cause": one whose actor died after its put is applied again."""
    plan = Plan(turns=[0], deaths={3}, lies=set())
    objects = FakeObjects()
    answered, log = play(objects, plan, [5], use_cause=False)
    assert broken(objects, [5], answered, log)


def test_without_the_condition_on_the_number_a_record_is_lost() -> None:
    """The rule "the put of a number is the lock": a store that writes over a number loses what stood there."""

    class Overwriting(FakeObjects):
        def append(self, key: ObjectKey, n: int, body: bytes, cause: str | None) -> None:
            self.logs.setdefault(key, {}).pop(n, None)
            super().append(key, n, body, cause)

    found = False
    for turns in ([0, 1], [0, 0, 1, 1], [0, 1, 1, 0]):
        objects = Overwriting()
        answered, log = play(objects, Plan(turns=turns, deaths=set(), lies=set()), [3, 4])
        found = found or bool(broken(objects, [3, 4], answered, log))
    assert found
