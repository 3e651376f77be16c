"""Span: bounds that belong to it and bounds that do not, to the microsecond in which times are answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.core.span import EVER, Span

AT = 1_790_000_000.123456
THEN = datetime.fromtimestamp(AT, UTC)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("span", "held"),
    [
        (EVER, True),
        (Span(since=THEN), True),
        (Span(until=THEN), True),
        (Span(after=THEN), False),
        (Span(before=THEN), False),
        (Span(after=THEN - TICK), True),
        (Span(before=THEN + TICK), True),
        (Span(since=THEN + TICK), False),
        (Span(until=THEN - TICK), False),
        (Span(since=THEN, until=THEN), True),
        (Span(since=THEN.astimezone(timezone(timedelta(hours=9)))), True),
    ],
)
def test_a_bound_belongs_to_a_span_or_does_not(span: Span, held: bool) -> None:
    assert span.holds(AT) == held


def test_a_span_tells_the_tighter_of_its_bounds() -> None:
    both = Span(after=THEN, since=THEN - TICK, before=THEN, until=THEN + TICK)
    assert both.earliest == both.latest == pytest.approx(AT, abs=1e-6)
    assert (EVER.earliest, EVER.latest) == (None, None)


def test_all_of_time_has_no_bound() -> None:
    assert EVER.is_all
    assert not Span(until=THEN).is_all
