"""Viewers: late attach without gap or double.

A viewer (1) writes its attachment, (2) reads the log strongly from its cursor, (3) reads the live pieces of the running
turn, (4) follows the pushes. A sender (1) appends, (2) reads the attachments strongly, (3) pushes. In whatever order
these interleave, each record is seen by the viewer's read or by the sender's push; numbers make a double visible.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.catalog import Attachment, Connection, LivePiece
from ..core.errors import BadRequest, Unauthorized
from ..core.record import Head, open_session
from ..core.render import parse_cursor, shown, split_frames, still_waiting
from ..core.session_state import SessionState
from ..wire.codec import encode
from ..wire.frames import Attach, Attached, DeltaFrame, Detach, ViewerDown, ViewerPing, ViewerPong
from ..wire.ids import EventId, ReaderId, SessionId, TenantId, TurnId
from .ports import Stores, session_key
from .reading import Reading
from .rooms import Rooms
from .sessions import STATUS, SessionObjects, no_session

CATCH_UP_RECORDS = 2000
"""Records sent for one ``attach``: what a Lambda can send in its time. A viewer further behind sees the gap to the head
and attaches again from its cursor."""

_PAGE = 100

_DELTA_CHARS = 4 * 1024
"""Characters of one ``delta`` frame: even where each takes six bytes as JSON, the frame stays within the limit."""


class Viewers:
    """Serves the viewers' dialect."""

    def __init__(self, stores: Stores, rooms: Rooms, sessions: SessionObjects, reading: Reading) -> None:
        self._stores = stores
        self._rooms = rooms
        self._sessions = sessions
        self._reading = reading

    def attach(self, connection: Connection, frame: Attach) -> None:
        """Attaches a connection to a session, from a cursor.

        Raises:
            NotFound: ``session_not_found``, also for a session that the viewer's ticket does not name.
            BadRequest: ``bad_cursor``.
            Unauthorized: ``unauthorized``: the token that opened the connection has ended with its session.
        """
        tenant_id, session_id = connection.tenant_id, frame.session_id
        self._check(connection, session_id)
        after = None if frame.after is None else parse_cursor(frame.after)
        if frame.after is not None and after is None:
            raise BadRequest("bad_cursor", f"{frame.after!r} is no cursor.", field="after")
        if not self._sessions.belongs(tenant_id, session_id):
            raise no_session(session_id)
        me = Attachment(
            session_id=session_id,
            reader_id=ReaderId(connection.connection_id),
            connection_id=connection.connection_id,
            expires_at=connection.expires_at,
            deltas=frame.deltas,
            include=frame.include,
        )
        self._stores.attachments.put(me)
        head = self._sessions.head(tenant_id, session_id)
        _check_token(connection, head)
        room = self._rooms.view(head.state.runtime_id)
        online = room is not None and room.online(self._stores.clock.now())
        self._send(
            connection,
            Attached(session_id=session_id, head=head.n, status=STATUS[head.state.phase], online=online),
        )
        state = self._catch_up(connection, me, after, head) if after is not None else head.state
        if state.turn and frame.deltas:
            self._show_live(connection, tenant_id, session_id, state)
            self._sessions.tell_watch(tenant_id, session_id)

    def detach(self, connection: Connection, frame: Detach) -> None:
        """Follows no longer."""
        self._sessions.drop_follower(frame.session_id, ReaderId(connection.connection_id))
        self._unwatch(connection.tenant_id, frame.session_id)

    def ping(self, connection: Connection, frame: ViewerPing) -> None:
        """Answers with the head number, so that a lost last push is noticed. Raises NotFound, Unauthorized."""
        head = None
        if frame.session_id is not None:
            self._check(connection, frame.session_id)
            found = self._sessions.head(connection.tenant_id, frame.session_id)
            _check_token(connection, found)
            head = found.n
        self._send(connection, ViewerPong(session_id=frame.session_id, head=head))

    def gone(self, connection: Connection) -> None:
        """The connection was closed: all its attachments end."""
        for one in self._stores.attachments.of_connection(connection.connection_id):
            self._stores.attachments.remove(one.session_id, one.reader_id)
            self._unwatch(connection.tenant_id, one.session_id)

    def _check(self, connection: Connection, session_id: SessionId) -> None:
        if connection.only_session_id not in (None, session_id):
            raise no_session(session_id)

    def _unwatch(self, tenant_id: TenantId, session_id: SessionId) -> None:
        if not self._sessions.followers(session_id)[0]:
            self._sessions.tell_watch(tenant_id, session_id)

    def _catch_up(
        self, connection: Connection, me: Attachment, after: tuple[int, int], head: Head[SessionState]
    ) -> SessionState:
        key = session_key(connection.tenant_id, me.session_id)
        n, index = after
        cursor, state = (n if index < 0 else n - 1), head.state
        for _ in range(0, CATCH_UP_RECORDS, _PAGE):
            page = [open_session(one.body) for one in self._stores.objects.read(key, max(cursor, 0), _PAGE)]
            if not page:
                break
            waiting = still_waiting(head, page)
            for record in page:
                events = shown(record, self._reading.accepted(key), ours="mooring" in me.include, still_waiting=waiting)
                if record.n == n and index >= 0:
                    events = [one for one in events if (parse_cursor(one.cursor) or (0, 0))[1] > index]
                for frame in split_frames(me.session_id, record.n, events):
                    self._send(connection, frame)
            cursor, state = page[-1].n, page[-1].state
        return state

    def _show_live(
        self, connection: Connection, tenant_id: TenantId, session_id: SessionId, state: SessionState
    ) -> None:
        assert state.turn is not None
        now = self._stores.clock.now()
        for piece in self._stores.live.read(tenant_id, state.turn.turn_id, state.turn.live_from, now):
            for frame in delta_frames(session_id, state.turn.turn_id, piece):
                self._send(connection, frame)

    def _send(self, connection: Connection, frame: ViewerDown) -> None:
        self._stores.sockets.post(connection.connection_id, encode(frame))


def _check_token(connection: Connection, head: Head[SessionState]) -> None:
    if connection.held_by and head.state.archived_at is not None:
        raise Unauthorized("unauthorized", "The token that opened this connection has ended with its session.")


def delta_frames(session_id: SessionId, turn_id: TurnId, piece: LivePiece) -> Iterator[DeltaFrame]:
    """A live piece as viewers see it: in as many frames as it takes for each to stay within ``MAX_DOWN_BYTES``."""
    for start in range(0, max(len(piece.text), 1), _DELTA_CHARS):
        yield DeltaFrame(
            session_id=session_id,
            turn_id=turn_id,
            event_id=EventId(piece.event_id),
            event_type=piece.event_type,
            offset=piece.offset + start,
            text=piece.text[start : start + _DELTA_CHARS],
        )
