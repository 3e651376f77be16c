"""`schedules`: how many random schedules of the test suite run in a second. An eye on the suite's price."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from chalicelib.actors.ports import Stores
from tests.schedules.moto_world import on_moto
from tests.schedules.schedule import Schedule
from tests.schedules.world import World, in_memory

IN_MEMORY: Final = 100
ON_MOTO: Final = 10


def measure() -> dict[str, Any]:
    """Schedules a second, in memory and on the real stores over moto. Raises RuntimeError when one has a flaw."""
    with on_moto() as stores:
        return {"in_memory": _rate(IN_MEMORY, in_memory, small=False), "on_moto": _rate(ON_MOTO, stores, small=True)}


def show(found: dict[str, Any]) -> str:
    """The figures as lines."""
    return "\n".join(
        f"  {name:10} {one['schedules']:4} schedules in {one['seconds']:6.1f} s: {one['per_s']:6.1f} a second"
        for name, one in found.items()
    )


def _rate(n: int, stores: Callable[[World], Stores], *, small: bool) -> dict[str, float]:
    began = time.perf_counter()
    for seed in range(n):
        outcome = Schedule(seed, stores, small=small).run()
        if outcome.flaws:
            raise RuntimeError(f"Schedule {seed} has a flaw: {outcome.flaws}")
    seconds = time.perf_counter() - began
    return {"schedules": n, "seconds": seconds, "per_s": n / seconds}
