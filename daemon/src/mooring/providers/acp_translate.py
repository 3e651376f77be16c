"""From ACP's ``session/update`` to happenings: a machine over plain JSON, which believes no sequence of the agent's.

Agents differ in what they send for one tool call: a start and an end; an end alone; a start that is already the end;
the same start twice; updates without a status; nothing before a permission question. A call here is unknown, open or
ended:

- whatever names an unknown call opens it (``ToolStarted``);
- what changes an open one is told (``ToolUpdated``), repeats are not;
- ``completed`` or ``failed`` ends it (``ToolEnded``), as does the end of the turn;
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
from .acp_content import block_text, content_text, raw_input, raw_text, terminal_names, tool_name
from .manners import failure_in

ENDED_BY_TURN: Final = "The turn ended before this call gave a result."

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
        text: its content as shown last; None = none yet.
        terminal: pieces of what its terminal put out.
        terminal_length: characters in them.
    """

    call_id: str
    name: str
    kind: str = "other"
    title: str | None = None
    input: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    terminal: list[str] = field(default_factory=list)
    terminal_length: int = 0
    is_ended: bool = False


class Translator:
    """What has to be remembered of a conversation to tell its happenings; one for each child."""

    def __init__(self) -> None:
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
        return [_end(call, "".join(call.terminal) or call.text or ENDED_BY_TURN, True) for call in still_open]

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

        A status in it is not believed: what waits for a permission has not ended. Nor is its content anything that the
        call put out: it shows what is asked.

        Returns:
            What it means, and the call with all that is known of it.
        """
        call_id = str(tool_call.get("toolCallId"))
        known = {**tool_call, "toolCallId": call_id, "status": None, "content": None}
        happenings = self._tool_call(known, is_start=True)
        return happenings, self._calls[call_id]

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
        if shown := _show(call, update):
            happenings.append(shown)
        status = update.get("status")
        if status in _ENDS:
            happenings.append(_end(call, _result(call, update), status == "failed"))
        return happenings

    def _start(self, call_id: str, update: Mapping[str, Any]) -> list[Happening]:
        call = Call(call_id, tool_name(update), input=raw_input(update.get("rawInput")) or {})
        if isinstance(kind := update.get("kind"), str):
            call.kind = kind
        if isinstance(title := update.get("title"), str):
            call.title = title
        self._calls[call_id] = call
        return [ToolStarted(call_id=call_id, name=call.name, kind=call.kind, input=call.input, title=call.title)]

    def _unknown(self, kind: str) -> list[Happening]:
        if kind in self._unrecognised:
            return []
        self._unrecognised.add(kind)
        return [Noted("unrecognised_update", kind)]


def question_input(call: Call, tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a person decides on: the call's arguments, or if there are none, all that the agent shows of it."""
    if call.input:
        return call.input
    shown = {key: tool_call.get(key) for key in ("title", "content", "locations")}
    return {key: value for key, value in shown.items() if value}


def _change(call: Call, update: Mapping[str, Any]) -> list[Happening]:
    """Takes over what is new of an open call's kind, title and arguments. Its name stays."""
    kind, title, arguments = update.get("kind"), update.get("title"), raw_input(update.get("rawInput"))
    new_kind = kind if isinstance(kind, str) and kind != call.kind else None
    new_title = title if isinstance(title, str) and title != call.title else None
    # Some agents send empty arguments along with each change of status.
    new_input = arguments if arguments and arguments != call.input else None
    if new_kind is None and new_title is None and new_input is None:
        return []
    call.kind, call.title, call.input = new_kind or call.kind, new_title or call.title, new_input or call.input
    return [ToolUpdated(call_id=call.call_id, kind=new_kind, title=new_title, input=new_input)]


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
    said_last = content_text(content) or raw_text(update.get("rawOutput"))
    # An empty list takes back what was shown before, such as Gemini's preview of a command.
    shown = None if content == [] else call.text
    return said_last or "".join(call.terminal) or shown or terminal_names(content)


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
