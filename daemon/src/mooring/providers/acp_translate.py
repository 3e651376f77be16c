"""From ACP's ``session/update`` to happenings: a machine over plain JSON, which believes no sequence of the agent's.

Agents differ in what they send for one tool call: a start and an end; an end alone; a start that is already the end;
the same start twice; updates without a status; nothing before a permission question. A call here is unknown, open or
ended:

- whatever names an unknown call opens it (``ToolStarted``);
- what changes an open one is told (``ToolUpdated``), repeats are not;
- ``completed`` or ``failed`` ends it (``ToolEnded``), as does the end of the turn;
- the changes of files that it shows before are its result only if it completes: until then they are what it would do;
- an ended one is silent, also in the next turn until a ``tool_call`` uses its id anew.

Updates are read as JSON and not through the library's models, because those refuse a whole update for one value that
they do not know.
Source: ACP protocol version 1, "Prompt turn" and "Tool calls".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..core.happenings import Happening, Noted, Planned, Said, ToolEnded, ToolStarted, ToolUpdated, Used
from .acp_content import block_text, content_diff, content_text, raw_input, raw_text, terminal_names, tool_name
from .manners import failure_in
from .tools import told_name

ENDED_BY_TURN: Final = "The turn ended before this call gave a result."
DENIED: Final = "This call was denied."

MAX_SHOWN: Final = 16_000
"""Characters of a call's text told while it runs: each update tells the whole anew. A longer one comes with the end."""

_ENDS: Final = ("completed", "failed")

_IGNORED: Final = frozenset(
    # The user's own words come back; menus and settings change: nothing that the agent does.
    ("user_message_chunk", "available_commands_update", "config_option_update", "plan_update", "plan_removed")
)


@dataclass
class Call:
    """What is known of one tool call.

    Attributes:
        told: the name of its tool, where the agent tells that on purpose.
        announced: the title with which it was announced before there was anything to put into it, or None.
        has_begun: whether it is more than announced.
        shown: the newest of what it shows, by ACP's fields ``content`` and ``locations``.
        diff: the changes of files that it has shown last, in unified form; None = none yet.
        text: what else its content has shown last; None = nothing yet.
        terminal: pieces of what its terminal put out.
        terminal_length: characters in them.
        is_denied: whether a person, or nobody in time, has denied it.
    """

    call_id: str
    name: str
    kind: str = "other"
    title: str | None = None
    input: dict[str, Any] = field(default_factory=dict)
    told: str | None = None
    announced: str | None = None
    has_begun: bool = True
    shown: dict[str, Any] = field(default_factory=dict)
    diff: str | None = None
    text: str | None = None
    terminal: list[str] = field(default_factory=list)
    terminal_length: int = 0
    is_denied: bool = False
    is_ended: bool = False


class Translator:
    """What has to be remembered of a conversation to tell its happenings; one for each child.

    Args:
        agent_id: whose, canonical; some agents tell more than ACP has fields for.
    """

    def __init__(self, agent_id: str = "") -> None:
        self._agent_id = agent_id
        self._calls: dict[str, Call] = {}
        self._late: set[str] = set()
        self._unrecognised: set[str] = set()

    @property
    def open_calls(self) -> int:
        """How many tool calls have begun and not ended."""
        return sum(not call.is_ended for call in self._calls.values())

    def begin_turn(self) -> None:
        """Forgets the calls of the turn before, but for their ids, by which late updates of them are known."""
        self._late = set(self._calls)
        self._calls = {}

    def end_turn(self) -> list[Happening]:
        """Ends the calls that the agent left open."""
        still_open = [call for call in self._calls.values() if not call.is_ended]
        return [_end(call, "".join(call.terminal) or call.text or _why_none(call), True) for call in still_open]

    def update(self, update: object) -> list[Happening]:
        """Returns what an update means, be it the update itself or the notification's params around it."""
        if not isinstance(update, Mapping):
            return []
        inner = update.get("update")
        if "sessionUpdate" not in update and isinstance(inner, Mapping):
            update = inner
        kind = update.get("sessionUpdate")
        match kind:
            case "agent_message_chunk":
                return _said("message", update)
            case "agent_thought_chunk":
                return _said("thinking", update)
            case "tool_call" | "tool_call_update":
                return self._tool_call(update, is_start=kind == "tool_call")
            case "plan":
                return _planned(update)
            case "usage_update":
                return _used(update)
            case "current_mode_update":
                return _noted("mode", update.get("currentModeId"))
            case "session_info_update":
                return [*_noted("session_title", update.get("title")), *_warned(update.get("_meta"))]
            case str() if kind in _IGNORED:
                return []
            case _:
                return self._unknown(str(kind))

    def asked(self, tool_call: Mapping[str, Any]) -> tuple[list[Happening], Call]:
        """Takes the call that a permission question is about, which may be the first that is heard of it.

        A status in it is not believed: what waits for a permission has not ended. Nor is text in its content anything
        that the call put out: it shows what is asked.

        Returns:
            What it means, and the call with all that is known of it.
        """
        call_id = str(tool_call.get("toolCallId"))
        known = {**tool_call, "toolCallId": call_id, "status": None, "content": None}
        happenings = self._tool_call(known, is_start=True)
        call = self._calls[call_id]
        _remember(call, tool_call)
        return happenings, call

    def _tool_call(self, update: Mapping[str, Any], *, is_start: bool) -> list[Happening]:
        call_id = update.get("toolCallId")
        if not isinstance(call_id, str) or not call_id:
            return []
        call = self._calls.get(call_id)
        if call is None:
            if call_id in self._late and not is_start:
                return []
            self._late.discard(call_id)
            happenings = self._start(call_id, update)
        elif call.is_ended:
            return []
        else:
            happenings = _change(call, update)
        call = self._calls[call_id]
        _remember(call, update)
        if shown := _show(call, update):
            happenings.append(shown)
        status = update.get("status")
        if status in _ENDS:
            happenings.append(_end(call, _result(call, update), status == "failed"))
        return happenings

    def _start(self, call_id: str, update: Mapping[str, Any]) -> list[Happening]:
        told = told_name(self._agent_id, update)
        call = Call(call_id, told or tool_name(update), input=raw_input(update.get("rawInput")) or {}, told=told)
        if isinstance(kind := update.get("kind"), str):
            call.kind = kind
        if isinstance(title := update.get("title"), str):
            call.title = title
        if update.get("status") == "pending":
            call.has_begun, call.announced = False, call.title
        self._calls[call_id] = call
        return [
            ToolStarted(
                call_id=call_id,
                name=call.name,
                kind=call.kind,
                input=call.input,
                title=call.title,
                has_begun=call.has_begun,
            )
        ]

    def _unknown(self, kind: str) -> list[Happening]:
        if kind in self._unrecognised:
            return []
        self._unrecognised.add(kind)
        return [Noted("unrecognised_update", kind)]


def question_input(call: Call, tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a person decides on: the call's arguments, or if there are none, all that the agent shows of it.

    Codex shows the changes of files when it begins a call, and names only the files when it asks.
    """
    if call.input:
        return call.input
    shown = {"title": tool_call.get("title"), **call.shown}
    return {key: value for key, value in shown.items() if value}


def _change(call: Call, update: Mapping[str, Any]) -> list[Happening]:
    """Takes over what is new of an open call's kind, title and arguments. Its name stays."""
    kind, title, arguments = update.get("kind"), update.get("title"), raw_input(update.get("rawInput"))
    new_kind = kind if isinstance(kind, str) and kind != call.kind else None
    new_title = title if isinstance(title, str) and title != call.title else None
    # Some agents send empty arguments along with each change of status.
    new_input = arguments if arguments and arguments != call.input else None
    begins = True if update.get("status") == "in_progress" and not call.has_begun else None
    if new_kind is None and new_title is None and new_input is None and begins is None:
        return []
    call.kind, call.title, call.input = new_kind or call.kind, new_title or call.title, new_input or call.input
    call.has_begun = call.has_begun or begins is True
    return [ToolUpdated(call_id=call.call_id, kind=new_kind, title=new_title, input=new_input, has_begun=begins)]


def _remember(call: Call, update: Mapping[str, Any]) -> None:
    """Keeps what is shown of a call, for a question about it and for its result."""
    call.shown |= {key: update[key] for key in ("content", "locations") if update.get(key)}
    call.diff = content_diff(update.get("content")) or call.diff


def _show(call: Call, update: Mapping[str, Any]) -> ToolUpdated | None:
    """Takes over what an open call shows so far, from its content or from a terminal of the agent's own."""
    _hear_terminal(call, update.get("_meta"))
    text = content_text(update.get("content"))
    if not text and call.terminal_length <= MAX_SHOWN:
        text = "".join(call.terminal)
    if not text or text == call.text:
        return None
    call.text = text
    if update.get("status") in _ENDS or len(text) > MAX_SHOWN:
        return None
    return ToolUpdated(call_id=call.call_id, text=text)


def _hear_terminal(call: Call, meta: object) -> None:
    """Takes a terminal's output, which agents with a terminal of their own send in ``_meta``: in pieces, or whole."""
    if not isinstance(meta, Mapping):
        return
    piece, whole = meta.get("terminal_output_delta"), meta.get("terminal_output")
    if isinstance(piece, Mapping) and isinstance(data := piece.get("data"), str):
        call.terminal.append(data)
        call.terminal_length += len(data)
    elif isinstance(whole, Mapping) and isinstance(data := whole.get("data"), str):
        call.terminal, call.terminal_length = [data], len(data)


def _result(call: Call, update: Mapping[str, Any]) -> str:
    content = update.get("content")
    said_last = content_text(content) or raw_text(update.get("rawOutput")) or "".join(call.terminal)
    # An empty list takes back what was shown before, such as Gemini's preview of a command.
    said = said_last or (None if content == [] else call.text)
    if update.get("status") == "failed":
        return said or terminal_names(content) or (DENIED if call.is_denied else "")
    diff = None if content == [] else call.diff
    return "\n".join(part for part in (said, diff) if part) or terminal_names(content)


def _why_none(call: Call) -> str:
    return DENIED if call.is_denied else ENDED_BY_TURN


def _end(call: Call, text: str, is_error: bool) -> ToolEnded:
    call.is_ended = True
    return ToolEnded(call_id=call.call_id, text=text, is_error=is_error)


def _said(kind: Literal["message", "thinking"], update: Mapping[str, Any]) -> list[Happening]:
    text = block_text(update.get("content"))
    return [Said(kind, text)] if text else []


def _planned(update: Mapping[str, Any]) -> list[Happening]:
    entries = update.get("entries")
    if not isinstance(entries, list):
        return []
    keys = ("content", "priority", "status")
    return [Planned(tuple({key: entry.get(key) for key in keys} for entry in entries if isinstance(entry, Mapping)))]


def _used(update: Mapping[str, Any]) -> list[Happening]:
    """Names ACP's two bare numbers: tokens in the context, and how many fit."""
    named = {"context_used": update.get("used"), "context_size": update.get("size"), "cost": update.get("cost")}
    usage = {key: value for key, value in named.items() if value is not None}
    return [Used(usage)] if usage else []


def _warned(meta: object) -> list[Happening]:
    """A warning, such as that the model is asked once more; the failure of a turn is told by its end."""
    failure = failure_in(meta)
    return _noted("agent_warning", failure.get("title")) if failure and failure.get("severity") == "warning" else []


def _noted(kind: str, text: object) -> list[Happening]:
    return [Noted(kind, text)] if isinstance(text, str) and text else []
