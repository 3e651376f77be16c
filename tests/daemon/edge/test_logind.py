"""logind: the system waits for a goodnight, and stays awake while a turn runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from jeepney.bus_messages import message_bus

from mooring.edge.logind import Logind
from tests.daemon.fake_logind import FakeLogind, system_bus

Story = Callable[[Logind, "asyncio.Queue[bool]"], Awaitable[None]]


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLogind]:
    with system_bus(tmp_path, monkeypatch) as address:
        made = FakeLogind(address)
        yield made
        made.close()


def play(story: Story) -> None:
    """Finds logind, lets the story happen, and lets go."""

    async def main() -> None:
        async with asyncio.timeout(30):
            heard: asyncio.Queue[bool] = asyncio.Queue()
            found = await Logind.find(heard.put_nowait)
            assert found is not None
            try:
                await story(found, heard)
            finally:
                found.close()

    asyncio.run(main())


def test_the_system_waits_for_a_goodnight_each_time(logind: FakeLogind) -> None:
    """Catches a lock that is let go of too early, never, or not taken again for the next sleep."""

    async def story(found: Logind, heard: asyncio.Queue[bool]) -> None:
        lock = await asyncio.to_thread(logind.lock)
        for _ in range(2):
            assert (lock.what, lock.mode) == ("sleep", "delay")
            logind.prepare(True)
            assert await heard.get() is True
            assert lock.is_held()
            found.said_goodnight()
            found.said_goodnight()
            assert await asyncio.to_thread(lock.released)
            logind.prepare(False)
            assert await heard.get() is False
            lock = await asyncio.to_thread(logind.lock)
        found.close()
        assert await asyncio.to_thread(lock.released), "nobody's sleep waits for a daemon that has ended"

    play(story)


def test_a_night_that_follows_at_once_is_not_held_up(logind: FakeLogind) -> None:
    """Catches a lock that comes when goodnight is said already, and is held through the night's first 5 s."""

    async def story(found: Logind, heard: asyncio.Queue[bool]) -> None:
        await asyncio.to_thread(logind.lock)
        for sleeps in (True, False, True):
            logind.prepare(sleeps)
        assert [await heard.get() for _ in range(3)] == [True, False, True]
        found.said_goodnight()
        lock = await asyncio.to_thread(logind.lock)
        assert await asyncio.to_thread(lock.released)

    play(story)


def test_it_is_kept_from_idle_sleep_as_long_as_that_is_wanted(logind: FakeLogind) -> None:
    """Catches a laptop that never falls asleep again, and a lock that holds up a closed lid."""

    async def story(found: Logind, heard: asyncio.Queue[bool]) -> None:
        await asyncio.to_thread(logind.lock)
        found.keep_awake(True)
        lock = await asyncio.to_thread(logind.lock)
        assert (lock.what, lock.mode) == ("idle", "block")
        found.keep_awake(False)
        assert await asyncio.to_thread(lock.released)
        found.keep_awake(True)
        found.keep_awake(False)
        taken = await asyncio.to_thread(logind.lock)
        assert await asyncio.to_thread(taken.released), "it came when nobody wanted it any more"

    play(story)


def test_a_bus_that_goes_away_takes_nothing_with_it(logind: FakeLogind, caplog: pytest.LogCaptureFixture) -> None:
    """Catches a daemon that ends, or spins, when the system bus does."""

    async def story(found: Logind, heard: asyncio.Queue[bool]) -> None:
        await asyncio.to_thread(logind.lock)
        logind.refuses = True
        found.keep_awake(True)
        asked = asyncio.create_task(found._call(message_bus.ListNames()))
        found._bus.sock.shutdown(2)
        with pytest.raises(ConnectionError):
            await asked
        found.keep_awake(True)
        found.said_goodnight()

    play(story)
    assert "the system bus is gone" in caplog.text


def test_a_logind_that_refuses_is_as_good_as_none(logind: FakeLogind) -> None:
    logind.refuses = True

    async def main() -> Logind | None:
        return await Logind.find(lambda _: None)

    assert asyncio.run(main()) is None


def test_without_a_system_bus_there_is_no_logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nowhere")

    async def main() -> Logind | None:
        return await Logind.find(lambda _: None)

    assert asyncio.run(main()) is None
