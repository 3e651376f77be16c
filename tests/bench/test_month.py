"""A month's bill: counts times how often times price."""

from __future__ import annotations

import pytest

from bench.month import INVOCATION_S, LAMBDA_GB, Part, bill, parts
from bench.price import ACTIONS
from bench.scene import Cost

COST = Cost(
    strong_reads=3,
    other_reads=0,
    writes=1,
    rows=0,
    read_units=3.0,
    write_units=2,
    invocations=1,
    to_daemon=1,
    to_viewers=(1, 1),
)


def test_a_frame_is_a_message_in_and_its_posts_out() -> None:
    found = bill(Part("p", {"accepted": 1e6}, minutes=2e6), {"accepted": COST})
    assert found.quantities["message"] == 4e6
    assert found.quantities["request"] == 0
    assert found.usd("read") == pytest.approx(3 * 0.125)
    assert found.usd("write") == pytest.approx(2 * 0.625)
    assert found.usd("gb_s") == pytest.approx(INVOCATION_S * LAMBDA_GB * 16.6667)
    assert found.usd("minute") == pytest.approx(0.5)
    assert found.usd() == pytest.approx(sum(found.usd(kind) for kind in found.quantities))


def test_an_http_request_is_no_message_but_its_posts_are() -> None:
    found = bill(Part("p", {"session create": 1.0}), {"session create": COST})
    assert (found.quantities["request"], found.quantities["message"]) == (1, 3)


def test_every_part_is_made_of_actions_that_are_measured() -> None:
    measured = {action.name for action in ACTIONS}
    assert {name for part in parts() for name in part.times} <= measured
