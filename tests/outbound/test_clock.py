"""The system's clock and chance."""

from __future__ import annotations

import re
import time

import pytest

from chalicelib.outbound.clock import Clock


def test_now_is_epoch_seconds() -> None:
    before = time.time()
    assert before <= Clock().now() <= time.time()


def test_a_token_is_hex_of_the_size_asked_for_and_not_said_twice() -> None:
    tokens = {Clock().token(16) for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in tokens)


def test_a_pause_waits_as_long_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    Clock().pause(0.25)
    assert waited == [0.25]
