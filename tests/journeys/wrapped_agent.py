"""An agent behind a wrapper, as many that are installed by npm are, which stands still where it is told to.

The wrapper starts this file again as the agent, with its own standard input and output, and ends as it ends. What it
does in a turn its prompt says:

=============  ====================================================================================
``quiet``      stands still before it has said anything
``speaking``   says "speaking" and stands still
``calling``    begins a tool call and stands still
``asking``     begins a tool call, asks for permission and stands still
``ask N``      begins N tool calls, asks for permission for all of them at once, and says which it was given
``done``       says "done" and stands still before it has answered the prompt
``held``       says "holding", waits for a file ``release`` in its folder, and answers
``odd``        writes lines that are no messages between two pieces of what it says
``line N``     writes one line of N bytes: a tool's result of so many letters
``endless``    writes a line that does not end
``chunks N``   says N pieces in a row
``noise N``    writes N bytes to standard error
=============  ====================================================================================

Anything else it repeats. The file that ``HOLD`` names may make it stand still before a turn: when it is started
(``spawned``) or asked for a session (``opening``). In its folder are its own pid and the wrapper's, a line for each
start (``starts``), and the name of the step at which it stands still (``at``).

Standing still it heeds the end of its input, and SIGTERM; with ``DEAF`` set it heeds neither.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ODD_LINES = ("[1,2]", "7", '"text"', "null", "true", "no JSON", '{"half": ', "")

_CAPABILITIES: dict[str, Any] = {"sessionCapabilities": {"resume": {}}}
_OPTIONS = [
    {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


def main() -> int:
    """Wraps, or is wrapped. Returns the exit status."""
    if sys.argv[1:] == ["agent"]:
        return serve()
    status = subprocess.Popen([sys.executable, "-S", __file__, "agent"]).wait()
    return status if status >= 0 else 128 - status


def serve() -> int:
    """Answers requests until the input ends."""
    if "DEAF" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Path("starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.getppid()}\n")
    print("The scripted agent is here.", file=sys.stderr, flush=True)
    hold_here("spawned")
    for line in sys.stdin:
        answer(json.loads(line))
    return over()


def answer(message: dict[str, Any]) -> None:
    """Answers a request; what is none, such as a cancel, is passed over."""
    match message.get("method"):
        case "initialize":
            reply(message, protocolVersion=1, agentCapabilities=_CAPABILITIES)
        case "session/new":
            hold_here("opening")
            reply(message, sessionId="s1")
        case "session/resume":
            reply(message)
        case "session/prompt":
            word, _, number = message["params"]["prompt"][0]["text"].partition(" ")
            if act := ACTS.get(word):
                act(int(number or 0))
            else:
                say(f"{word} {number}".strip())
            reply(message, stopReason="end_turn")


def hold_here(step: str) -> None:
    """Stands still if that is wanted at this step."""
    hold = Path(os.environ["HOLD"])
    if hold.exists() and hold.read_text() == step:
        stand_still(step)


def stand_still(step: str) -> NoReturn:
    """Says where it is, and goes on to nothing more."""
    fresh = Path(f"at.{os.getpid()}")
    fresh.write_text(step)
    fresh.rename("at")
    for _ in sys.stdin:
        pass
    sys.exit(over())


def over() -> int:
    """The input has ended."""
    while "DEAF" in os.environ:
        signal.pause()
    return 0


def held() -> None:
    """Waits to be released."""
    say("holding")
    while not Path("release").exists():
        time.sleep(0.01)


def call(asks: bool) -> NoReturn:
    """Begins a tool call."""
    tool = {"toolCallId": "call", "title": "write", "rawInput": {"path": "a"}}
    update(sessionUpdate="tool_call", **tool, kind="edit", status="pending")
    if asks:
        question = {"sessionId": "s1", "toolCall": tool, "options": _OPTIONS}
        send(id="ask", method="session/request_permission", params=question)
        stand_still("asking")
    say("calling")
    stand_still("calling")


def ask(count: int) -> None:
    """Asks about many calls before it listens to an answer."""
    calls = [str(number) for number in range(count)]
    for name in calls:
        tool = {"toolCallId": name, "title": "write", "rawInput": {"path": name}}
        update(sessionUpdate="tool_call", **tool, kind="edit", status="pending")
        question = {"sessionId": "s1", "toolCall": tool, "options": _OPTIONS}
        send(id=name, method="session/request_permission", params=question)
    given = [json.loads(sys.stdin.readline()) for _ in calls]
    allowed = {one["id"] for one in given if one["result"]["outcome"].get("optionId") == "yes"}
    for name in calls:
        update(sessionUpdate="tool_call_update", toolCallId=name, status="completed" if name in allowed else "failed")
    say(" ".join(sorted(allowed, key=int)))


def speak(text: str) -> NoReturn:
    """Says something and stands still."""
    say(text)
    stand_still(text)


def odd() -> None:
    """Says something in two pieces, with what is no message between them."""
    say("before ")
    for line in ODD_LINES:
        print(line)
    say("after")


def line(size: int) -> None:
    """Runs a tool with a long result."""
    result = {"type": "content", "content": {"type": "text", "text": "x" * size}}
    update(sessionUpdate="tool_call", toolCallId="long", title="read", status="completed", content=[result])


def endless() -> NoReturn:
    """Writes until nobody reads."""
    while True:
        os.write(1, b"x" * 65536)


def chunks(count: int) -> None:
    """Says numbers, each in a piece of its own."""
    for number in range(count):
        say(f"{number} ")


def noise(size: int) -> None:
    """Writes to standard error, and says when all of it is written."""
    sys.stderr.write("e" * size)
    sys.stderr.flush()
    say("written")


ACTS: dict[str, Callable[[int], None]] = {
    "quiet": lambda _: stand_still("quiet"),
    "speaking": lambda _: speak("speaking"),
    "calling": lambda _: call(asks=False),
    "asking": lambda _: call(asks=True),
    "ask": ask,
    "done": lambda _: speak("done"),
    "held": lambda _: held(),
    "odd": lambda _: odd(),
    "line": line,
    "endless": lambda _: endless(),
    "chunks": chunks,
    "noise": noise,
}


def say(text: str) -> None:
    """Says a piece of a message."""
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})


def update(**fields: Any) -> None:
    """Tells what happens in the turn."""
    send(method="session/update", params={"sessionId": "s1", "update": fields})


def reply(message: dict[str, Any], **result: Any) -> None:
    """Answers a request."""
    send(id=message["id"], result=result)


def send(**message: Any) -> None:
    """Writes a message."""
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
