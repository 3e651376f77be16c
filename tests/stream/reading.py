"""A reader of the streaming app that sees each frame as it is sent; usual test clients wait for the whole answer."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.actors.follower import Out
from chalicelib.actors.ports import Stores

PATIENCE_S = 10.0


@dataclass
class Reader:
    """One open request."""

    sent: MemoryObjectReceiveStream[Message]
    leaving: anyio.Event
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    is_over: bool = False
    _text: str = ""

    async def start(self) -> None:
        """Waits for the headers."""
        first = await self._next()
        assert first["type"] == "http.response.start"
        self.status = first["status"]
        self.headers = {name.decode(): value.decode() for name, value in first["headers"]}

    async def frame(self) -> dict[str, str]:
        """The next frame's lines by their names; a comment's name is empty."""
        while "\n\n" not in self._text:
            await self._more()
        one, self._text = self._text.split("\n\n", 1)
        return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in one.split("\n"))}

    async def event(self) -> dict[str, str]:
        """The next frame that is an event."""
        while "event" not in (found := await self.frame()):
            pass
        return found

    async def body(self) -> Any:
        """The rest of the answer, as JSON."""
        while not self.is_over:
            await self._more()
        return json.loads(self._text)

    async def end(self) -> str:
        """Waits for the end of the answer; what came before it and was not read yet."""
        while not self.is_over:
            await self._more()
        return self._text

    def leave(self) -> None:
        """Closes the connection."""
        self.leaving.set()

    async def _more(self) -> None:
        assert not self.is_over, "the answer has ended"
        message = await self._next()
        self._text += message["body"].decode()
        self.is_over = not message.get("more_body")

    async def _next(self) -> Message:
        with anyio.fail_after(PATIENCE_S):
            return await self.sent.receive()


@asynccontextmanager
async def reading(
    app: ASGIApp, path: str, query: str = "", method: str = "GET", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Reader]:
    """Opens a request and waits for its headers; leaves at the end, and waits until the app is done."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    into, out = anyio.create_memory_object_stream[Message](1000)
    reader = Reader(out, anyio.Event())
    async with into, out, anyio.create_task_group() as group:
        group.start_soon(_answer, app, scope, _receiver(reader.leaving), _sender(into))
        await reader.start()
        yield reader
        reader.leave()


async def _answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _receiver(leaving: anyio.Event) -> Callable[[], Any]:
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await leaving.wait()
        return {"type": "http.disconnect"}

    return receive


def _sender(into: MemoryObjectSendStream[Message]) -> Callable[[Message], Any]:
    async def send(message: Message) -> None:
        await into.send(message)

    return send


class Script:
    """A follower that gives what a test put in, and tells when it is polled and closed."""

    def __init__(self, *polls: list[Out] | Exception, idle_s: float = 0.001) -> None:
        self._polls = list(polls)
        self.idle_s = idle_s
        self.ended = False
        self.closed = threading.Event()
        self.on_poll: Callable[[], None] = lambda: None

    def poll(self) -> list[Out]:
        """The next of what the test put in; nothing after that."""
        self.on_poll()
        given = self._polls.pop(0) if self._polls else []
        if isinstance(given, Exception):
            raise given
        return given

    def close(self) -> None:
        """Tells that it was closed."""
        self.closed.set()


class _Alone:
    """A store on which one thread works at a time, as DynamoDB's single requests do."""

    def __init__(self, store: Any, lock: threading.RLock) -> None:
        self._store = store
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def alone(*args: Any) -> Any:
            with self._lock:
                return found(*args)

        return alone


def one_at_a_time(stores: Stores) -> Stores:
    """The stores, safe for several threads."""
    lock = threading.RLock()
    return replace(stores, **{name: _Alone(getattr(stores, name), lock) for name in stores.__struct_fields__})
