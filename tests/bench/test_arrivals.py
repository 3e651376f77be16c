"""Delays: counted from the stamp, once each."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from bench.arrivals import Arrivals, double_hop, quantiles
from bench.clock_agent import __file__ as agent_path
from bench.clock_agent import stamp


def test_a_stamp_is_counted_at_its_first_arrival() -> None:
    arrivals = Arrivals()
    earlier = f"t{time.monotonic_ns() - 2_000_000_000};"
    arrivals.piece(earlier + stamp())
    first = dict(arrivals.pieces)
    arrivals.piece(earlier)
    assert arrivals.pieces == first
    assert [round(delay) for delay in first.values()] == [2, 0]
    assert arrivals.events == {}


def test_events_with_a_stamp_count_and_idle_ends_the_turn() -> None:
    arrivals = Arrivals()
    arrivals.event({"type": "agent.message", "content": [{"text": stamp()}]})
    arrivals.event({"type": "agent.tool_result", "content": [{"text": stamp()}]})
    assert (len(arrivals.events), arrivals.idle.is_set()) == (1, False)
    arrivals.event({"type": "session.status_idle"})
    assert arrivals.idle.is_set()


def test_the_bare_double_hop_gives_every_message_back() -> None:
    delays = double_hop(5, 0.0, "x" * 500)
    assert len(delays) == 5
    assert all(0 < delay < 10 for delay in delays)


def test_quantiles_are_in_milliseconds() -> None:
    found = quantiles([number / 1000 for number in range(101)])
    assert found == pytest.approx({"n": 101, "p50_ms": 50.0, "p99_ms": 99.0})


def test_the_clock_agent_answers_as_acp_has_it() -> None:
    prompt = {"prompt": [{"type": "text", "text": "whole 2 0"}]}
    asked = [{"id": 0, "method": "initialize"}, {"id": 1, "method": "session/prompt", "params": prompt}]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run([sys.executable, agent_path], input=lines, capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [one["params"]["update"]["sessionUpdate"] for one in said if "params" in one]
    assert kinds == ["tool_call", "tool_call_update"] * 2
    assert said[-1]["result"] == {"stopReason": "end_turn"}
