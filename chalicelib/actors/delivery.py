"""Delivery: what goes out after a commit. At least once, in any order; receivers drop what they have seen.

A connection found closed is an input to its room, or the end of an attachment; never an error.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ..core.catalog import Attachment
from ..core.record import SessionRecord, open_session
from ..core.render import shown, split_frames
from ..core.runtime_room import RoomState
from ..core.session_state import Owed, OwedCancel, OwedDispose, OwedPrompt, OwedVerdict, SessionState, Turn, owed, stray
from ..wire.codec import encode
from ..wire.events import AgentToolUse, Event, Spilled, TextBlock, UserBlock, UserMessage, UserToolConfirmation
from ..wire.frames import (
    DaemonDown,
    OpenTurn,
    PermissionVerdict,
    SessionCancel,
    SessionDispose,
    SessionPrompt,
    SessionWatch,
)
from ..wire.ids import ConnectionId, SessionId, TenantId
from ..wire.limits import DELTA_WINDOW_MS, MAX_DOWN_BYTES
from .ports import Stores, session_key
from .rooms import Rooms
from .spill import Spill


class Delivery:
    """Sends records to followers, and to daemons what sessions owe them."""

    def __init__(self, stores: Stores, rooms: Rooms, spill: Spill) -> None:
        self._stores = stores
        self._rooms = rooms
        self._spill = spill

    def publish(self, tenant_id: TenantId, state: SessionState, record: SessionRecord) -> Sequence[Attachment]:
        """Pushes a record to everybody who follows the session, visible events or not. Returns them all."""
        attached = self._stores.attachments.of_session(state.session_id, self._stores.clock.now())
        # However many follow, a record looks one of two ways, and the messages placed in it are read once.
        accepted = functools.cache(lambda n: self._accepted(tenant_id, state.session_id, n))
        frames: dict[bool, list[bytes]] = {}
        for one in attached:
            if one.connection_id is not None:
                ours = "mooring" in one.include
                if ours not in frames:
                    events = shown(record, accepted, ours=ours)
                    frames[ours] = [encode(frame) for frame in split_frames(state.session_id, record.n, events)]
                if not all(self._stores.sockets.post(one.connection_id, frame) for frame in frames[ours]):
                    self._stores.attachments.remove(one.session_id, one.reader_id)
        return attached

    def send_owed(
        self,
        tenant_id: TenantId,
        state: SessionState,
        room: RoomState | None,
        record: SessionRecord | None = None,
        attached: Sequence[Attachment] | None = None,
    ) -> None:
        """Sends what the state owes to the room's connection. ``record`` and ``attached`` save reads where known.

        When the connection turns out to be closed the room is told, and a newer one, if there is one, is tried once.
        """
        for attempt in range(2):
            if room is None or room.connection_id is None:
                return
            due = owed(state, room.outbox)
            if all(self._post(room.connection_id, self._frame(tenant_id, state, one, record, attached)) for one in due):
                return
            self._rooms.gone(room.runtime_id, room.connection_id)
            room = self._rooms.view(room.runtime_id) if not attempt else None

    def send_stray(self, connection_id: ConnectionId, state: SessionState, turn: OpenTurn) -> None:
        """Tells a daemon to stop a turn that it has open and the session has not."""
        due = stray(state, turn.turn_id, turn.order)
        if isinstance(due, OwedCancel):
            self._post(connection_id, SessionCancel(session_id=state.session_id, turn_id=due.turn_id, order=due.order))
        elif due:
            self._post(connection_id, SessionDispose(session_id=state.session_id))

    def tell_watch(self, session_id: SessionId, connection_id: ConnectionId) -> None:
        """Tells a daemon whether the session is watched now."""
        as_of = self._stores.clock.now()
        attached = self._stores.attachments.of_session(session_id, as_of)
        self._post(connection_id, SessionWatch(session_id=session_id, window_ms=window(attached), as_of=as_of))

    def prompt_content(self, tenant_id: TenantId, session_id: SessionId, turn: Turn) -> tuple[UserBlock, ...]:
        """The whole content that a turn works on."""
        return self._content(tenant_id, session_id, self._accepted(tenant_id, session_id, turn.message.n))

    def _content(self, tenant_id: TenantId, session_id: SessionId, holder: SessionRecord) -> tuple[UserBlock, ...]:
        whole = [self._spill.whole(tenant_id, session_id, event) for event in _messages(holder)]
        return tuple(block for event in whole if isinstance(event, UserMessage) for block in event.content)

    def _post(self, connection_id: ConnectionId, frame: DaemonDown) -> bool:
        return self._stores.sockets.post(connection_id, encode(frame))

    def _frame(
        self,
        tenant_id: TenantId,
        state: SessionState,
        due: Owed,
        record: SessionRecord | None,
        attached: Sequence[Attachment] | None,
    ) -> DaemonDown:
        match due:
            case OwedPrompt(turn):
                return self._prompt(tenant_id, state, turn, record, attached)
            case OwedCancel(turn_id, order):
                return SessionCancel(session_id=state.session_id, turn_id=turn_id, order=order)
            case OwedVerdict():
                return self._verdict(tenant_id, state, due, record)
            case OwedDispose():
                return SessionDispose(session_id=state.session_id)

    def _verdict(
        self, tenant_id: TenantId, state: SessionState, due: OwedVerdict, record: SessionRecord | None
    ) -> PermissionVerdict:
        session_id = state.session_id
        holder = (
            record if record and record.n == due.verdict_n else self._accepted(tenant_id, session_id, due.verdict_n)
        )
        said = next(
            event
            for event in holder.events
            if isinstance(event, UserToolConfirmation) and event.tool_use_id == due.tool_use_id
        )
        asked = next(
            event for event in self._accepted(tenant_id, session_id, due.asked_n).events if event.id == due.tool_use_id
        )
        call = self._spill.whole(tenant_id, session_id, asked)
        return PermissionVerdict(
            session_id=session_id,
            turn_id=due.turn_id,
            tool_use_id=due.tool_use_id,
            result=said.result,
            call_hash=call.call_hash if isinstance(call, AgentToolUse) else None,
            deny_message=said.deny_message,
        )

    def _prompt(
        self,
        tenant_id: TenantId,
        state: SessionState,
        turn: Turn,
        record: SessionRecord | None,
        attached: Sequence[Attachment] | None,
    ) -> SessionPrompt:
        as_of = self._stores.clock.now()
        if attached is None:
            attached = self._stores.attachments.of_session(state.session_id, as_of)
        n = turn.message.n
        holder = record if record and record.n == n else self._accepted(tenant_id, state.session_id, n)
        size = sum(event.n_bytes if isinstance(event, Spilled) else len(encode(event)) for event in _messages(holder))
        content = self._content(tenant_id, state.session_id, holder) if size < MAX_DOWN_BYTES - 1024 else ()
        texts = tuple(block for block in content if isinstance(block, TextBlock))
        return SessionPrompt(
            session_id=state.session_id,
            turn_id=turn.turn_id,
            order=turn.order,
            agent_id=state.agent_id,
            content=texts if texts and len(texts) == len(content) else None,
            window_ms=window(attached),
            as_of=as_of,
        )

    def _accepted(self, tenant_id: TenantId, session_id: SessionId, n: int) -> SessionRecord:
        stored = self._stores.objects.get(session_key(tenant_id, session_id), n)
        assert stored is not None, f"session {session_id} has no record {n}"
        return open_session(stored.body)


def _messages(record: SessionRecord) -> list[Event]:
    return [
        event
        for event in record.events
        if isinstance(event, UserMessage) or (isinstance(event, Spilled) and event.of == "user.message")
    ]


def window(attached: Sequence[Attachment]) -> int | None:
    """The delta window for a session followed by ``attached``: milliseconds, or None when nobody wants deltas."""
    return DELTA_WINDOW_MS if any(one.deltas for one in attached) else None
