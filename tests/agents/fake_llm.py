"""A language model that is none: it speaks the agents' APIs on loopback and answers by the words of the last prompt.

====================  ==================================================================================
prompt                answer
====================  ==================================================================================
``What is 2+2?``      ``Four.`` in pieces
``run: CMD``          a call of the shell tool that the request offers; after its result ``Done: …``
``how many prompts``  how many of these prompts the request holds, this one included
``slow``              a long stream, which ends when its client goes away
``think about IT``    a thought, and then ``Thought.``
``create FILE``       a call of the tool that writes a file; after its result ``Done: …``
``change FILE``       calls of the tools that read a file and change ``two`` into ``2`` in it; then ``Done: …``
``note WORD``         a call of the tool of the MCP server in ``notes_server``; after its result ``Done: …``
``plan``              a call of Claude's tool for what is to be done; after its result ``Done: …``
``fail 400``          an HTTP error of that status
``do you see MARK``   ``yes`` if the request holds MARK anywhere but in such prompts, else ``no``
====================  ==================================================================================

Agents also make calls of their own, for titles, suggestions, reviews and routing. Those offer no shell tool, or end
with other words than a prompt; they get what their JSON schema wants, or a few words.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from .calls import command_call, made_of, next_call, shell_of
from .dialects import JSON, Answer, Asked, Dialect, dialect_of

PATIENCE_S = 60.0
"""How long anything may take before it is called missing (seconds)."""

PACE_S = 0.15
"""Between two pieces of an answer (seconds): longer than the window in which pieces are put together on their way."""

SLOW_PIECES = 600
"""Pieces of a slow answer, which nobody waits for."""

T = TypeVar("T")

_PROMPT = re.compile(
    r"What is 2\+2\?|run: .+|how many prompts|slow|plan"
    r"|(?:think about|create|change|note|fail|do you see) [\w.]+"
)
_WRAPPED = re.compile(r"<([\w-]+)>.*?</\1>", re.DOTALL)


@dataclass(eq=False)
class Seen:
    """A request that came, and what became of it."""

    path: str
    body: JSON
    prompt: str | None
    authorization: str = ""
    was_closed: bool = False
    is_over: bool = False


@dataclass
class FakeLLM:
    """The server. ``changed`` guards ``seen`` and is notified at each change."""

    seen: list[Seen] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"llm": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="fake llm")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, what: str, look: Callable[[list[Seen]], T | None]) -> T:
        """Waits until ``look`` finds something in what has been seen.

        Raises:
            AssertionError: it did not within `PATIENCE_S`.
        """
        deadline = time.monotonic() + PATIENCE_S
        with self.changed:
            while not (found := look(self.seen)):
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"{what}: not within {PATIENCE_S:g} s; seen: {[one.prompt for one in self.seen]}"
                self.changed.wait(left_s)
            return found

    def note(self, seen: Seen, *, was_closed: bool | None = None, is_over: bool = False) -> None:
        """Keeps what is known of a request."""
        with self.changed:
            if seen not in self.seen:
                self.seen.append(seen)
            if was_closed is not None:
                seen.was_closed = was_closed
            seen.is_over = seen.is_over or is_over
            self.changed.notify_all()


def prompts(asked: Asked) -> list[str]:
    """The prompts of ours that a request holds, in their order."""
    return [text for text in _bare(asked) if _PROMPT.fullmatch(text)]


def answer_to(asked: Asked, body: JSON) -> tuple[str | None, Answer]:
    """What to answer, and the prompt that decided it."""
    shell = shell_of(asked)
    found = prompts(asked)
    is_theirs = not found or _bare(asked)[-1] != found[-1]
    if asked.schema is not None or shell is None or is_theirs:
        text = "A fine day." if asked.schema is None else json.dumps(made_of(asked.schema))
        return None, Answer((text,))
    prompt = found[-1]
    word, _, rest = prompt.partition(" ")
    if call := next_call(word, rest, asked):
        return prompt, Answer(call=call)
    if asked.result is not None:
        return prompt, Answer((f"Done: {asked.result.strip()[:200]}",))
    match word:
        case "What":
            return prompt, Answer(("Fo", "ur", "."))
        case "run:":
            return prompt, Answer(call=command_call(shell, rest))
        case "how":
            return prompt, Answer((str(len(found)),))
        case "think":
            return prompt, Answer(("Thought.",), thought=f"Let me think about {rest.rpartition(' ')[2]}.")
        case "slow":
            return prompt, Answer(tuple(f"word {n} " for n in range(SLOW_PIECES)), is_slow=True)
        case "fail":
            return prompt, Answer(status=int(rest))
        case _:
            mark = rest.rpartition(" ")[2]
            elsewhere = json.dumps(body).count(mark) - sum(text.count(mark) for text in found)
            return prompt, Answer(("yes" if elsewhere > 0 else "no",))


def _bare(asked: Asked) -> list[str]:
    """What the user's side says, without what agents wrap in tags of their own."""
    bare = [_WRAPPED.sub("", text).strip() for text in asked.said]
    # Claude Code says so after a search for tools, and where a picture is that it shows.
    return [text for text in bare if text and text != "Tool loaded." and not text.startswith("[Image: source: ")]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    llm: ClassVar[FakeLLM]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        dialect = dialect_of(self.path)
        if dialect is None:
            self.llm.note(Seen(self.path, body, None, is_over=True))
            counted = self.path.partition("?")[0].endswith(("count_tokens", ":countTokens"))
            self._whole(200, {"input_tokens": 10, "totalTokens": 10} if counted else {})
            return
        asked = dialect.read(self.path, body)
        prompt, answer = answer_to(asked, body)
        seen = Seen(self.path, body, prompt, authorization=self.headers.get("authorization", ""))
        self.llm.note(seen)
        if answer.status != 200:
            self._whole(answer.status, dialect.error(answer.status, f"scripted failure {answer.status}"))
        elif asked.is_streamed:
            self._streamed(seen, dialect, answer)
        else:
            self._whole(200, dialect.whole(answer))
        self.llm.note(seen, is_over=True)

    def do_GET(self) -> None:
        self.llm.note(Seen(self.path, {}, None, is_over=True))
        self._whole(200, {"data": [], "models": []})

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what came is in ``seen``."""

    def _whole(self, status: int, body: JSON) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        with contextlib.suppress(OSError):  # The agent may not want it any more.
            self.end_headers()
            self.wfile.write(text)

    def _streamed(self, seen: Seen, dialect: Dialect, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.close_connection = True
        try:
            self.end_headers()
            for event in dialect.stream(answer):
                self.wfile.write(event.encode())
                if len(answer.pieces) > 1 and self._hears_close():
                    self.llm.note(seen, was_closed=True)
                    return
        except OSError:
            self.llm.note(seen, was_closed=True)

    def _hears_close(self) -> bool:
        """Waits a pace, or until the client goes away."""
        readable, _, _ = select.select([self.connection], [], [], PACE_S)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True
