"""The room: which connection speaks for a runtime, and until when the runtime counts as online.

States are three, AWAY (``connection_id`` is None), ASLEEP (away, and it said so before: ``asleep_since``) and ATTACHED.
Inputs:

    Hello  a daemon's connection asks to be the runtime's own. It always wins: epoch + 1. The same connection with the
           same outbox again is a repeat and gets the same epoch; a process's earlier hello that comes after a later one
           of its own is ``Stale``.
    Ping   the current connection lives. The lease moves only when less than half of it is left. From any other
           connection: ``Stale``.
    Sleep  the current connection says that the laptop goes to sleep: ASLEEP until the next hello. From any other
           connection: ``Stale``.
    Gone   a connection was closed. Only the current one's end means AWAY; a replaced one's changes nothing.
    Own    whose laptop it is, and who may use it: its owner alone, the whole tenant, or nobody since it was removed.

Invariants: the epoch never falls; one connection at most speaks for the runtime; a connection once replaced never
becomes current again (its hello counts as a new attachment, with a new epoch). What can cross: a hello that is slower
than a later one from another connection wins over it and is itself replaced at the other's next frame, which is
answered ``replaced``: the daemon then sees by ``instance`` whether that was itself.
"""

from __future__ import annotations

from typing import Any, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..wire.events import (
    LeaseRenewed,
    RoomEvent,
    RuntimeAttached,
    RuntimeDetached,
    RuntimeOwned,
    RuntimeSlept,
    RuntimeUse,
)
from ..wire.ids import ConnectionId, OutboxId, RuntimeId, TenantId
from ..wire.limits import LEASE_S
from .step import Stale, Step

Presence = Literal["online", "asleep", "offline"]
"""``asleep``: it said so before; a laptop that sleeps without a word is ``offline`` once its lease has lapsed."""


class RoomState(Struct, frozen=True, kw_only=True):
    """A room's whole state.

    Attributes:
        epoch: connections accepted so far.
        connection_id: the current connection, or None when away.
        instance: id of the daemon process behind it (or behind the last one).
        seq: which of that process's hellos made it so.
        outbox: the SQLite file it writes from.
        lease_until: until when it counts as online (epoch seconds).
        since: since when the lease has held without a lapse (epoch seconds).
        owner_id: the person whose laptop it is; "" for one from before laptops had owners.
        use: who may use it.
        asleep_since: since when it sleeps, as it said itself (epoch seconds); None when it did not, or is back.
    """

    runtime_id: RuntimeId
    tenant_id: TenantId
    epoch: int = 0
    connection_id: ConnectionId | None = None
    instance: str = ""
    seq: int = 0
    outbox: OutboxId | None = None
    lease_until: float = 0.0
    since: float = 0.0
    owner_id: str = ""
    use: RuntimeUse = "owner"
    asleep_since: float | None = None

    def may_be_used_by(self, owner_id: str) -> bool:
        """Whether this person (or key without one) may have agents run here."""
        return self.use != "nobody" and (self.use == "tenant" or self.owner_id in ("", owner_id))

    def online(self, now: float) -> bool:
        """Whether the runtime has a connection whose lease holds."""
        return self.connection_id is not None and self.lease_until > now

    def presence(self, now: float) -> Presence:
        """What the runtime is said to be."""
        if self.online(now):
            return "online"
        return "offline" if self.asleep_since is None else "asleep"


class Hello(Struct, frozen=True):
    """A connection asks to speak for the runtime."""

    connection_id: ConnectionId
    instance: str
    seq: int
    outbox: OutboxId


class Ping(Struct, frozen=True):
    """The connection lives."""

    connection_id: ConnectionId


class Sleep(Struct, frozen=True):
    """The laptop goes to sleep."""

    connection_id: ConnectionId


class Gone(Struct, frozen=True):
    """The connection was closed, or found closed by a send."""

    connection_id: ConnectionId


class Own(Struct, frozen=True):
    """Says whose the runtime is and who may use it. A new owner begins alone."""

    owner_id: str
    use: RuntimeUse


class Welcomed(Struct, frozen=True):
    """The answer to a hello: its epoch, and the connection it replaced."""

    epoch: int
    replaced: ConnectionId | None


RoomCue = Hello | Ping | Gone | Own | Sleep
RoomStep = Step[RoomState, RoomEvent]


def decide(state: RoomState, cue: RoomCue, *, n: int, now: float) -> RoomStep:
    """What follows from ``cue``. ``n`` is the number the new record would have; ``now`` epoch seconds."""
    match cue:
        case Hello():
            return _hello(state, cue, now)
        case Ping():
            return _ping(state, cue, now)
        case Sleep():
            if state.connection_id != cue.connection_id:
                return Step(state, answer=Stale(state.epoch))
            asleep = replace(state, connection_id=None, lease_until=0.0, asleep_since=now)
            return Step(asleep, (RuntimeSlept(connection_id=cue.connection_id),))
        case Gone():
            if state.connection_id != cue.connection_id:
                return Step(state)
            away = replace(state, connection_id=None, lease_until=0.0)
            return Step(away, (RuntimeDetached(connection_id=cue.connection_id),))
        case Own():
            owned = replace(state, owner_id=cue.owner_id, use=cue.use)
            if owned == state:
                return Step(state)
            return Step(owned, (RuntimeOwned(owner_id=cue.owner_id, use=cue.use),))
        case _:
            assert_never(cue)


def _hello(state: RoomState, cue: Hello, now: float) -> RoomStep:
    if state.connection_id == cue.connection_id and state.outbox == cue.outbox:
        return Step(state, answer=Welcomed(state.epoch, None))
    if state.instance == cue.instance and cue.seq <= state.seq:
        return Step(state, answer=Stale(state.epoch))
    attached = replace(
        state,
        epoch=state.epoch + 1,
        connection_id=cue.connection_id,
        instance=cue.instance,
        seq=cue.seq,
        outbox=cue.outbox,
        lease_until=now + LEASE_S,
        since=state.since if state.online(now) else now,
        asleep_since=None,
    )
    told = RuntimeAttached(
        connection_id=cue.connection_id, epoch=attached.epoch, instance=cue.instance, outbox=cue.outbox
    )
    older = state.connection_id if state.connection_id != cue.connection_id else None
    return Step(attached, (told,), Welcomed(attached.epoch, older))


def _ping(state: RoomState, cue: Ping, now: float) -> RoomStep:
    if state.connection_id != cue.connection_id:
        return Step(state, answer=Stale(state.epoch))
    if state.lease_until - now >= LEASE_S / 2:
        return Step(state)
    renewed: dict[str, Any] = {"lease_until": now + LEASE_S}
    if not state.online(now):
        renewed["since"] = now
    return Step(replace(state, **renewed), (LeaseRenewed(lease_until=now + LEASE_S),))
