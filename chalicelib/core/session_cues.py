"""The cues of a session: everything that may happen to one, and what it answers. ``core/session.py`` decides."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..wire import events as ev
from ..wire.ids import EventId, OutboxId, TurnId
from .details import Details
from .repeats import Try
from .session_state import RoomView


class MessageIn(Struct, frozen=True):
    """A message to accept; it expires ``expires_in_s`` seconds after its acceptance unless its turn has begun."""

    content: tuple[ev.UserBlock, ...]


class InterruptIn(Struct, frozen=True):
    """Stop the running turn; when none runs, what is waiting."""


class ConfirmationIn(Struct, frozen=True):
    """Answer the question ``tool_use_id``."""

    tool_use_id: EventId
    result: Literal["allow", "deny"]
    deny_message: str | None = None


Item = MessageIn | InterruptIn | ConfirmationIn


class Post(Struct, frozen=True):
    """Somebody posts ``items``; ``room`` is the runtime's room as read before, ``attempt`` the try of an SDK's.

    ``by`` is the id of who answers questions, or None where that is not known.
    """

    items: tuple[Item, ...]
    expires_in_s: float
    room: RoomView
    attempt: Try | None = None
    by: str | None = None


class Accepted(Struct, frozen=True):
    """The daemon has the turn on disk."""

    turn_id: TurnId
    epoch: int
    outbox: OutboxId


class Batch(Struct, frozen=True):
    """A batch of the daemon's whole events; ``hash`` is that of their bytes."""

    outbox: OutboxId
    batch: int
    hash: str
    events: tuple[ev.DaemonEvent, ...]
    live_from: int
    room: RoomView


class Tick(Struct, frozen=True):
    """The session was looked at. ``active`` are the turns that the daemon's ping reports as working."""

    room: RoomView
    active: tuple[TurnId, ...] = ()


class Update(Struct, frozen=True):
    """Somebody changes what the session is called by, from ``before``, as its log has it, to ``after``."""

    before: Details
    after: Details


class Archive(Struct, frozen=True):
    """Somebody archives the session."""


class Delete(Struct, frozen=True):
    """Somebody deletes the session."""


class Disposed(Struct, frozen=True):
    """The daemon has removed the session."""

    epoch: int


SessionCue = Post | Accepted | Batch | Tick | Update | Archive | Delete | Disposed


class Repeated(Struct, frozen=True):
    """The answer to a post that is another try of one that record ``n`` carried out."""

    n: int


class Acked(Struct, frozen=True):
    """The answer to a batch; see ``session.ack``."""

    batch: int
    verdict: Literal["ok", "gap", "conflict", "renew"] = "ok"


class Gone(Struct, frozen=True):
    """The session is deleted: the daemon is to be told so."""
