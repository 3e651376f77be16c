"""What the journal hands out: a turn, a batch, a continuation, and its refusals when the outbox or the disk is full."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..errors import MoorError
from ..wire.ids import OutboxId, SessionId, TurnId

TurnState = Literal["accepted", "started", "done"]


class OutboxFull(MoorError):
    """The events were not taken: the outbox would hold more than its bound. Nothing changed."""

    def __init__(self, held_bytes: int, max_bytes: int) -> None:
        self.held_bytes = held_bytes
        self.max_bytes = max_bytes
        held = f"The outbox holds {held_bytes} of {max_bytes} bytes that the plane has not acknowledged."
        super().__init__("outbox_full", f"{held} Run `moor status` to see whether the plane is reachable.")


class DiskFull(MoorError):
    """The disk does not take it. Nothing changed; the same may succeed later."""

    def __init__(self, why: str) -> None:
        what = f"The laptop's disk does not take what is to be kept ({why})."
        super().__init__("disk_full", f"{what} Free some space: the daemon goes on by itself.")


class TurnRow(Struct, frozen=True, kw_only=True):
    """A journalled turn. ``stop``: it is to be stopped, and never to be started again. ``prompt``: JSON, or empty."""

    session_id: SessionId
    turn_id: TurnId
    order: int
    state: TurnState
    stop: bool
    prompt: bytes


class Continuation(Struct, frozen=True):
    """What a provider needs to go on with a session: opaque text, good for ``agent_id`` only."""

    agent_id: str
    text: str


class Batch(Struct, frozen=True, kw_only=True):
    """A frozen batch, as it is sent each time."""

    session_id: SessionId
    outbox: OutboxId
    batch: int
    events: bytes
    live_from: int
