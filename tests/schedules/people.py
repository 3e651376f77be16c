"""People in a world: senders who try again when no answer comes, and viewers who follow by WebSocket or by polling."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from chalicelib.actors.assembly import Actors
from chalicelib.actors.loop import Cause
from chalicelib.core.catalog import Connection
from chalicelib.core.errors import MooringError
from chalicelib.core.render import parse_cursor
from chalicelib.core.session import ConfirmationIn, InterruptIn, Item, MessageIn
from chalicelib.wire import codec, frames
from chalicelib.wire.codec import encode
from chalicelib.wire.events import TextBlock
from chalicelib.wire.ids import ConnectionId, EventId, SessionId

from .world import TENANT, World

PING_EVERY_S = 20.0
ANSWER_S = 15.0


@dataclass
class Sender:
    """Posts messages to a session with idempotency keys, tries again without an answer, sometimes interrupts.

    Attributes:
        accepted: idempotency keys that were answered as accepted.
        sent: how many posts, without the repeats.
    """

    world: World
    session_id: SessionId
    name: str
    n_messages: int
    deletes: bool = False
    accepted: list[str] = field(default_factory=list)
    done: bool = False

    def start(self) -> None:
        """Begins, some time from now."""
        self.world.spawn(lambda: self._next(0), self.world.rng.random() * 60)

    def _next(self, k: int) -> None:
        rng = self.world.rng
        if k == self.n_messages:
            if self.deletes:
                self._delete(3)
            else:
                self.done = True
            return
        expires = rng.choice([200.0, 30_000.0])
        text = f"{self.name} {k}" + (" long" * 8000 if rng.random() < 0.04 else "")
        self._try(k, (MessageIn((TextBlock(text),)),), expires, 0)

    def _try(self, k: int, items: tuple[Item, ...], expires: float, tries: int) -> None:
        key = f"{self.name}-{k}"
        answers: list[object] = []

        def call(actors: Actors) -> None:
            try:
                body = hashlib.sha256(repr(items).encode()).hexdigest()
                actors.sessions.post(TENANT, self.session_id, items, expires_in_s=expires, cause=Cause(key, body))
            except MooringError as exc:
                answers.append(exc)
                return
            if not self.world.chance(self.world.faults.answer_lost):
                answers.append(None)

        def look() -> None:
            if answers and answers[0] is None:
                self.accepted.append(key)
            elif not answers and tries < 12:
                self._try(k, items, expires, tries + 1)
                return
            if self.world.rng.random() < 0.25:
                self._interrupt()
            self.world.spawn(lambda: self._next(k + 1), self.world.rng.random() * 200)

        self.world.invoke(f"post {key}", call)
        self.world.spawn(look, ANSWER_S)

    def _interrupt(self) -> None:
        def call(actors: Actors) -> None:
            self._quietly(
                lambda: actors.sessions.post(TENANT, self.session_id, (InterruptIn(),), expires_in_s=1.0, cause=None)
            )

        self.world.invoke(f"interrupt {self.session_id}", call, self.world.rng.random() * 20)

    def _delete(self, times: int) -> None:
        if not times:
            self.done = True
            return
        self.world.say("DELETE", self.session_id)
        self.world.invoke(
            f"delete {self.session_id}",
            lambda actors: self._quietly(lambda: actors.sessions.delete(TENANT, self.session_id)),
        )
        self.world.spawn(lambda: self._delete(times - 1), 30.0)

    def _quietly(self, call: Callable[[], object]) -> None:
        try:
            call()
        except MooringError as exc:
            self.world.say(self.name, "refused", exc.code)


@dataclass
class Answerer:
    """Looks at a session now and then and answers the permission questions that are open."""

    world: World
    session_id: SessionId

    def start(self) -> None:
        """Begins, and never ends."""
        self.world.spawn(self._look, 15.0)

    def _look(self) -> None:
        def call(actors: Actors) -> None:
            try:
                open_ids = [
                    one.tool_use_id
                    for one in actors.sessions.head(TENANT, self.session_id).state.questions
                    if one.verdict_n is None
                ]
                for tool_use_id in open_ids:
                    result: Literal["allow", "deny"] = "allow" if self.world.rng.random() < 0.5 else "deny"
                    item = ConfirmationIn(EventId(tool_use_id), result)
                    actors.sessions.post(TENANT, self.session_id, (item,), expires_in_s=1.0, cause=None)
            except MooringError as exc:
                self.world.say("answer refused", exc.code)

        self.world.invoke(f"answer {self.session_id}", call)
        self.world.spawn(self._look, 25.0)


@dataclass
class Watching:
    """What a viewer has seen: whole events by cursor, and texts still being written."""

    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)
    held: dict[str, dict[int, str]] = field(default_factory=dict)

    def event(self, cursor: str, body: dict[str, Any]) -> None:
        """A whole event came."""
        if cursor in self.seen:
            self.doubles.append(cursor)
        self.seen[cursor] = body
        self.order.append(cursor)
        self.whole.add(body["id"])
        self.texts.pop(body["id"], None)

    def piece(self, event_id: str, offset: int, text: str) -> None:
        """A piece of an event came: it fits where what is known ends, or overlaps it, or waits for what is between."""
        if event_id in self.whole:
            return
        held = self.held.setdefault(event_id, {})
        if len(text) > len(held.get(offset, "")):
            held[offset] = text
        known = self.texts.get(event_id, "")
        for at in sorted(held):
            if at <= len(known) and at + len(held[at]) > len(known):
                known = known[:at] + held[at]
        self.texts[event_id] = self.written[event_id] = known


class SocketViewer:
    """Follows by WebSocket: attaches from its cursor, holds what comes too early, attaches again on a gap."""

    def __init__(self, world: World, session_id: SessionId, after: str | None) -> None:
        self.world, self.session_id, self.after = world, session_id, after
        self.asleep_until = 0.0
        self.watching = Watching()
        self.reads = 0
        self._n: int | None = None
        self._parts: dict[int, dict[int, frames.RecordFrame]] = {}
        self._held: dict[int, list[frames.RecordFrame]] = {}
        self._connection: ConnectionId | None = None
        self._head = 0
        self._attached = False

    @property
    def at(self) -> int | None:
        """The newest record seen whole."""
        return self._n

    def start(self, delay: float) -> None:
        """Begins to follow after ``delay`` seconds."""
        self.world.spawn(self._dial, delay)

    def heard(self, connection_id: ConnectionId, body: bytes) -> None:
        """A message came."""
        if connection_id != self._connection:
            return
        frame = codec.decode_viewer_down(body)
        match frame:
            case frames.Attached():
                if self._n is None:
                    self._n = frame.head if self.after is None else 0
                    self._drain()
                self._attached = True
                self._head = max(self._head, frame.head)
            case frames.RecordFrame():
                self._record(frame)
            case frames.DeltaFrame():
                self.watching.piece(frame.event_id, frame.offset, frame.text)
            case frames.ViewerPong(head=head) if head is not None:
                self._head = max(self._head, head)
                if self._n is not None and head > self._n:
                    self._attach()
            case frames.ErrorFrame() | frames.ViewerPong():
                pass
            case _:
                raise AssertionError(frame)

    def cut(self, connection_id: ConnectionId) -> None:
        """The socket was closed."""
        if connection_id == self._connection:
            self._connection = None
            self.world.spawn(self._dial, self.world.rng.random() * 30)

    def _dial(self) -> None:
        connection_id = ConnectionId(f"v-{self.world.rng.randbytes(5).hex()}")
        self._connection, self._attached = connection_id, False
        connection = Connection(
            connection_id=connection_id,
            role="viewer",
            tenant_id=TENANT,
            created_at=self.world.now_s,
            expires_at=self.world.now_s + 7200,
        )
        self.world.dial(self, connection, self._attach)
        self.world.spawn(lambda: self._ping(connection_id), PING_EVERY_S)

    def _attach(self) -> None:
        if self._connection is None:
            return
        self.reads += 1
        after = self.after if self._n is None else str(self._n)
        frame = frames.Attach(session_id=self.session_id, after=after, include=("mooring",))
        self.world.send_up(self._connection, encode(frame))

    def _ping(self, connection_id: ConnectionId) -> None:
        if connection_id != self._connection:
            return
        wire = self.world.wires.get(connection_id)
        if wire is None:
            self._dial()
            return
        if not self._attached:
            self._attach()
        else:
            self.world.send_up(connection_id, encode(frames.ViewerPing(session_id=self.session_id)))
        self.world.spawn(lambda: self._ping(connection_id), PING_EVERY_S)

    def _record(self, frame: frames.RecordFrame) -> None:
        if self._n is not None and frame.n <= self._n:
            return
        parts = self._parts.setdefault(frame.n, {})
        if any(one.parts != frame.parts for one in parts.values()):
            parts.clear()
        parts[frame.part] = frame
        if len(parts) == frame.parts:
            self._held[frame.n] = [parts[k] for k in sorted(parts)]
        if self._n is not None:
            self._drain()
            if self._held and self.world.rng.random() < 0.3:
                self._attach()

    def _drain(self) -> None:
        assert self._n is not None
        for n in [n for n in self._held if n <= self._n]:
            del self._held[n]
        while self._n + 1 in self._held:
            self._n += 1
            self._parts.pop(self._n, None)
            for frame in self._held.pop(self._n):
                for item in frame.events:
                    self.watching.event(item["cursor"], item["event"])


class PollingViewer:
    """Follows as an SSE reader does; its connection may break between any two events, and it resumes by its cursor."""

    def __init__(self, world: World, session_id: SessionId, after: str | None, every_s: float = 6.0) -> None:
        self.world, self.session_id, self.cursor = world, session_id, after
        self.every_s = every_s
        self.after = after
        self.watching = Watching()
        self.failed: list[str] = []
        self.ended = False
        self.at = 0

    def start(self, delay: float) -> None:
        """Begins to follow after ``delay`` seconds."""
        self.world.spawn(self._open, delay)

    def _open(self) -> None:
        self.world.invoke(f"stream {self.session_id}", self._serve)

    def _serve(self, actors: Actors) -> None:
        try:
            self._read(actors)
        except MooringError as exc:
            self.ended = True
            self.world.say("stream refused", exc.code)
        except ConnectionError:
            self.world.spawn(self._open, self.world.rng.random() * 20)
        except BaseException:
            # The function died: the reader sees its connection break.
            self.world.spawn(self._open, self.world.rng.random() * 20)
            raise

    def _read(self, actors: Actors) -> None:
        follower = actors.reading.follow(
            TENANT, self.session_id, after=self.cursor, ours=True, deltas=["agent.message"]
        )
        if self.cursor is None:
            self.cursor = str(follower.cursor)
        self.watching.texts.clear()
        while not follower.ended:
            for out in follower.poll():
                if self.world.chance(self.world.faults.stream_breaks):
                    follower.close()
                    raise ConnectionError
                if out.kind == "event":
                    assert out.cursor is not None
                    self.watching.event(out.cursor, out.body)
                    self.cursor = out.cursor
                elif out.kind == "delta_start":
                    self.watching.texts.setdefault(out.body["event"]["id"], "")
                else:
                    text = self.watching.texts.get(out.body["event_id"])
                    if text is None:
                        self.failed.append(f"piece before start {out.body}")
                        continue
                    self.watching.texts[out.body["event_id"]] = text + out.body["delta"]["content"]["text"]
                    self.watching.written[out.body["event_id"]] = self.watching.texts[out.body["event_id"]]
            self.at = follower.cursor
            self.world.pause(self.every_s * (0.3 + self.world.rng.random() * 1.7))
        self.ended = True


def place(cursor: str) -> tuple[int, int]:
    """A cursor as a pair that sorts."""
    found = parse_cursor(cursor)
    assert found is not None
    return found
