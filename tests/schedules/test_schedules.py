"""Random schedules over the real machines, loop, desk and journal.

Lambdas die and dawdle, puts are denied, messages are lost, doubled and reordered, laptops crash, sleep, are cloned and
taken over, sessions are deleted. Whatever happens, what ``checks.py`` says holds.

``MOORING_SCHEDULES`` sets how many are run (2,000 unless said otherwise).
"""

from __future__ import annotations

import os

import pytest

from .broken import RULES, without
from .moto_world import on_moto
from .schedule import Schedule
from .world import in_memory

CHUNK = 50
TOTAL = int(os.environ.get("MOORING_SCHEDULES", "2000"))
MOTO_TOTAL = 50
MOTO_CHUNK = 10
SEARCH = 1500
"""Seeds within which a broken rule must show; the rarest one shows about once in 150."""


@pytest.mark.parametrize("first", range(0, TOTAL, CHUNK))
def test_whatever_happens_every_message_ends_once_and_every_event_arrives_once(first: int) -> None:
    for seed in range(first, min(first + CHUNK, TOTAL)):
        outcome = Schedule(seed, in_memory).run()
        assert not outcome.flaws, f"seed {seed}: {outcome.flaws}\n" + "\n".join(outcome.world.trace[-80:])


@pytest.mark.parametrize("first", range(0, MOTO_TOTAL, MOTO_CHUNK))
def test_the_same_holds_on_the_real_stores(first: int) -> None:
    with on_moto() as stores:
        for seed in range(first, first + MOTO_CHUNK):
            outcome = Schedule(seed, stores, small=True).run()
            assert not outcome.flaws, f"seed {seed}: {outcome.flaws}\n" + "\n".join(outcome.world.trace[-80:])


@pytest.mark.parametrize("rule", list(RULES))
def test_a_schedule_notices_when_a_rule_is_taken_out(rule: str) -> None:
    """Catches a test that has gone blind: each rule, taken out of the real code, must make some schedule fail."""
    for seed in range(SEARCH):
        with without(rule):
            if fails(seed, small=True) or fails(seed, small=False):
                return
    pytest.fail(f"{SEARCH} schedules held without this rule: {rule}")


def fails(seed: int, *, small: bool) -> bool:
    """Whether a schedule ends in a flaw, or in an assertion of the code under test."""
    try:
        return bool(Schedule(seed, in_memory, small=small).run().flaws)
    except (AssertionError, KeyError):
        return True
