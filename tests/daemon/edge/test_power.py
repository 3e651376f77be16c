"""A laptop is kept awake during a turn by what its system offers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from mooring.edge.logind import Logind
from mooring.edge.power import Caffeinate, ExecutionState, NoPower, power_here
from tests.daemon.fake_logind import FakeLogind, system_bus


def test_caffeinate_runs_while_it_is_wanted_and_knows_whom_it_serves(tmp_path: Path) -> None:
    """Catches one process more for each turn, one that stays, and one that outlives the daemon."""
    made = Caffeinate((sys.executable, "-c", "import sys; sys.stdin.read(); import time; time.sleep(600)"))
    made.keep_awake(True)
    first = made._running
    assert first is not None
    made.keep_awake(True)
    assert made._running is first
    made.keep_awake(False)
    assert first.returncode is not None
    made.keep_awake(True)
    second = made._running
    assert second is not None
    assert isinstance(second.args, list)
    assert second.args[-1].isdigit(), "it ends with this process"
    made.close()
    made.close()
    assert second.returncode is not None


def test_a_system_without_caffeinate_costs_no_turn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = Caffeinate((str(tmp_path / "nowhere"),))
    made.keep_awake(True)
    made.close()
    assert "may fall asleep" in caplog.text


def test_windows_is_told_that_the_system_is_required_and_then_no_longer() -> None:
    told: list[int] = []
    made = ExecutionState(told.append)
    made.keep_awake(True)
    made.said_goodnight()
    made.close()
    assert told == [0x80000001, 0x80000000]


@pytest.mark.skipif(sys.platform != "linux", reason="logind is Linux's")
def test_linux_offers_logind_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def kind() -> type[object]:
        found = await power_here(lambda _: None)
        found.close()
        return type(found)

    with system_bus(tmp_path, monkeypatch) as address:
        assert asyncio.run(kind()) is NoPower
        logind = FakeLogind(address)
        assert asyncio.run(kind()) is Logind
        logind.close()
