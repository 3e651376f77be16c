"""Happenings: what an agent does during a turn, as a provider tells it, before it becomes events of the wire.

A provider translates its agent's own protocol into these and nothing else; ``core/transcript.py`` turns them into whole
events. ``call_id`` is the agent's own name for a tool call, good within one turn.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class Said(Struct, frozen=True):
    """A piece of what the agent says or thinks; pieces of one kind in a row are one event."""

    kind: Literal["message", "thinking"]
    text: str


class ToolStarted(Struct, frozen=True, kw_only=True):
    """The agent calls a tool. Told again for a known ``call_id``, it counts as ``ToolUpdated``.

    ``has_begun`` False: it is only announced; its arguments may still be written, or it waits to be allowed.
    """

    call_id: str
    name: str
    kind: str = "other"
    input: dict[str, Any] = {}
    title: str | None = None
    has_begun: bool = True


class ToolUpdated(Struct, frozen=True, kw_only=True):
    """More became known of a call; None = unchanged. It may name a call that was never started."""

    call_id: str
    name: str | None = None
    kind: str | None = None
    input: dict[str, Any] | None = None
    title: str | None = None
    text: str | None = None
    has_begun: bool | None = None


class ToolEnded(Struct, frozen=True, kw_only=True):
    """A call gave its result; ``text`` None = what the last update said."""

    call_id: str
    text: str | None = None
    is_error: bool = False


class Asked(Struct, frozen=True, kw_only=True):
    """The call waits for a person's verdict on exactly ``call_hash`` (tool, arguments, folder)."""

    call_id: str
    name: str
    kind: str = "other"
    input: dict[str, Any] = {}
    title: str | None = None
    call_hash: str


class Settled(Struct, frozen=True, kw_only=True):
    """The question about the call is settled."""

    call_id: str
    outcome: Literal["allow", "deny", "cancelled", "expired"]


class Planned(Struct, frozen=True):
    """The agent's plan as it stands now, whole."""

    entries: tuple[dict[str, Any], ...]


class Used(Struct, frozen=True):
    """What the agent says it has used, as far as it tells."""

    usage: dict[str, Any]


class ContextLost(Struct, frozen=True):
    """The agent could not resume: it begins this turn without what was said before."""

    reason: str


class Noted(Struct, frozen=True):
    """Something of note without a field of its own; ``kind`` is stable snake_case."""

    kind: str
    text: str = ""


Happening = Said | ToolStarted | ToolUpdated | ToolEnded | Asked | Settled | Planned | Used | ContextLost | Noted
