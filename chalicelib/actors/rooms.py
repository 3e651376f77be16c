"""The rooms: which connection speaks for which runtime."""

from __future__ import annotations

from ..core import runtime_room
from ..core.errors import Forbidden, NotFound
from ..core.record import Head, open_room
from ..core.runtime_room import Gone, Hello, Own, Ping, RoomCue, RoomState, Sleep, Welcomed
from ..core.session_state import RoomView
from ..core.step import Stale
from ..wire.events import RoomEvent, RuntimeUse
from ..wire.ids import ConnectionId, OutboxId, RuntimeId, TenantId
from .loop import ObjectLoop
from .ports import Stores, room_key


def seen_by_sessions(room: RoomState | None) -> RoomView:
    """What a session is told of its room; a runtime without a room is one that never was online."""
    if room is None:
        return RoomView(0, None, None, 0.0, 0.0)
    return RoomView(room.epoch, room.connection_id, room.outbox, room.lease_until, room.since)


def runtime_not_found(runtime_id: str) -> NotFound:
    """The refusal for a runtime that is absent or another tenant's."""
    return NotFound("runtime_not_found", f"There is no runtime {runtime_id[:80]}.", field="runtime_id")


def check_use(room: RoomState | None, owner_id: str) -> None:
    """Raises unless this person (or key without one) may have agents run on the room's runtime.

    Raises:
        NotFound: ``runtime_not_found``: it was removed.
        Forbidden: ``runtime_not_shared``.
    """
    if room is None or room.may_be_used_by(owner_id):
        return
    if room.use == "nobody":
        raise runtime_not_found(room.runtime_id)
    why = f"Runtime {room.runtime_id} belongs to somebody of your team who has not shared it."
    raise Forbidden("runtime_not_shared", why, field="runtime_id")


class Rooms:
    """Acts on rooms."""

    def __init__(self, stores: Stores) -> None:
        self._loop: ObjectLoop[RoomState, RoomEvent, RoomCue] = ObjectLoop(
            stores.objects, stores.clock, runtime_room.decide, open_room
        )

    def open(self, tenant_id: TenantId, runtime_id: RuntimeId) -> None:
        """Makes the runtime's room if there is none."""
        self._loop.begin(room_key(runtime_id), RoomState(runtime_id=runtime_id, tenant_id=tenant_id), ())

    def own(self, runtime_id: RuntimeId, owner_id: str, use: RuntimeUse | None = None) -> RoomState | None:
        """Says whose the runtime is and who may use it. Returns the room, None when there is none.

        Args:
            runtime_id: which; the caller has checked the tenant.
            owner_id: whose.
            use: who may use it; None leaves that as it is where the owner stays, and gives it back to one who had
                removed it.
        """

        def cue(head: Head[RoomState]) -> Own:
            before = head.state
            kept = before.use if before.owner_id == owner_id and before.use != "nobody" else "owner"
            return Own(owner_id, use or kept)

        done = self._loop.act(room_key(runtime_id), cue)
        return done.head.state if done else None

    def view(self, runtime_id: RuntimeId) -> RoomState | None:
        """The room as it stands, or None. No tenant: a daemon's frame names only its runtime; check ``tenant_id``."""
        head = self._loop.head(room_key(runtime_id))
        return head.state if head else None

    def hello(
        self, runtime_id: RuntimeId, connection_id: ConnectionId, instance: str, seq: int, outbox: OutboxId
    ) -> tuple[Welcomed | Stale, RoomState] | None:
        """Makes the connection the runtime's own, unless its hello is an old one. None when there is no such room."""
        done = self._loop.act(room_key(runtime_id), lambda _: Hello(connection_id, instance, seq, outbox))
        if done is None:
            return None
        assert isinstance(done.answer, Welcomed | Stale)
        return done.answer, done.head.state

    def ping(self, runtime_id: RuntimeId, connection_id: ConnectionId) -> tuple[bool, RoomState] | None:
        """Renews the lease: whether the connection is still the runtime's own, and the room. None without a room."""
        done = self._loop.act(room_key(runtime_id), lambda _: Ping(connection_id))
        if done is None:
            return None
        return not isinstance(done.answer, Stale), done.head.state

    def sleep(self, runtime_id: RuntimeId, connection_id: ConnectionId) -> tuple[bool, RoomState] | None:
        """The laptop goes to sleep: whether the connection was the runtime's own, and the room. None without a room."""
        done = self._loop.act(room_key(runtime_id), lambda _: Sleep(connection_id))
        if done is None:
            return None
        return not isinstance(done.answer, Stale), done.head.state

    def gone(self, runtime_id: RuntimeId, connection_id: ConnectionId) -> None:
        """The connection was closed, or found closed. A replaced one's end changes nothing."""
        self._loop.act(room_key(runtime_id), lambda _: Gone(connection_id))
