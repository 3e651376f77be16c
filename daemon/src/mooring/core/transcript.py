"""The transcript of one turn: from what the agent does to the whole events that the log will hold.

Text of one kind in a row is one event; it is *open* until something else takes its place, or the turn ends. Usage,
notes and updates of calls do not take its place. A tool call is one ``agent.tool_use`` and one ``agent.tool_result``;
the use is held back at first, since its arguments and the question about it often come after its beginning. It is told
when the agent asks about it, when it ends or has begun and puts something out, and by ``release``, which the runner
calls when the agent has been silent for a while, so that a long call is seen while it runs; of an agent that asks
nobody, also when the agent speaks on. A call that is only announced, without any arguments, is not released.

Every question is told exactly once, as a use with ``ask``. Where the use was told already, since the agent took long to
ask, a second one carries the question, and the result answers to that one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, assert_never

from msgspec import Struct

from ..wire import codec
from ..wire import events as ev
from ..wire.ids import EventId, TurnId
from ..wire.limits import MAX_BATCH_BYTES, MAX_EVENT_BYTES
from . import happenings as hp
from .open_text import OpenText
from .shorten import MARK, clean, cut, fitting, head, json_bytes, plain

SPILL_BYTES: Final = MAX_BATCH_BYTES // 2
"""An event over this travels by HTTPS, so that it does not hold up the others of its batch."""

FIELD_BYTES: Final = MAX_EVENT_BYTES - 64 * 1024
"""The longest text or arguments in an event (bytes of JSON); the rest is for its other fields."""

ASKED_BYTES: Final = 32 * 1024
"""Arguments of a question: it stands in the log itself, where the plane reads it. ``call_hash`` covers all of them."""

NAME_BYTES: Final = 4 * 1024
"""Names, titles and messages of errors."""

_TYPES: Final[dict[str, Literal["agent.message", "agent.thinking"]]] = {
    "message": "agent.message",
    "thinking": "agent.thinking",
}


class _Call:
    """A tool call of this turn. ``event_id`` is None while its use is held back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.input: dict[str, Any] = {}
        self.title: str | None = None
        self.text = ""
        self.has_begun = False
        self.event_id: EventId | None = None
        self.asked_hash: str | None = None
        self.is_settled = True


class Transcript:
    """One turn's transcript. ``dice`` gives 32 fresh hex digits at each call.

    Attributes:
        open: the text that is still being written, or None.
        may_ask: whether a question may still come about a call that the agent has named.
    """

    def __init__(self, turn_id: TurnId, dice: Callable[[], str]) -> None:
        self.open: OpenText | None = None
        self.may_ask = False
        self._turn_id = turn_id
        self._dice = dice
        self._open_bytes = 0
        self._calls: dict[str, _Call] = {}
        self._over: set[str] = set()
        self._plan: tuple[dict[str, Any], ...] | None = None
        self._usage: dict[str, Any] = {}

    def hear(self, happening: hp.Happening) -> tuple[ev.DaemonEvent, ...]:
        """The events that are whole now, in order; ``open`` may have grown."""
        match happening:
            case hp.Said():
                return self._said(happening)
            case hp.ToolStarted():
                told = self._close()
                self._update(happening)
                return told
            case hp.ToolUpdated():
                if happening.call_id in self._over:
                    return ()
                call = self._update(happening)
                return self._told(call) if call.has_begun and happening.text is not None else ()
            case hp.ToolEnded():
                return self._close() + self._ended(happening)
            case hp.Asked():
                return self._close() + self._asked(happening)
            case hp.Settled():
                return self._settled(self._calls.get(happening.call_id), happening.outcome)
            case hp.Planned():
                return self._planned(happening)
            case hp.Used():
                self._usage |= happening.usage
                return ()
            case hp.ContextLost():
                return (self._note("context_lost", happening.reason),)
            case hp.Noted():
                return (self._note(happening.kind, happening.text),)
            case _:
                assert_never(happening)

    def release(self) -> tuple[ev.DaemonEvent, ...]:
        """Tells the uses that are held back, but for calls of which hardly anything is known yet."""
        known = [call for call in self._calls.values() if call.input or call.has_begun]
        return tuple(event for call in known for event in self._told(call))

    def question_id(self, call_id: str) -> EventId | None:
        """The event that carries the open question about the call, or None."""
        call = self._calls.get(call_id)
        return call.event_id if call and not call.is_settled else None

    def end(
        self,
        outcome: Literal["completed", "failed", "cancelled", "unknown"],
        stop_reason: str | None = None,
        error: ev.ErrorBody | None = None,
    ) -> tuple[ev.DaemonEvent, ...]:
        """The turn's last events: what was open, questions that fall away, usage, and its end."""
        told = [*self._close()]
        for call in self._calls.values():
            told += self._told(call) + self._settled(call, "cancelled")
        if self._usage:
            told.append(ev.Used(id=self._id(), turn_id=self._turn_id, usage=fitting(self._usage, ASKED_BYTES)))
        if error is not None:
            message = cut(clean(error.message), NAME_BYTES)
            error = ev.ErrorBody(type=error.type, message=message, retry_status=error.retry_status, code=error.code)
        reason = None if stop_reason is None else cut(clean(stop_reason), NAME_BYTES)
        end = ev.TurnEnded(id=self._id(), turn_id=self._turn_id, outcome=outcome, stop_reason=reason, error=error)
        return (*told, end)

    # ---- text

    def _said(self, said: hp.Said) -> tuple[ev.DaemonEvent, ...]:
        if not said.text:
            return ()
        told: tuple[ev.DaemonEvent, ...] = ()
        if self.open is None or self.open.event_type != _TYPES[said.kind]:
            told = self._close() + (() if self.may_ask else self.release())
            self.open = OpenText(self._id(), self._turn_id, _TYPES[said.kind])
            self._open_bytes = 0
        if self._open_bytes <= FIELD_BYTES:
            piece = clean(said.text)
            size = json_bytes(piece)
            if self._open_bytes + size > FIELD_BYTES:
                piece = head(piece, FIELD_BYTES - self._open_bytes) + MARK
                size = FIELD_BYTES + 1
            self._open_bytes += size
            self.open.add(piece)
        return told

    def _close(self) -> tuple[ev.DaemonEvent, ...]:
        text, self.open = self.open, None
        if text is None:
            return ()
        if text.event_type == "agent.thinking":
            return (ev.AgentThinking(id=text.event_id, turn_id=self._turn_id, text=text.text()),)
        return (ev.AgentMessage(id=text.event_id, turn_id=self._turn_id, content=(ev.TextBlock(text.text()),)),)

    # ---- tool calls

    def _update(self, update: hp.ToolStarted | hp.ToolUpdated | hp.Asked) -> _Call:
        call = self._calls.get(update.call_id)
        if call is None:
            call = self._calls[update.call_id] = _Call(update.name or update.kind or "tool")
        call.name = update.name or call.name
        if update.input:
            call.input = update.input
        if update.title is not None:
            call.title = update.title
        match update:
            case hp.ToolStarted():
                call.has_begun = update.has_begun
            case hp.ToolUpdated():
                call.text = call.text if update.text is None else update.text
                call.has_begun = call.has_begun if update.has_begun is None else update.has_begun
        return call

    def _told(self, call: _Call) -> tuple[ev.DaemonEvent, ...]:
        return (self._use(call, FIELD_BYTES),) if call.event_id is None else ()

    def _use(
        self, call: _Call, max_bytes: int, permission: Literal["allow", "ask"] = "allow", call_hash: str | None = None
    ) -> ev.AgentToolUse:
        call.event_id = self._id()
        return ev.AgentToolUse(
            id=call.event_id,
            turn_id=self._turn_id,
            name=cut(clean(call.name), NAME_BYTES),
            input=fitting(call.input, max_bytes),
            evaluated_permission=permission,
            call_hash=call_hash,
            title=None if call.title is None else cut(clean(call.title), NAME_BYTES),
        )

    def _asked(self, asked: hp.Asked) -> tuple[ev.DaemonEvent, ...]:
        call = self._update(asked)
        if call.asked_hash == asked.call_hash:
            return ()
        fallen = self._settled(call, "cancelled")
        call.asked_hash, call.is_settled = asked.call_hash, False
        return (*fallen, self._use(call, ASKED_BYTES, "ask", asked.call_hash))

    def _settled(
        self, call: _Call | None, outcome: Literal["allow", "deny", "cancelled", "expired"]
    ) -> tuple[ev.DaemonEvent, ...]:
        if call is None or call.event_id is None or call.is_settled:
            return ()
        call.is_settled = True
        settled = ev.PermissionSettled(id=self._id(), turn_id=self._turn_id, tool_use_id=call.event_id, outcome=outcome)
        return (settled,)

    def _ended(self, ended: hp.ToolEnded) -> tuple[ev.DaemonEvent, ...]:
        call = self._calls.pop(ended.call_id, None)
        if call is None:
            if ended.call_id in self._over:
                return ()
            call = _Call("tool")
        self._over.add(ended.call_id)
        told = self._told(call) + self._settled(call, "cancelled")
        assert call.event_id is not None
        text = cut(clean(call.text if ended.text is None else ended.text), FIELD_BYTES)
        result = ev.AgentToolResult(
            id=self._id(),
            turn_id=self._turn_id,
            tool_use_id=call.event_id,
            content=(ev.TextBlock(text),) if text else (),
            is_error=ended.is_error,
        )
        return (*told, result)

    # ---- the rest

    def _planned(self, planned: hp.Planned) -> tuple[ev.DaemonEvent, ...]:
        if planned.entries == self._plan:
            return ()
        self._plan = planned.entries
        entries = tuple(plain(entry) for entry in planned.entries)
        if json_bytes(entries) > FIELD_BYTES:
            entries = (fitting({"entries": list(entries)}, FIELD_BYTES),)
        return (*self._close(), ev.Planned(id=self._id(), turn_id=self._turn_id, entries=entries))

    def _note(self, kind: str, text: str) -> ev.Noted:
        return ev.Noted(id=self._id(), turn_id=self._turn_id, kind=kind, text=cut(clean(text), NAME_BYTES))

    def _id(self) -> EventId:
        return EventId(f"sevt_{self._dice()[:24]}")


class Spill(Struct, frozen=True):
    """A large event: ``body`` is uploaded first, then ``stand_in`` goes into the outbox in its place."""

    stand_in: ev.Spilled
    body: bytes


def spill(event: ev.DaemonEvent) -> Spill | None:
    """How ``event`` must travel if it is too large for a batch, else None.

    What the plane must read to go on (questions, their ends, the turn's end) is never that large.
    """
    body = codec.encode(event)
    if len(body) <= SPILL_BYTES:
        return None
    turn_id: TurnId | None = getattr(event, "turn_id", None)
    of = str(event.__struct_config__.tag)
    return Spill(ev.Spilled(id=event.id, of=of, n_bytes=len(body), sha256=codec.digest(body), turn_id=turn_id), body)
