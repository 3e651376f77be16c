"""The words that drive the echo agent. A line that begins with one of them is a command; all else is plain text.

====================  ==========================================================================================
``/think T``          thinks T
``/tool NAME JSON``   calls a tool that answers with its input
``/ask NAME JSON``    asks for permission first, then does as ``/tool``, or says that it was denied
``/slow SECONDS N``   says N pieces over SECONDS; can be cancelled
``/hold``             says "holding" and waits until cancelled, or until a file ``release`` is in the folder
``/fail MESSAGE``     fails the turn with an error of that message
``/crash CODE``       ends the process with that status, at once
``/count``            says how many prompts this session has seen, this one included
``/history``          says the prompts before this one, one in a line
``/big N``            says N bytes in one piece
``/chunks N``         says N pieces
``/stderr N``         writes N bytes to standard error
``/badline``          prints a line of JSON that is no message
``/env NAME``         says whether a variable is set
``/system``           says the head of AGENTS.md in the folder
====================  ==========================================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_WITHOUT: Final = frozenset(("hold", "count", "history", "badline", "system"))
_WITH_TEXT: Final = frozenset(("think", "fail", "env"))
_WITH_NUMBER: Final = frozenset(("crash", "big", "chunks", "stderr"))
_WITH_TOOL: Final = frozenset(("tool", "ask"))


@dataclass(frozen=True)
class Command:
    """One thing to do.

    Attributes:
        name: the command's word without the slash; ``say`` for plain text.
        text: its text, or the tool's name.
        number: its count, size or status.
        seconds: how long it takes.
        arguments: the tool's input.
    """

    name: str
    text: str = ""
    number: int = 0
    seconds: float = 0.0
    arguments: dict[str, Any] | None = None


def parse(prompt: str) -> list[Command]:
    """Returns what a prompt asks for, in its order; neighbouring lines of plain text are one ``say``.

    What looks like a command but is none, or has the wrong arguments, is plain text.
    """
    commands: list[Command] = []
    plain: list[str] = []
    for line in prompt.splitlines():
        command = _command(line.strip())
        if command is None:
            plain.append(line)
            continue
        commands += _say(plain)
        plain = []
        commands.append(command)
    return commands + _say(plain)


def _say(lines: list[str]) -> list[Command]:
    text = "\n".join(lines).strip()
    return [Command("say", text)] if text else []


def _command(line: str) -> Command | None:
    if not line.startswith("/"):
        return None
    name, _, rest = line[1:].partition(" ")
    rest = rest.strip()
    try:
        if name in _WITHOUT and not rest:
            return Command(name)
        if name in _WITH_TEXT and rest:
            return Command(name, rest)
        if name in _WITH_NUMBER:
            return Command(name, number=int(rest))
        if name == "slow":
            seconds, number = rest.split()
            return Command(name, number=int(number), seconds=float(seconds))
        if name in _WITH_TOOL and rest:
            return _tool(name, rest)
    except ValueError:
        return None
    return None


def _tool(name: str, rest: str) -> Command:
    tool, _, written = rest.partition(" ")
    arguments = json.loads(written) if written.strip() else {}
    if not isinstance(arguments, dict):
        raise ValueError("a tool's input is an object")
    return Command(name, tool, arguments=arguments)
