"""Errands: blocking calls done in a thread of their own, so that the loop never waits for the network.

The threads are daemonic: a stop of the daemon does not wait for a server that does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def errand(call: Callable[[], _T]) -> _T:
    """What ``call`` gives or raises. If the caller is cancelled, the call runs on and its result is dropped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # Without an error it is what the call gave.

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as exc:  # noqa: BLE001 - whoever waits gets it, whatever it is
            error = exc
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="moor-errand", daemon=True).start()
    return await done
