"""Pace: a connection may be fast for a moment, and not for long."""

from __future__ import annotations

from chalicelib.core.pace import FRAMES_AT_ONCE, FRAMES_PER_S, TOLD_EVERY_S, Bucket, Drawn, draw

START = 1_800_000_000.0


def spent(now: float = START) -> Bucket:
    """The bucket of a connection that has just said all that it may."""
    drawn = draw(None, now)
    for _ in range(int(FRAMES_AT_ONCE) - 1):
        assert drawn.passes
        drawn = draw(drawn.bucket, now)
    assert drawn.passes
    return drawn.bucket


def test_what_comes_at_once_passes_up_to_a_bound_and_the_rest_is_refused_and_told_once_a_second() -> None:
    """Catches a flood that is answered frame by frame, and one that is swallowed in silence."""
    first = draw(spent(), START)
    assert (first.passes, first.tell) == (False, True)
    second = draw(first.bucket, START)
    assert (second.passes, second.tell) == (False, False)
    later = Bucket(0.0, START + TOLD_EVERY_S, first.bucket.told_at)
    assert draw(later, START + TOLD_EVERY_S).tell


def test_a_bucket_fills_with_time_and_no_further_than_full() -> None:
    assert draw(spent(), START + 1.0 / FRAMES_PER_S).passes
    full = draw(spent(), START + 1e6)
    assert full.bucket.left == FRAMES_AT_ONCE - 1.0


def test_a_connection_at_its_rate_is_never_refused() -> None:
    drawn = Drawn(spent(), passes=True)
    for n in range(1, 1000):
        drawn = draw(drawn.bucket, START + n * 1.001 / FRAMES_PER_S)
        assert drawn.passes


def test_a_clock_that_goes_back_fills_nothing() -> None:
    """Catches frames for nothing where two machines' clocks are apart."""
    back = draw(spent(), START - 100.0)
    assert not back.passes
    assert not draw(back.bucket, START).passes
