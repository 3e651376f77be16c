"""The actors, put together over one set of stores."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..wire.frames import Hello
from ..wire.ids import TenantId
from ..wire.limits import PING_S
from .delivery import Delivery
from .frames import Frames
from .ports import Stores
from .reading import Reading
from .rooms import Rooms
from .sessions import SessionObjects
from .spill import Spill
from .viewers import Viewers


class Actors(Struct, frozen=True, kw_only=True):
    """Whoever acts on objects."""

    rooms: Rooms
    sessions: SessionObjects
    reading: Reading
    viewers: Viewers
    frames: Frames


def assemble(stores: Stores, described: Callable[[TenantId, Hello], None], ping_s: float = PING_S) -> Actors:
    """Puts the actors together.

    Args:
        stores: what they remember, and whom they call.
        described: is told how a laptop describes itself in its hello.
        ping_s: how often daemons are to ping (seconds).
    """
    rooms = Rooms(stores)
    spill = Spill(stores.bodies)
    delivery = Delivery(stores, rooms, spill)
    sessions = SessionObjects(stores, rooms, delivery, spill)
    reading = Reading(stores, sessions, delivery, spill)
    viewers = Viewers(stores, rooms, sessions, reading)
    frames = Frames(stores, rooms, sessions, viewers, described, ping_s)
    return Actors(rooms=rooms, sessions=sessions, reading=reading, viewers=viewers, frames=frames)
