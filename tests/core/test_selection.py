"""Selections: archived things are hidden, and bounds in time belong to what they bound."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.core.selection import Selection
from chalicelib.core.span import Span

T = 1_800_000_000.0


def test_what_is_archived_is_shown_to_whoever_asks_for_it() -> None:
    assert Selection().takes(T, None)
    assert not Selection().takes(T, T)
    assert Selection(include_archived=True).takes(T, T)


def test_what_was_made_outside_of_the_time_asked_for_is_not_shown() -> None:
    at = datetime.fromtimestamp(T, UTC)
    within = Selection(created=Span(since=at, until=at), include_archived=True)
    assert [within.takes(one, None) for one in (T - 1, T, T + 1)] == [False, True, False]
