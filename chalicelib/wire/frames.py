"""Frames: what one WebSocket message says. One frozen Struct each, tagged by ``type``.

Two dialects share the socket. A *daemon* names its ``runtime_id`` in every frame and is believed only while the room's
newest record holds its connection. A *viewer* (API client, console, chat) attaches to sessions and names no runtime.

Nothing is promised about order or delivery of single frames (API Gateway promises neither): every frame that matters
has an id or a number, and what a repeat does stands in its docstring.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from .events import Block
from .ids import EventId, OutboxId, RuntimeId, SessionId, TurnId
from .limits import MAX_ID_CHARS, PING_S, PROTOCOL_VERSION


class _Frame(Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class AgentCapabilities(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent says that it can do, when it is greeted. Source: ACP ``initialize``, ``agentCapabilities``."""

    load: bool = False
    resume: bool = False
    image: bool = False
    audio: bool = False
    embedded_context: bool = False
    mcp_http: bool = False
    mcp_sse: bool = False
    auth_methods: tuple[str, ...] = ()


class AgentMeasures(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent did in a conversation that was held to find it out; None = that could not be told.

    Attributes:
        asks: it asks before it acts, where it has to.
        resumes: another process of it goes on with the conversation.
        cancels: a turn ends soon after it was cancelled.
        images: it is told what a picture shows.
        mcp: it reaches an MCP server over HTTP.
        at: epoch seconds.
    """

    asks: bool | None = None
    resumes: bool | None = None
    cancels: bool | None = None
    images: bool | None = None
    mcp: bool | None = None
    at: float = 0.0


class AgentReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ACP agent found on the laptop; ``id`` is canonical (``claude-acp``, ``echo``, …).

    Attributes:
        name: as people call it.
        login: whether its provider will know who asks, as far as that can be told without asking there.
        problem: why it does not work; empty = nothing is known against it.
        capabilities: as of ``version``; None = it was not greeted yet.
        measured: None = nobody had it measured.
        never_asks: tools that it uses without asking, whatever it is told.
    """

    id: str
    binary: str = ""
    version: str = ""
    name: str = ""
    login: Literal["yes", "no", "unknown"] = "unknown"
    problem: str = ""
    capabilities: AgentCapabilities | None = None
    measured: AgentMeasures | None = None
    never_asks: tuple[str, ...] = ()


class LocalSkill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One skill of the laptop's own; its path stays there."""

    id: str
    name: str = ""
    description: str = ""
    source: str = ""


class OpenTurn(Struct, frozen=True, kw_only=True):
    """A turn that a daemon has on disk and has not ended."""

    session_id: SessionId
    turn_id: TurnId
    order: int


# ---- daemon to plane


class Hello(_Frame, frozen=True, tag="hello"):
    """First frame of a daemon's connection, and again until ``welcome`` comes.

    Answered by ``welcome``. ``instance`` is the process: the same one is its own rotation. ``outbox`` is the SQLite
    file. ``seq`` counts the hellos that the process has said, from 1: one that comes later than its successor changes
    nothing and is not answered. A repeat on the same connection with the same outbox changes nothing either; another
    outbox counts as a new attachment.
    """

    runtime_id: RuntimeId
    instance: Annotated[str, Meta(max_length=MAX_ID_CHARS)]
    seq: int
    outbox: Annotated[OutboxId, Meta(max_length=MAX_ID_CHARS)]
    protocol: int = PROTOCOL_VERSION
    version: str = ""
    hostname: str = ""
    os: str = ""
    agents: tuple[AgentReport, ...] = ()
    local_skills: dict[str, tuple[LocalSkill, ...]] = field(default_factory=dict)


class Ping(_Frame, frozen=True, tag="ping"):
    """Daemon, at once after ``welcome`` and every ``PING_S``: renews the lease.

    Answered by ``pong``, and by everything that the plane owes.
    ``active`` names the turns whose child lives and has put something out since the last ping or has a tool call open,
    and those that wait for a place.
    ``turns`` are all that are open on this machine: one that the plane has given up is answered ``session.cancel``.
    """

    runtime_id: RuntimeId
    active: tuple[TurnId, ...] = ()
    turns: tuple[OpenTurn, ...] = ()


class SessionEvent(_Frame, frozen=True, tag="session.event"):
    """A batch of whole events. ``(outbox, batch)`` numbers it per session, from 1 without gaps.

    Answered by ``session.ack`` (or ``session.dispose`` for a deleted session). A resend is byte-identical in ``events``
    (an array of ``DaemonEvent``); a repeat is acknowledged again and changes nothing. ``live_from`` is the lowest delta
    counter of an event that is still being written after this batch.
    """

    runtime_id: RuntimeId
    session_id: SessionId
    outbox: OutboxId
    batch: int
    events: Raw
    live_from: int = 0


class SessionDelta(_Frame, frozen=True, tag="session.delta"):
    """A piece of the event ``event_id``, which is still being written: ``text`` belongs at character ``offset``.

    Never answered, never resent; the whole event replaces it. Pieces may overlap, arrive twice or in any order.
    """

    runtime_id: RuntimeId
    session_id: SessionId
    turn_id: TurnId
    counter: int
    event_id: EventId
    event_type: Literal["agent.message", "agent.thinking"]
    offset: int
    text: str


class SessionAccepted(_Frame, frozen=True, tag="session.accepted"):
    """The daemon has the turn on disk. A repeat changes nothing."""

    runtime_id: RuntimeId
    session_id: SessionId
    turn_id: TurnId


class SessionDisposed(_Frame, frozen=True, tag="session.disposed"):
    """The session's child is dead and its folder gone. A repeat changes nothing."""

    runtime_id: RuntimeId
    session_id: SessionId


class RuntimeSleep(_Frame, frozen=True, tag="runtime.sleep"):
    """The laptop goes to sleep: until its next hello it counts as asleep.

    Answered by the connection's close. From a connection that is not the runtime's own it changes nothing.
    """

    runtime_id: RuntimeId


# ---- plane to daemon


class Welcome(_Frame, frozen=True, tag="welcome"):
    """Answers ``hello``: this connection is now the runtime's own, under ``epoch``."""

    runtime_id: RuntimeId
    epoch: int
    protocol: int = PROTOCOL_VERSION
    ping_s: float = PING_S
    now: float = 0.0


class Pong(_Frame, frozen=True, tag="pong"):
    """Answers ``ping``."""

    now: float = 0.0


class SessionPrompt(_Frame, frozen=True, tag="session.prompt"):
    """Run a turn. Answered by ``session.accepted``; a repeat is answered again and never run twice.

    ``order`` counts the session's turns: a higher one first stops what still runs. ``agent_id`` is the ACP agent's.
    ``content`` is absent when it does not fit a frame, or is more than text: fetch it from
    ``/agents/runtime/sessions/{id}/turns/{turn_id}``.
    ``window_ms`` and ``as_of`` are those of ``session.watch``.
    """

    session_id: SessionId
    turn_id: TurnId
    order: int
    agent_id: str
    content: tuple[Block, ...] | None = None
    window_ms: int | None = None
    as_of: float = 0.0


class SessionCancel(_Frame, frozen=True, tag="session.cancel"):
    """Stop the turn, and any older one still running. Sent again until the turn's end is in the log.

    A turn that the daemon does not know is journalled as cancelled, and never run if its prompt comes later.
    """

    session_id: SessionId
    turn_id: TurnId
    order: int


class SessionDispose(_Frame, frozen=True, tag="session.dispose"):
    """Kill the session's child, remove its folder, leave a tombstone. Answered by ``session.disposed``, each time."""

    session_id: SessionId


class SessionAck(_Frame, frozen=True, tag="session.ack"):
    """Everything up to ``batch`` of ``outbox`` is in the log.

    ``verdict`` other than ``ok``: the daemon's numbers can't be trusted; it takes a new outbox id, renumbers what is
    not acknowledged and says ``hello`` again. ``gap``: a batch beyond the next one; ``conflict``: the same number,
    other content; ``renew``: an outbox that the session no longer follows. ``head_n`` and ``head_hash`` are the newest
    record as far as this answer knows it; the daemon keeps them, which makes a cut tail visible.
    """

    session_id: SessionId
    outbox: OutboxId
    batch: int
    verdict: Literal["ok", "gap", "conflict", "renew"] = "ok"
    head_n: int = 0
    head_hash: str = ""
    window_ms: int | None = None
    as_of: float = 0.0


class SessionWatch(_Frame, frozen=True, tag="session.watch"):
    """Send deltas every ``window_ms``, or none when it is null. The newest ``as_of`` (plane's epoch seconds) counts."""

    session_id: SessionId
    window_ms: int | None
    as_of: float


class PermissionVerdict(_Frame, frozen=True, tag="permission.verdict"):
    """A person's answer to the question ``tool_use_id``, good for exactly ``call_hash``. Sent again until settled.

    A repeat, or one for a question that is gone, changes nothing.
    """

    session_id: SessionId
    turn_id: TurnId
    tool_use_id: EventId
    result: Literal["allow", "deny"]
    call_hash: str | None = None
    deny_message: str | None = None


class Replaced(_Frame, frozen=True, tag="replaced"):
    """Another connection is the runtime's own now.

    The same ``instance`` is the daemon's own rotation; any other one means that a second daemon took over, and this one
    stops for good.
    """

    instance: str = ""


# ---- viewer to plane


class Attach(_Frame, frozen=True, tag="attach"):
    """Follow a session. ``after`` is a cursor (``"n.i"``); absent = live from now, ``"0"`` = everything.

    Answered by ``attached``, then the ``record`` frames after the cursor, then live ones. A repeat (after a gap) reads
    again from its cursor.
    """

    session_id: SessionId
    after: str | None = None
    deltas: bool = True
    include: tuple[str, ...] = ()


class Detach(_Frame, frozen=True, tag="detach"):
    """Follow no longer. Not answered."""

    session_id: SessionId


class ViewerPing(_Frame, frozen=True, tag="ping"):
    """A viewer's heartbeat. Answered by its ``pong`` with the head number, so that a lost last push is noticed."""

    session_id: SessionId | None = None


# ---- plane to viewer


class Attached(_Frame, frozen=True, tag="attached"):
    """The attachment stands. ``head`` is the newest record's number; ``online`` whether the laptop is."""

    session_id: SessionId
    head: int
    status: str
    online: bool


class RecordFrame(_Frame, frozen=True, tag="record"):
    """One record: its number and its visible events, each ``{"cursor", "event"}`` with the event in the API's shape.

    Every record is sent, visible events or not, so that a missing number is a gap to be read again from the cursor.
    An event that does not fit carries ``"truncated": true`` instead of content: fetch it from
    ``/v1/sessions/{id}/events/{event_id}``. ``part`` of ``parts``: a record too large for one frame comes in several.
    """

    session_id: SessionId
    n: int
    events: tuple[dict[str, Any], ...] = ()
    part: int = 1
    parts: int = 1


class DeltaFrame(_Frame, frozen=True, tag="delta"):
    """A piece of an event still being written; drop it once the whole event ``event_id`` was seen."""

    session_id: SessionId
    turn_id: TurnId
    event_id: EventId
    event_type: str
    offset: int
    text: str


class ViewerPong(_Frame, frozen=True, tag="pong"):
    """Answers a viewer's ``ping``: the session's newest record, or null when no session was named."""

    session_id: SessionId | None = None
    head: int | None = None


# ---- plane to either


class ErrorFrame(_Frame, frozen=True, tag="error"):
    """A frame was refused. ``code`` is stable; ``of`` is the refused frame's type where it could be read."""

    code: str
    message: str
    of: str | None = None
    session_id: str | None = None


DaemonUp = Hello | Ping | SessionEvent | SessionDelta | SessionAccepted | SessionDisposed | RuntimeSleep
DaemonDown = (
    Welcome
    | Pong
    | SessionPrompt
    | SessionCancel
    | SessionDispose
    | SessionAck
    | SessionWatch
    | PermissionVerdict
    | Replaced
    | ErrorFrame
)
ViewerUp = Attach | Detach | ViewerPing
ViewerDown = Attached | RecordFrame | DeltaFrame | ViewerPong | ErrorFrame
