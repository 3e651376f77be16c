"""Sleep is what the clocks part by, and nothing else is."""

from __future__ import annotations

import pytest

from mooring.core.sleep import SLEPT_BY_WALL_S, SLEPT_S, Clocks, slept_s

BOOT = Clocks(awake=1000.0, boot=1500.0, wall=1_790_000_000.0)
WALL = Clocks(awake=1000.0, boot=None, wall=1_790_000_000.0)


def later(before: Clocks, *, awake: float = 0.0, asleep: float = 0.0, wall_set: float = 0.0) -> Clocks:
    boot = None if before.boot is None else before.boot + awake + asleep
    return Clocks(awake=before.awake + awake, boot=boot, wall=before.wall + awake + asleep + wall_set)


@pytest.mark.parametrize("before", [BOOT, WALL])
@pytest.mark.parametrize("awake", [0.0, 5.0, 40_000.0])
def test_three_hours_of_sleep_are_seen_however_long_it_was_awake(before: Clocks, awake: float) -> None:
    slept = slept_s(before, later(before, awake=awake, asleep=3 * 3600.0))
    assert slept == pytest.approx(3 * 3600.0)


@pytest.mark.parametrize("wall_set", [3600.0, -3600.0, 0.3])
def test_a_wall_clock_that_is_put_right_is_no_sleep_where_another_clock_can_tell(wall_set: float) -> None:
    """Catches a connection given up because NTP set the clock."""
    assert slept_s(BOOT, later(BOOT, awake=5.0, wall_set=wall_set)) == 0.0
    assert slept_s(BOOT, later(BOOT, awake=5.0, asleep=600.0, wall_set=wall_set)) == pytest.approx(600.0)


def test_a_process_that_was_stopped_has_not_slept() -> None:
    """Catches SIGSTOP taken for a sleep: all clocks go on."""
    assert slept_s(BOOT, later(BOOT, awake=9000.0)) == slept_s(WALL, later(WALL, awake=9000.0)) == 0.0


def test_what_is_too_short_to_matter_is_no_sleep() -> None:
    assert slept_s(BOOT, later(BOOT, asleep=SLEPT_S - 0.1)) == 0.0
    assert slept_s(BOOT, later(BOOT, asleep=SLEPT_S + 0.1)) > 0.0
    assert slept_s(WALL, later(WALL, wall_set=SLEPT_BY_WALL_S - 1)) == 0.0, "a wall clock is put right now and then"
    assert slept_s(WALL, later(WALL, wall_set=-3600.0)) == 0.0
    assert slept_s(WALL, later(WALL, asleep=SLEPT_BY_WALL_S + 1)) > 0.0


def test_the_steady_clock_is_the_one_that_nobody_sets_if_there_is_one() -> None:
    assert (BOOT.steady, WALL.steady) == (1500.0, 1_790_000_000.0)
