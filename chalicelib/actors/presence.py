"""Presence: a runtime as people see it, with its room as it stands and what waits for its return."""

from __future__ import annotations

import itertools

from msgspec import Struct

from ..core.catalog import Runtime
from ..core.record import open_session
from ..core.runtime_room import RoomState
from ..core.session_state import undelivered
from .ports import Stores, session_key
from .rooms import Rooms

MAX_COUNTED = 100
"""Sessions looked at to count what waits for one runtime: an answer must not cost more reads than that."""


class Seen(Struct, frozen=True):
    """A runtime, its room as it stands, and how many messages wait for its return: 0 while it is online."""

    runtime: Runtime
    room: RoomState | None
    waiting: int = 0


class Presence:
    """Looks at runtimes."""

    def __init__(self, stores: Stores, rooms: Rooms) -> None:
        self._objects = stores.objects
        self._work = stores.work
        self._clock = stores.clock
        self._rooms = rooms

    def of(self, runtime: Runtime) -> Seen:
        """The runtime as it is now. What waits is counted in ``MAX_COUNTED`` sessions at most."""
        room = self._rooms.view(runtime.runtime_id)
        if room is None or room.online(self._clock.now()):
            return Seen(runtime, room)
        return Seen(runtime, room, self._waiting(room))

    def _waiting(self, room: RoomState) -> int:
        count = 0
        for item in itertools.islice(self._work.of_runtime(room.runtime_id), MAX_COUNTED):
            stored = self._objects.newest(session_key(item.tenant_id, item.session_id))
            if stored is not None:
                count += undelivered(open_session(stored.body).state)
        return count
