"""Renewal: the daemon gets itself another token long before the one it has ends, so that nobody pairs a laptop twice.

The new token is on the disk before anything uses it. Whoever dies in between still has the old one, which opens for a
day more, and asks again. Connections and requests take the token from the disk each time they begin (``Token``).

What can cross: ``moor setup`` puts a token of its own in place while ours is on its way (setup's counts, ours is given
back); a laptop that slept past the end is refused (that is final, once the disk holds nothing newer); a clock jumps
(the time is compared at least every ``LOOK_S``), or is so wrong that each new token looks old (``REST_S`` between two).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from msgspec.structs import replace

from ..edge.creds import Credentials, Paths, read_credentials, renew_credentials
from ..edge.https import PlaneError
from ..edge.plane import Plane
from ..errors import EXIT_REFUSED, MoorError

PART: Final = 2 / 3
"""The part of its life after which a token is replaced: what is left is patience with a plane that is away."""

JITTER: Final = 1 / 20
"""Up to this part of its life later, so that laptops which were set up together do not come together."""

LOOK_S: Final = 300.0
"""The longest time between two looks at the clock (seconds): timers stand still while a laptop sleeps."""

REST_S: Final = 60.0
"""After a renewal (seconds), whatever the clock says."""

FIRST_S: Final = 30.0
MOST_S: Final = 3600.0
"""Bounds of the wait after a failure (seconds); it doubles with each one."""

_log = logging.getLogger("mooring.renewal")


class Token:
    """The token that counts now: a renewed one, or one of a new setup, is used from the next connection on.

    Args:
        where: whose credentials.
        credentials: as they were read at the start.
    """

    def __init__(self, where: Paths, credentials: Credentials) -> None:
        self._where, self._last = where, credentials

    def __call__(self) -> str:
        """The token. May be called from any thread."""
        with contextlib.suppress(MoorError):  # They are being removed; what the last ones open, the plane says.
            found = read_credentials(self._where)
            if found.runtime_id == self._last.runtime_id:
                self._last = found
        return self._last.token


class Renewal:
    """Renews the token of a home, again and again.

    Args:
        where: whose credentials.
        name: the runtime's id, for the log.
        clock: the time (epoch seconds).
        dice: a fresh number in [0, 1).
        pause: waits for some seconds.
    """

    def __init__(
        self,
        where: Paths,
        name: str,
        *,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._where, self._name, self._clock, self._dice, self._pause = where, name, clock, dice, pause
        self._die = dice()
        self._failures = 0

    async def run(self) -> None:
        """Goes on until it is cancelled.

        Raises:
            MoorError: ``token_refused``: it opens nothing any more, and there is no newer one.
        """
        while True:
            await self._pause(await self._look())

    @contextlib.asynccontextmanager
    async def beside(self, stop: Callable[[], None]) -> AsyncIterator[None]:
        """Runs while the block does. When the token is refused ``stop`` is called, and the block's end raises that."""
        task = asyncio.create_task(self.run())
        task.add_done_callback(lambda _: stop())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            refused = None if task.cancelled() else task.exception()
        if refused is not None:
            raise refused

    async def _look(self) -> float:
        """Renews the token if it is time. Returns when to look again (seconds)."""
        try:
            credentials = read_credentials(self._where)
            left_s = due_at(credentials, self._die) - self._clock()
            if left_s > 0:
                return min(left_s, LOOK_S)
            # In one thread to its end: who stops the daemon meanwhile must not lose the answer.
            await asyncio.to_thread(self._renew, credentials)
        except (MoorError, OSError) as exc:
            if isinstance(exc, MoorError) and exc.code == "token_refused":
                raise
            self._failures += 1
            wait_s = backoff_s(self._failures, self._dice())
            why = "runtime=%s the token could not be renewed: %s Trying again in %.0f s"
            _log.warning(why, self._name, exc, wait_s)
            return wait_s
        self._failures, self._die = 0, self._dice()
        return REST_S

    def _renew(self, old: Credentials) -> None:
        try:
            with _plane(old) as plane:
                made = plane.renew_token()
        except PlaneError as exc:
            if exc.status != 401:
                raise
            if read_credentials(self._where).token == old.token:
                why = "The plane refused this laptop's token. Run `moor setup` to connect it again."
                raise MoorError("token_refused", why, EXIT_REFUSED) from exc
            return  # Another setup was faster, and its token is for the next look.
        new = replace(old, token=made.token, created_at=self._clock(), expires_at=made.expires_at)
        kept = False
        try:
            kept = renew_credentials(self._where, old.token, new)
        finally:
            if not kept:
                with _plane(new) as plane:
                    plane.revoke_token()
        if kept:
            until = time.strftime("%Y-%m-%d", time.gmtime(made.expires_at))
            _log.info("runtime=%s has a new token, which opens until %s", self._name, until)


def due_at(credentials: Credentials, die: float) -> float:
    """When its token is to be replaced (epoch seconds); at once where nobody said when it ends. ``die`` in [0, 1)."""
    if credentials.expires_at is None:
        return 0.0
    life_s = credentials.expires_at - credentials.created_at
    return credentials.created_at + life_s * (PART + JITTER * die)


def backoff_s(failures: int, die: float) -> float:
    """How long to wait after so many failures (at least 1). ``die`` is in [0, 1)."""
    bound = min(MOST_S, FIRST_S * 2.0 ** min(failures - 1, 16))
    return bound * (1 + die) / 2


@contextlib.contextmanager
def _plane(credentials: Credentials) -> Iterator[Plane]:
    plane = Plane(credentials.server_url, credentials.token)
    try:
        yield plane
    finally:
        plane.close()
