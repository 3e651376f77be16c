"""Frozen logs, and the plane of today that finds them: it goes on with a session as if nothing had been in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import Raw, Struct

from chalicelib.actors.ports import Stores
from chalicelib.core.catalog import Connection, WorkItem
from chalicelib.core.errors import Conflicting, NotFound
from chalicelib.core.object_key import ObjectKey
from chalicelib.core.record import SessionRecord, open_session, verify
from chalicelib.core.session import MessageIn
from chalicelib.core.session_state import SessionState, has_work
from chalicelib.wire import events as ev
from chalicelib.wire import frames
from chalicelib.wire.codec import decode_daemon_down, digest, encode
from chalicelib.wire.ids import ConnectionId, EventId, OutboxId, SessionId, TenantId
from chalicelib.wiring import Plane
from tests.fakes import FakeClock, FakeSockets

from .rows import OPEN, object_key

Logs = Mapping[ObjectKey, list[bytes]]
"""The bodies of an object's records, from the first one on."""

LATER = ConnectionId("conn-later=")


def logs(folder: Path) -> Logs:
    """All logs of a version; a record's path is its object's key and its number."""
    found: dict[ObjectKey, list[bytes]] = {}
    for path in sorted((folder / "records").rglob("*.json")):
        kind, *place = path.parent.relative_to(folder / "records").parts
        found.setdefault(object_key(f"{kind}:{'/'.join(place)}"), []).append(path.read_bytes())
    return found


def load(stores: Stores, kept: Logs, key: ObjectKey, n: int) -> SessionRecord:
    """Writes the session's log up to record ``n``, and all else as it was then. Returns that record."""
    newest = open_session(kept[key][n - 1])
    for other, bodies in kept.items():
        for k, body in enumerate(bodies, 1):
            record = OPEN[other.kind](body)
            if k <= n if other == key else record.at <= newest.at:
                stores.objects.append(other, k, body, record.cause)
    if has_work(newest.state):
        stores.work.put(
            WorkItem(
                runtime_id=newest.state.runtime_id,
                tenant_id=TenantId(key.tenant_id),
                session_id=newest.state.session_id,
                intent=n,
                due=newest.at + 60,
            )
        )
    return newest


class Later:
    """A plane of today over these stores, one old session on it, and the daemon that connects for it.

    Args:
        stores: with a clock and sockets that are fakes.
        key: the session.
    """

    def __init__(self, stores: Stores, key: ObjectKey) -> None:
        self.plane, self.stores, self.key = Plane(stores), stores, key
        self.tenant_id, self.session_id = TenantId(key.tenant_id), SessionId(key.object_id)
        self.clock = cast("FakeClock", stores.clock)
        self._sockets = cast("FakeSockets", stores.sockets)

    @property
    def log(self) -> list[tuple[int, bytes]]:
        """The session's records."""
        return [(one.n, one.body) for one in self.stores.objects.read(self.key, 0, 1000)]

    @property
    def state(self) -> SessionState:
        """The session as it stands."""
        return open_session(self.log[-1][1]).state

    def connect(self) -> list[Any]:
        """A daemon connects that writes from the outbox of the one before, if there was one; what it is told."""
        runtime_id, now = self.state.runtime_id, self.clock.now()
        room = self.plane.rooms.view(runtime_id)
        assert room is not None
        self.plane.frames.connected(
            Connection(
                connection_id=LATER,
                role="daemon",
                tenant_id=self.tenant_id,
                created_at=now,
                expires_at=now + 7200,
                runtime_id=runtime_id,
            )
        )
        outbox = room.outbox or OutboxId("obx_later")
        return self.say(frames.Hello(runtime_id=runtime_id, instance="inst_later", seq=1, outbox=outbox))

    def say(self, frame: Struct) -> list[Any]:
        """The daemon says something; what it is told. Nothing of it is refused."""
        self.plane.frames.on_message(LATER, encode(frame).decode())
        told = [decode_daemon_down(one) for one in self._sockets.posted.pop(LATER, [])]
        assert not [one for one in told if isinstance(one, frames.ErrorFrame | frames.Replaced)]
        return told

    def post(self) -> SessionRecord:
        """Somebody posts a message. Raises as the plane refuses it."""
        message = MessageIn((ev.TextBlock("And now?"),))
        return self.plane.sessions.post(self.tenant_id, self.session_id, (message,), expires_in_s=60.0, cause=None)

    def work_off(self) -> None:
        """The daemon ends every turn, the running one and those that wait."""
        runtime_id, session_id = self.state.runtime_id, self.session_id
        while (turn := self.state.turn) is not None:
            if turn.receipt == "sent":
                self.say(frames.SessionAccepted(runtime_id=runtime_id, session_id=session_id, turn_id=turn.turn_id))
            ended = ev.TurnEnded(
                id=EventId(f"sevt_later{turn.order}"),
                turn_id=turn.turn_id,
                outcome="cancelled" if turn.cancel else "completed",
            )
            batch = next((one.batch for one in self.state.marks if one.outbox == turn.outbox), 0) + 1
            told = self.say(
                frames.SessionEvent(
                    runtime_id=runtime_id,
                    session_id=session_id,
                    outbox=turn.outbox,
                    batch=batch,
                    events=Raw(b"[" + encode(ended) + b"]"),
                )
            )
            [ack] = [one for one in told if isinstance(one, frames.SessionAck)]
            assert (ack.verdict, ack.batch) == ("ok", batch)


def goes_on(later: Later) -> None:
    """The session, as it stands, is connected to, spoken to and worked off, or its deletion is; its log stays whole.

    One that is archived stays readable, and is spoken to no more.
    """
    frozen = later.log
    before = later.state
    told = later.connect()
    if before.status == "open" and before.is_over:
        with pytest.raises(Conflicting, match="session_archived"):
            later.post()
        _lists_everything(later)
    elif before.status == "open":
        answered = {one.tool_use_id for one in before.questions if one.verdict_n is not None}
        assert {one.tool_use_id for one in told if isinstance(one, frames.PermissionVerdict)} == answered
        posted = later.post()
        later.work_off()
        _is_completed(later, posted)
    else:
        with pytest.raises(NotFound, match="session_not_found"):
            later.plane.sessions.head(later.tenant_id, later.session_id)
        disposing = before.status == "deleting"
        assert disposing == (frames.SessionDispose(session_id=later.session_id) in told)
        if disposing:
            later.say(frames.SessionDisposed(runtime_id=before.runtime_id, session_id=later.session_id))
        assert later.state.status == "deleted"
    n, body = frozen[-1]
    assert later.log[:n] == frozen
    assert verify(later.log, (n, digest(body))) == []


def _is_completed(later: Later, posted: SessionRecord) -> None:
    """The message posted got its receipt, and a reader finds it behind everything that was in the log before."""
    [message_id] = [one.id for one in posted.events if isinstance(one, ev.UserMessage)]
    events = [event for _, body in later.log for event in open_session(body).events]
    receipts = [one.status for one in events if isinstance(one, ev.Receipt) and message_id in one.event_ids]
    assert receipts[-1] == "completed"
    assert later.state.phase == "idle"
    _lists_everything(later)


def _lists_everything(later: Later) -> None:
    """A reader finds every event of the log, once."""
    events = [event for _, body in later.log for event in open_session(body).events]
    page = later.plane.reading.page(later.tenant_id, later.session_id, cursor=None, limit=1000, order="asc", ours=True)
    listed = [event["id"] for event in page.events]
    assert len(listed) == len(set(listed))
    assert set(listed) == {one.id for one in events}
