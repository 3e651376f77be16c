"""Frames: what comes in over WebSockets, to whom it is given, and what is answered.

A daemon's frame is believed only while the room's newest record holds its connection: one read gives who it is, whose,
under which epoch, and whether it still counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec.structs import replace

from ..core.catalog import Connection, LivePiece
from ..core.errors import MooringError
from ..core.pace import FRAMES_PER_S, Bucket, draw
from ..core.runtime_room import RoomState
from ..core.session import Accepted, Acked, Batch, Disposed, Gone
from ..core.step import Stale
from ..wire import codec, frames
from ..wire.codec import BadFrame, UnknownFrame, digest, encode
from ..wire.ids import ConnectionId, TenantId
from ..wire.limits import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION
from .delivery import window
from .ports import Stores, session_key
from .rooms import Rooms, seen_by_sessions
from .sessions import SessionObjects
from .viewers import Viewers, delta_frames

log = logging.getLogger(__name__)

LIVE_TTL_S = 2 * 3600.0
"""How long a live piece is kept (seconds): a turn's usual hard limit and an hour."""

KNOWN_CONNECTIONS = 10_000
"""Connections whose pace one container remembers."""

_QUOTED_CHARS = 500

MARK_HASH_CHARS = 16
"""Of a batch's SHA-256, what its watermark keeps: 64 bits tell a cloned disk's other content apart."""


class Frames:
    """Serves both dialects."""

    def __init__(
        self,
        stores: Stores,
        rooms: Rooms,
        sessions: SessionObjects,
        viewers: Viewers,
        described: Callable[[TenantId, frames.Hello], None],
        ping_s: float,
    ) -> None:
        self._stores = stores
        self._rooms = rooms
        self._sessions = sessions
        self._viewers = viewers
        self._described = described
        self._ping_s = ping_s
        self._buckets: dict[ConnectionId, Bucket] = {}

    def connected(self, connection: Connection) -> None:
        """A WebSocket was opened by somebody known."""
        self._stores.connections.put(connection)

    def disconnected(self, connection_id: ConnectionId) -> None:
        """A WebSocket was closed. A replaced connection's end does not mark its runtime offline."""
        connection = self._stores.connections.get(connection_id)
        if connection is not None:
            self._ended(connection)

    def hang_up(self, tenant_id: TenantId, holder: str) -> None:
        """Closes the connections of a runtime or a key, whose secret opens nothing any more.

        One that is being opened at this moment can't be closed yet. It has lost its row all the same, and whoever opens
        it looks at the secret again after writing that.
        """
        for connection_id in self._stores.connections.of_holder(tenant_id, holder):
            connection = self._stores.connections.get(connection_id)
            if connection is not None:
                self._stores.sockets.close(connection_id)
                self._ended(connection)

    def on_message(self, connection_id: ConnectionId, body: str) -> None:
        """One message, in either dialect. Never raises for what a stranger sent: a refusal is an ``error`` frame."""
        if not self._keeps_pace(connection_id):
            return
        daemon = codec.speaks_for_runtime(body)
        frame = codec.decode_daemon_up(body) if daemon else codec.decode_viewer_up(body)
        try:
            match frame:
                case UnknownFrame(kind):
                    log.info("connection=%s unknown frame %.40r skipped", connection_id, kind)
                    self._refuse(connection_id, "unknown_frame", "This plane does not know the frame.", kind[:40])
                case BadFrame(code, kind, field, why):
                    self._refuse(connection_id, code, f"{field}: {why}" if field else why, kind[:40] or None)
                case frames.Attach() | frames.Detach() | frames.ViewerPing():
                    self._viewer(connection_id, frame)
                case frames.Hello():
                    self._hello(connection_id, frame)
                case frames.Ping():
                    self._ping(connection_id, frame)
                case frames.RuntimeSleep():
                    self._sleep(connection_id, frame)
                case _:
                    self._of_session(connection_id, frame)
        except MooringError as exc:
            session_id = getattr(frame, "session_id", None)
            self._refuse(connection_id, exc.code, exc.message, _tag(frame), session_id)

    def _keeps_pace(self, connection_id: ConnectionId) -> bool:
        """Whether a connection may say another frame now, as far as this container has heard it.

        To know more would cost a read and a write for each frame, which is what the pace is to save.
        """
        drawn = draw(self._buckets.get(connection_id), self._stores.clock.now())
        if len(self._buckets) >= KNOWN_CONNECTIONS:
            self._buckets.clear()
        self._buckets[connection_id] = drawn.bucket
        if drawn.tell:
            why = f"More than {FRAMES_PER_S:g} frames a second are not heard; say this one again in a second."
            self._refuse(connection_id, "too_many_frames", why, None)
        return drawn.passes

    def _ended(self, connection: Connection) -> None:
        if connection.runtime_id is not None:
            self._rooms.gone(connection.runtime_id, connection.connection_id)
        else:
            self._viewers.gone(connection)
        self._stores.connections.delete(connection.connection_id)
        self._buckets.pop(connection.connection_id, None)

    # ---- viewers

    def _viewer(self, connection_id: ConnectionId, frame: frames.ViewerUp) -> None:
        connection = self._stores.connections.get(connection_id)
        if connection is None or connection.role != "viewer":
            self._refuse(connection_id, "not_a_viewer", "This connection does not follow sessions.", _tag(frame))
            return
        if connection.expires_at <= self._stores.clock.now():
            self._refuse(connection_id, "unauthorized", "The key that opened this connection has ended.", _tag(frame))
            self._stores.sockets.close(connection_id)
            return
        match frame:
            case frames.Attach():
                self._viewers.attach(connection, frame)
            case frames.Detach():
                self._viewers.detach(connection, frame)
            case frames.ViewerPing():
                self._viewers.ping(connection, frame)

    # ---- daemons: the room

    def _hello(self, connection_id: ConnectionId, frame: frames.Hello) -> None:
        connection = self._stores.connections.get(connection_id)
        if connection is None or connection.runtime_id != frame.runtime_id:
            self._refuse(connection_id, "foreign_runtime", "This connection does not speak for that runtime.", "hello")
            return
        if not frame.protocol >= OLDEST_PROTOCOL_VERSION:
            why = f"The plane speaks protocol {OLDEST_PROTOCOL_VERSION} to {PROTOCOL_VERSION}; update the daemon."
            self._refuse(connection_id, "protocol_too_old", why, "hello")
            return
        # First what the laptop has, then that it is here: whoever sees it online sees its agents.
        self._described(connection.tenant_id, frame)
        welcomed = self._rooms.hello(frame.runtime_id, connection_id, frame.instance, frame.seq, frame.outbox)
        if welcomed is None:
            self._refuse(connection_id, "foreign_runtime", "This connection does not speak for that runtime.", "hello")
            return
        answer, room = welcomed
        if isinstance(answer, Stale):
            return
        protocol = min(frame.protocol, PROTOCOL_VERSION)
        welcome = frames.Welcome(
            runtime_id=frame.runtime_id,
            epoch=answer.epoch,
            protocol=protocol,
            ping_s=self._ping_s,
            now=self._stores.clock.now(),
        )
        if not self._post(connection_id, welcome):
            # A hello that arrives after its connection's end must not cost the living one anything but its next hello.
            self._rooms.gone(frame.runtime_id, connection_id)
            return
        if answer.replaced:
            self._post(answer.replaced, frames.Replaced(instance=frame.instance))
            self._stores.sockets.close(answer.replaced)
        self._sessions.repair(room, attached_now=True)

    def _ping(self, connection_id: ConnectionId, frame: frames.Ping) -> None:
        pinged = self._rooms.ping(frame.runtime_id, connection_id)
        if pinged is None or not pinged[0]:
            self._not_current(connection_id, frame, pinged[1] if pinged else None)
            return
        self._post(connection_id, frames.Pong(now=self._stores.clock.now()))
        self._sessions.repair(pinged[1], active=frame.active, turns=frame.turns)

    def _sleep(self, connection_id: ConnectionId, frame: frames.RuntimeSleep) -> None:
        slept = self._rooms.sleep(frame.runtime_id, connection_id)
        if slept is None or not slept[0]:
            self._not_current(connection_id, frame, slept[1] if slept else None)
            return
        # The laptop's system waits for this, and a socket that outlived the sleep would be of no use to anybody.
        self._stores.sockets.close(connection_id)

    def _not_current(self, connection_id: ConnectionId, frame: frames.DaemonUp, room: RoomState | None) -> None:
        connection = self._stores.connections.get(connection_id)
        if room is None or connection is None or connection.runtime_id != frame.runtime_id:
            why = "This connection does not speak for that runtime."
            self._refuse(connection_id, "foreign_runtime", why, _tag(frame))
            return
        if room.connection_id is None:
            self._refuse(connection_id, "hello_first", "Say hello before anything else.", _tag(frame))
            return
        if room.connection_id == connection_id:
            # The frame and this very connection's next hello have crossed: it is current, and says the frame again.
            return
        self._post(connection_id, frames.Replaced(instance=room.instance))

    # ---- daemons: sessions

    def _of_session(
        self,
        connection_id: ConnectionId,
        frame: frames.SessionEvent | frames.SessionDelta | frames.SessionAccepted | frames.SessionDisposed,
    ) -> None:
        room = self._rooms.view(frame.runtime_id)
        if room is None or room.connection_id != connection_id or room.outbox is None:
            self._not_current(connection_id, frame, room)
            return
        if isinstance(frame, frames.SessionDelta):
            self._delta(room, connection_id, frame)
        elif isinstance(frame, frames.SessionEvent):
            self._batch(room, connection_id, frame)
        elif self._known(room, connection_id, frame):
            cue = (
                Accepted(frame.turn_id, room.epoch, room.outbox)
                if isinstance(frame, frames.SessionAccepted)
                else Disposed(room.epoch)
            )
            done = self._sessions.loop.act(session_key(room.tenant_id, frame.session_id), lambda _: cue)
            if done:
                self._sessions.settle(room.tenant_id, done, room)

    def _batch(self, room: RoomState, connection_id: ConnectionId, frame: frames.SessionEvent) -> None:
        raw = bytes(frame.events)
        events = codec.decode_batch(raw)
        if isinstance(events, BadFrame):
            why = f"{events.field}: {events.why}"
            self._refuse(connection_id, events.code, why, "session.event", frame.session_id)
            return
        if frame.outbox != room.outbox:
            # The hello that changed the outbox and this batch have crossed: without an ack the daemon sends it again.
            log.info(
                "runtime=%s session=%s batch of outbox %s while the room follows %s",
                room.runtime_id,
                frame.session_id,
                frame.outbox,
                room.outbox,
            )
            return
        cue = Batch(
            frame.outbox,
            frame.batch,
            digest(raw)[:MARK_HASH_CHARS],
            events,
            frame.live_from,
            seen_by_sessions(room),
        )
        if not self._known(room, connection_id, frame):
            return
        done = self._sessions.loop.act(session_key(room.tenant_id, frame.session_id), lambda _: cue)
        if done is None or isinstance(done.answer, Stale):
            self._not_current(connection_id, frame, self._rooms.view(frame.runtime_id))
            return
        if isinstance(done.answer, Gone):
            self._post(connection_id, frames.SessionDispose(session_id=frame.session_id))
            return
        assert isinstance(done.answer, Acked)
        ack = frames.SessionAck(
            session_id=frame.session_id,
            outbox=frame.outbox,
            batch=done.answer.batch,
            verdict=done.answer.verdict,
            head_n=done.head.n,
            head_hash=done.head.hash,
        )
        if done.record:
            # A repeat's ack leaves the window out: nobody's followers were read, and an ``as_of`` of 0 is never newer.
            as_of = self._stores.clock.now()
            attached = self._sessions.settle(room.tenant_id, done, room)
            ack = replace(ack, window_ms=window(attached), as_of=as_of)
        self._post(connection_id, ack)

    def _delta(self, room: RoomState, connection_id: ConnectionId, frame: frames.SessionDelta) -> None:
        if not self._known(room, connection_id, frame):
            return
        now = self._stores.clock.now()
        piece = LivePiece(
            epoch=room.epoch,
            counter=frame.counter,
            event_id=frame.event_id,
            event_type=frame.event_type,
            offset=frame.offset,
            text=frame.text,
        )
        self._stores.live.put(room.tenant_id, frame.turn_id, piece, now + LIVE_TTL_S)
        attached, as_of = self._sessions.followers(frame.session_id)
        if window(attached) is None:
            self._post(connection_id, frames.SessionWatch(session_id=frame.session_id, window_ms=None, as_of=as_of))
        shown = [encode(one) for one in delta_frames(frame.session_id, frame.turn_id, piece)]
        for one in attached:
            if one.connection_id is None or not one.deltas:
                continue
            if not all(self._stores.sockets.post(one.connection_id, each) for each in shown):
                self._stores.attachments.remove(one.session_id, one.reader_id)

    def _known(
        self,
        room: RoomState,
        connection_id: ConnectionId,
        frame: frames.SessionEvent | frames.SessionDelta | frames.SessionAccepted | frames.SessionDisposed,
    ) -> bool:
        if self._sessions.belongs(room.tenant_id, frame.session_id, room.runtime_id):
            return True
        why = f"There is no session {frame.session_id}."
        self._refuse(connection_id, "session_not_found", why, _tag(frame), frame.session_id)
        return False

    def _post(self, connection_id: ConnectionId, frame: frames.DaemonDown) -> bool:
        return self._stores.sockets.post(connection_id, encode(frame))

    def _refuse(
        self, connection_id: ConnectionId, code: str, why: str, of: str | None, session_id: str | None = None
    ) -> None:
        # A stranger's words are quoted in part only: all of them might be more than the gateway sends.
        told = session_id[:_QUOTED_CHARS] if session_id else None
        self._post(connection_id, frames.ErrorFrame(code=code, message=why[:_QUOTED_CHARS], of=of, session_id=told))


def _tag(frame: object) -> str | None:
    config = getattr(frame, "__struct_config__", None)
    return str(config.tag) if config and config.tag else None
