"""Events: the whole things that happen in an object, one frozen Struct each, tagged by ``type``.

Names and fields of ``user.*``, ``agent.*`` and ``session.*`` are those of Anthropic's Managed Agents API (SDK types
``BetaManagedAgents…Event``); ``mooring.*`` are ours and reach a reader only on request (``?include=mooring``).
``processed_at`` is not stored in an event: it is the time of the record that gives the event its place.

A daemon writes the types in ``DAEMON_EVENTS``; the plane writes all others. ``turn_id`` names the turn an event belongs
to and is ours too.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from .ids import ConnectionId, EventId, FileId, OutboxId, TurnId


class TextBlock(Struct, frozen=True, tag_field="type", tag="text"):
    """A piece of text content."""

    text: str


Block = TextBlock
"""Content of what an agent says."""


class FileSource(Struct, frozen=True, kw_only=True, tag_field="type", tag="file"):
    """Bytes that the plane keeps as the file ``file_id``: an event holds their name only, and what they must be."""

    file_id: FileId
    media_type: str
    size_bytes: int
    sha256: str
    filename: str = ""


class ImageBlock(Struct, frozen=True, kw_only=True, tag_field="type", tag="image", omit_defaults=True):
    """An image that the user shows."""

    source: FileSource


class DocumentBlock(Struct, frozen=True, kw_only=True, tag_field="type", tag="document", omit_defaults=True):
    """A document that the user hands over; ``context`` is what they say about it."""

    source: FileSource
    title: str | None = None
    context: str | None = None


UserBlock = TextBlock | ImageBlock | DocumentBlock
"""Content of what a user says."""


class RetryStatus(Struct, frozen=True):
    """Whether the plane tries again: ``retrying``, ``exhausted`` or ``terminal``."""

    type: Literal["retrying", "exhausted", "terminal"] = "terminal"


class ErrorBody(Struct, frozen=True, kw_only=True):
    """What went wrong, in the API's words, with our stable code beside them."""

    type: str = "unknown_error"
    message: str
    retry_status: RetryStatus = RetryStatus()
    code: str | None = None


class StopReason(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a session became idle; ``event_ids`` only with ``requires_action``."""

    type: Literal["end_turn", "requires_action", "retries_exhausted", "refusal"] = field(name="type")
    event_ids: tuple[EventId, ...] | UnsetType = UNSET


class _Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    id: EventId


class UserMessage(_Event, frozen=True, tag="user.message"):
    """A message was accepted. Whether it waits then, or its turn starts in the same record, the record's state says."""

    content: tuple[UserBlock, ...]
    expires_at: float


class MessagePlaced(_Event, frozen=True, tag="mooring.message_placed"):
    """The accepted message ``id`` of record ``accepted_n`` has its place here: its turn starts, or it ends without one.

    Readers show it as the ``user.message`` itself, with ``processed_at``.
    """

    accepted_n: int


class UserInterrupt(_Event, frozen=True, tag="user.interrupt"):
    """Somebody stopped the running turn (or, when none ran, what was waiting)."""


class UserToolConfirmation(_Event, frozen=True, tag="user.tool_confirmation"):
    """Somebody answered a permission question: ``answered_by``, a person, a key of nobody's, or a session token."""

    tool_use_id: EventId
    result: Literal["allow", "deny"]
    deny_message: str | None = None
    answered_by: str | None = None


class AgentMessage(_Event, frozen=True, tag="agent.message"):
    """The agent said something, whole."""

    turn_id: TurnId
    content: tuple[Block, ...]


class AgentThinking(_Event, frozen=True, tag="agent.thinking"):
    """The agent thought something. The API's event has no text; ours keeps it beside."""

    turn_id: TurnId
    text: str = ""


class AgentToolUse(_Event, frozen=True, tag="agent.tool_use"):
    """The agent calls a tool. With ``evaluated_permission`` ``ask`` it waits for a verdict on ``call_hash``."""

    turn_id: TurnId
    name: str
    input: dict[str, Any]
    evaluated_permission: Literal["allow", "ask", "deny"] = "allow"
    call_hash: str | None = None
    title: str | None = None


class AgentToolResult(_Event, frozen=True, tag="agent.tool_result"):
    """What a tool call gave."""

    turn_id: TurnId
    tool_use_id: EventId
    content: tuple[Block, ...] = ()
    is_error: bool = False


class SessionError(_Event, frozen=True, tag="session.error"):
    """Something failed; ``error.retry_status`` tells whether the plane goes on trying."""

    error: ErrorBody
    turn_id: TurnId | None = None


class SessionStatusRunning(_Event, frozen=True, tag="session.status_running"):
    """A turn runs."""


class SessionStatusIdle(_Event, frozen=True, tag="session.status_idle"):
    """Nothing runs, or the running turn waits for an answer (``requires_action``)."""

    stop_reason: StopReason


class SessionStatusRescheduled(_Event, frozen=True, tag="session.status_rescheduled"):
    """A message waits for its machine, which is away."""


class SessionUpdated(_Event, frozen=True, tag="session.updated"):
    """Somebody changed what a session is called by. Both fields say how it is now; ``changed`` names which changed."""

    title: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    changed: tuple[Literal["title", "metadata"], ...] = ()


class SessionStatusTerminated(_Event, frozen=True, tag="session.status_terminated"):
    """The session was archived: it is read only from here on."""


class SessionDeleted(_Event, frozen=True, tag="session.deleted"):
    """The session is gone for its viewers; the laptop is still to be told."""


class SessionCreated(_Event, frozen=True, tag="mooring.session_created"):
    """The first record of every session."""


class Receipt(_Event, frozen=True, tag="mooring.receipt"):
    """How far the messages ``event_ids`` have come; the five last words are terminal and never change."""

    event_ids: tuple[EventId, ...]
    status: Literal["queued", "sent", "on_machine", "started", "completed", "failed", "cancelled", "expired", "unknown"]
    turn_id: TurnId | None = None


class TurnStarted(_Event, frozen=True, tag="mooring.turn_started"):
    """A turn begins; what was placed just before it is what it works on."""

    turn_id: TurnId
    order: int


class TurnEnded(_Event, frozen=True, tag="mooring.turn_ended"):
    """The daemon's last word on a turn, written in one transaction with the end of its journal entry."""

    turn_id: TurnId
    outcome: Literal["completed", "failed", "cancelled", "unknown"]
    stop_reason: str | None = None
    error: ErrorBody | None = None


class PermissionSettled(_Event, frozen=True, tag="mooring.permission_settled"):
    """The daemon has acted on a verdict, or the question fell away with its turn or its time."""

    turn_id: TurnId
    tool_use_id: EventId
    outcome: Literal["allow", "deny", "cancelled", "expired"]


class Planned(_Event, frozen=True, tag="mooring.plan"):
    """The agent's plan as it stands now."""

    turn_id: TurnId
    entries: tuple[dict[str, Any], ...]


class Used(_Event, frozen=True, tag="mooring.usage"):
    """What the agent says it has used: tokens, context size, cost, as far as it tells."""

    turn_id: TurnId
    usage: dict[str, Any]


class Noted(_Event, frozen=True, tag="mooring.note"):
    """Something of note that has no field of its own; ``kind`` is stable snake_case (``context_lost``, …)."""

    turn_id: TurnId
    kind: str
    text: str = ""


class Spilled(_Event, frozen=True, tag="mooring.spilled"):
    """Stands in a record for an event too large for it; the event itself is the body item named by ``id``."""

    of: str
    n_bytes: int
    sha256: str
    turn_id: TurnId | None = None


class Opaque(_Event, frozen=True, tag="mooring.opaque"):
    """An event of a newer daemon, kept as it came."""

    of: str
    body: str


class RuntimeAttached(Struct, frozen=True, kw_only=True, tag_field="type", tag="mooring.runtime_attached"):
    """A daemon's connection became the room's current one."""

    connection_id: ConnectionId
    epoch: int
    instance: str
    outbox: OutboxId


class LeaseRenewed(Struct, frozen=True, kw_only=True, tag_field="type", tag="mooring.lease_renewed"):
    """The current connection's ping moved the lease on."""

    lease_until: float


class RuntimeDetached(Struct, frozen=True, kw_only=True, tag_field="type", tag="mooring.runtime_detached"):
    """The current connection is gone."""

    connection_id: ConnectionId


RuntimeUse = Literal["owner", "tenant", "nobody"]
"""Who may use a runtime: its owner alone, the whole tenant, or nobody since it was removed."""


class RuntimeSlept(Struct, frozen=True, kw_only=True, tag_field="type", tag="mooring.runtime_asleep"):
    """The current connection said that the laptop goes to sleep."""

    connection_id: ConnectionId


class RuntimeOwned(Struct, frozen=True, kw_only=True, tag_field="type", tag="mooring.runtime_owned"):
    """Somebody became the runtime's owner, shared it or took it back, or removed it."""

    owner_id: str
    use: RuntimeUse


Event = (
    UserMessage
    | MessagePlaced
    | UserInterrupt
    | UserToolConfirmation
    | AgentMessage
    | AgentThinking
    | AgentToolUse
    | AgentToolResult
    | SessionError
    | SessionStatusRunning
    | SessionStatusIdle
    | SessionStatusRescheduled
    | SessionDeleted
    | SessionCreated
    | Receipt
    | TurnStarted
    | TurnEnded
    | PermissionSettled
    | Planned
    | Used
    | Noted
    | Spilled
    | Opaque
    | SessionUpdated
    | SessionStatusTerminated
)
"""What a session's log holds."""

RoomEvent = RuntimeAttached | LeaseRenewed | RuntimeDetached | RuntimeOwned | RuntimeSlept
"""What a room's log holds."""

DaemonEvent = (
    AgentMessage
    | AgentThinking
    | AgentToolUse
    | AgentToolResult
    | SessionError
    | TurnEnded
    | PermissionSettled
    | Planned
    | Used
    | Noted
    | Spilled
    | Opaque
)
"""What a daemon may write into a session's log; ``Spilled`` for an event that it has uploaded before."""

API_TYPES = frozenset(
    {
        "user.message",
        "user.interrupt",
        "user.tool_confirmation",
        "agent.message",
        "agent.thinking",
        "agent.tool_use",
        "agent.tool_result",
        "session.error",
        "session.status_running",
        "session.status_idle",
        "session.status_rescheduled",
        "session.status_terminated",
        "session.updated",
        "session.deleted",
    }
)
"""The types that a reader gets without asking for ours."""

TERMINAL = frozenset({"completed", "failed", "cancelled", "expired", "unknown"})
"""The receipts after which nothing comes."""
