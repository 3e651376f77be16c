"""An agent that dies while it starts is not started for ever."""

from __future__ import annotations

from mooring.core.respawn import MAX_DEATHS, WINDOW_S, Respawn


def test_an_agent_rests_after_a_few_deaths_in_a_row_and_then_gets_one_more_try() -> None:
    """Catches a queue of fifty messages that starts fifty processes, and an agent that is never started again."""
    starts = Respawn()
    for now in range(MAX_DEATHS):
        assert starts.rest_s(now) == 0.0
        starts = starts.died(now, f"no. {now}")
    assert starts.rest_s(MAX_DEATHS) == WINDOW_S - MAX_DEATHS
    assert starts.why == f"no. {MAX_DEATHS - 1}"
    assert starts.rest_s(WINDOW_S) == 0.0
    again = starts.died(WINDOW_S, "again")
    assert again.rest_s(WINDOW_S) > 0.0
    assert len(again.deaths) == MAX_DEATHS


def test_deaths_far_apart_are_no_reason_to_rest() -> None:
    starts = Respawn()
    for number in range(10):
        starts = starts.died(number * WINDOW_S, "now and then")
        assert starts.rest_s(number * WINDOW_S) == 0.0
