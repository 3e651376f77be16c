"""The system's word reaches the loop, and the runner's reaches the system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mooring.daemon.sleeping import Sleeping


class Told:
    """A system and a loop that keep what they are told."""

    def __init__(self) -> None:
        self.words: list[Any] = []
        self.hear: Callable[[bool], None] = lambda _: None

    async def find(self, hear: Callable[[bool], None]) -> Told:
        self.hear = hear
        return self

    def keep_awake(self, wanted: bool) -> None:
        self.words.append(("keep awake", wanted))

    def said_goodnight(self) -> None:
        self.words.append("said goodnight")

    def close(self) -> None:
        self.words.append("closed")

    def suspend(self, said_goodnight: Callable[[], None]) -> None:
        self.words.append("suspend")
        said_goodnight()

    def resume(self) -> None:
        self.words.append("resume")


@pytest.mark.parametrize("keeps_awake", [True, False])
def test_each_side_is_told_what_the_other_says(keeps_awake: bool) -> None:
    """Catches a turn that began before the system was found and does not keep it awake."""

    async def story() -> list[Any]:
        told = Told()
        sleeping = Sleeping(keeps_awake, told.find)
        sleeping.busy(True)
        async with sleeping.beside(told):
            await asyncio.sleep(0)
            told.hear(True)
            told.hear(False)
            sleeping.busy(False)
        return told.words

    awake = [("keep awake", True)] if keeps_awake else []
    let = [("keep awake", False)] if keeps_awake else []
    assert asyncio.run(story()) == [*awake, "suspend", "said goodnight", "resume", *let, "closed"]
