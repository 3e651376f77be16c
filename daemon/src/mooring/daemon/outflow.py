"""A session's events on their way to the desk: in order, and what is too large for a batch uploaded first.

While an upload has not succeeded, everything behind it waits here. The network may be away for long, so an upload is
tried until it succeeds, the plane refuses it for good, or the outflow is cut off; then a note stands in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ..core.transcript import Spill, spill
from ..edge.https import is_final
from ..errors import MoorError
from ..wire import events as ev
from ..wire.ids import EventId, SessionId, TurnId
from .errand import errand

FIRST_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 30.0
"""Between two attempts to upload (seconds); doubled each time."""

_log = logging.getLogger("mooring.outflow")


class Uploads(Protocol):
    """Where large events go."""

    def upload(self, session_id: SessionId, event_id: EventId, body: bytes) -> None:
        """Puts an event aside. Blocks. Raises MoorError; a repeat changes nothing."""


class Outflow:
    """One session's.

    Args:
        session_id: whose.
        emit: takes events that are small enough, in order.
        uploads: where the others go.
        dice: gives 32 fresh hex digits at each call.
    """

    def __init__(
        self,
        session_id: SessionId,
        emit: Callable[[Sequence[ev.DaemonEvent]], object],
        uploads: Uploads,
        dice: Callable[[], str],
    ) -> None:
        self._session_id, self._emit, self._uploads, self._dice = session_id, emit, uploads, dice
        self._waiting: deque[ev.DaemonEvent] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_cut_off = False

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def must_upload(self, events: Sequence[ev.DaemonEvent]) -> bool:
        """Whether one of them is too large for a batch."""
        return any(spill(event) is not None for event in events)

    def put(self, events: Sequence[ev.DaemonEvent]) -> None:
        """Sends events on their way, behind those before."""
        if self._is_cut_off:
            self._waiting.extend(events)
            self._flush()
            return
        if not self._waiting and not self.must_upload(events):
            self._emit(events)
            return
        self._waiting.extend(events)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain(), name="outflow")

    async def clear(self) -> None:
        """Waits until everything has gone."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def cut_off(self) -> None:
        """Waits for no upload any more: a note replaces what could not be uploaded, from now on."""
        self._is_cut_off = True
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._flush()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                event = self._waiting[0]
                large = spill(event)
                sent: ev.DaemonEvent = event if large is None else await self._uploaded(event, large)
                self._waiting.popleft()
                self._emit((sent,))
        finally:
            self._task = None

    async def _uploaded(self, event: ev.DaemonEvent, large: Spill) -> ev.DaemonEvent:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await errand(lambda: self._uploads.upload(self._session_id, event.id, large.body))
                return large.stand_in
            except MoorError as exc:
                if is_final(exc):
                    _log.error("session=%s event=%s not uploaded: %s", self._session_id, event.id, exc)
                    return self._note(event, large, exc.code)
                _log.warning(
                    "session=%s event=%s not uploaded yet: %s; trying again in %.0f s",
                    self._session_id,
                    event.id,
                    exc.code,
                    pause_s,
                )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    def _flush(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            large = spill(event)
            self._emit((event if large is None else self._note(event, large, "daemon_stopped"),))

    def _note(self, event: ev.DaemonEvent, large: Spill, code: str) -> ev.Noted:
        told = (
            f"An {large.stand_in.of} of {large.stand_in.n_bytes} bytes is missing: it could not be uploaded ({code})."
        )
        turn_id = large.stand_in.turn_id or TurnId("")
        return ev.Noted(id=EventId(f"sevt_{self._dice()[:24]}"), turn_id=turn_id, kind="event_dropped", text=told)
