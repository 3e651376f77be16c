"""The lid is shut: the laptop says goodnight, and what is said to it meanwhile runs when the lid is opened."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from infra.local.stage import moor
from tests.daemon.fake_logind import FakeLogind, system_bus

from .ground import House, assert_completed
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("journeys")


@pytest.fixture
def logind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLogind]:
    """What tells the daemons that begin now of the lid."""
    # A socket's path has at most 108 characters.
    with system_bus(tmp_path_factory.mktemp("bus"), monkeypatch) as address, closing(FakeLogind(address)) as made:
        yield made


def test_a_lid_that_is_shut_in_mid_turn_costs_nothing_and_what_waited_runs_in_order(
    house: House, logind: FakeLogind
) -> None:
    """Catches a laptop that is "offline" when it sleeps, a turn that the sleep ends, and a message run twice or not."""
    laptop = house.laptop("lid").start()
    delay = logind.lock()
    assert laptop.daemon is not None
    process = laptop.daemon.process
    with ExitStack() as after, laptop.session() as session, laptop.session() as other:
        held = session.say("/hold")
        session.until_speaking("holding")
        logind.prepare(True)
        assert delay.released(), "the system may sleep: the plane has heard goodnight"
        process.send_signal(signal.SIGSTOP)
        after.callback(process.send_signal, signal.SIGCONT)
        assert laptop.status == "asleep"

        waiting = [session.say("/count"), other.say("/count")]
        seen = house.api.ok("GET", f"/v1/runtimes/{laptop.runtime_id}")
        assert (seen["status"], seen["waiting"]) == ("asleep", 2)
        assert seen["asleep_since"] is not None
        told = json.loads(moor(laptop.home, "status", "--json", env=house.ground.env).stdout)
        assert told["plane"]["runtime"]["status"] == "asleep", "nobody woke it by asking"
        assert not {"completed", "failed", "unknown"} & set(session.receipts(held)), "its turn sleeps too"

        process.send_signal(signal.SIGCONT)
        logind.prepare(False)
        eventually("the laptop is online", lambda: laptop.status == "online")
        (laptop.folder(session.id) / "release").touch()
        session.reader.until_settled(waiting[0])
        other.reader.until_settled(waiting[1])
        for one, message in ((session, held), (session, waiting[0]), (other, waiting[1])):
            assert_completed(one.receipts(message))
        assert session.said() == ["holding", "This session has seen 2 prompts."]
        assert other.said() == ["This session has seen 1 prompts."]
    assert laptop.stop() == 0
