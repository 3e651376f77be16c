"""The session objects: accept what people post and daemons say, then tell those who follow, then send what is owed.

The order is fixed: work item, commit, send. The work item is written before the record that takes a session from "no
work" to "work", so that whoever dies between commit and send leaves a note; the next hello, ping or sweep reads it,
loads the session, and sends what the *state* owes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from ..core import session
from ..core.catalog import Agent, Attachment, RuntimeBinding, SessionRow, SessionStatus, SessionSummary, WorkItem
from ..core.errors import NotFound, Refused, raise_refusal
from ..core.naming import event_id
from ..core.record import Head, SessionRecord, open_session
from ..core.repeats import Try
from ..core.runtime_room import RoomState
from ..core.session import Archive, Delete, Item, Post, Repeated, SessionCue, Tick
from ..core.session_state import LOOK_AGAIN_S, Phase, SessionState, has_work, next_look, owed
from ..core.step import Stale, Step
from ..wire.events import Event, SessionCreated
from ..wire.frames import OpenTurn
from ..wire.ids import ReaderId, RuntimeId, SessionId, TenantId, TurnId
from .delivery import Delivery
from .loop import Cause, Done, ObjectLoop
from .ports import ObjectKey, PutRefused, Stores, session_key
from .rooms import Rooms, check_use, seen_by_sessions
from .spill import Spill

SessionDone = Done[SessionState, Event]

STATUS: Mapping[Phase, SessionStatus] = {
    "idle": "idle",
    "running": "running",
    "asking": "idle",
    "rescheduling": "rescheduling",
    "terminated": "terminated",
}
"""A session's phase in the API's words."""


def no_session(session_id: str) -> NotFound:
    """The refusal for a session that is absent, deleted or another tenant's."""
    return NotFound("session_not_found", f"There is no session {session_id}.")


class SessionObjects:
    """Acts on sessions."""

    def __init__(self, stores: Stores, rooms: Rooms, delivery: Delivery, spill: Spill) -> None:
        self._stores = stores
        self._rooms = rooms
        self._spill = spill
        self._delivery = delivery
        self._bindings: dict[tuple[TenantId, SessionId], RuntimeId] = {}
        self.loop: ObjectLoop[SessionState, Event, SessionCue] = ObjectLoop(
            stores.objects, stores.clock, session.decide, open_session, self._prepare
        )

    # ---- what people do

    def create(
        self,
        session_id: SessionId,
        agent: Agent,
        *,
        title: str | None,
        metadata: dict[str, str],
        environment_id: str,
        items: tuple[Item, ...] = (),
        expires_in_s: float,
        at: float | None = None,
        cause: Cause | None = None,
    ) -> SessionRow:
        """Makes a session with the agent as it is now, and posts ``items`` to it if there are any.

        What is there of it already stays, so that who died in the middle of this can do it again, ``at`` the same time
        (epoch seconds), with the same ``cause`` for the post.

        Raises:
            NotFound: ``session_not_found``: it was made before, and deleted.
        """
        binding = self._begin(session_id, agent)
        at = self._stores.clock.now() if at is None else at
        row = SessionRow(
            tenant_id=agent.tenant_id,
            session_id=session_id,
            runtime_id=binding.runtime_id,
            agent=replace(agent, runtime_binding=binding),
            created_at=at,
            updated_at=at,
            environment_id=environment_id,
            title=title,
            metadata=metadata,
        )
        row = self._put(row)
        if items:
            self.post(agent.tenant_id, session_id, items, expires_in_s=expires_in_s, cause=cause)
        return row

    def post(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        items: tuple[Item, ...],
        *,
        expires_in_s: float,
        cause: Cause | None,
        attempt: Try | None = None,
        sender: str | None = None,
        by: str | None = None,
    ) -> SessionRecord:
        """Accepts ``items``, all or none. Returns the record that holds them.

        Of a request that was carried out before, by its ``cause`` or as another try of an SDK's, that is the old one.
        The ``sender`` must be one who may use the session's runtime; None where that was asked before. ``by`` is who
        is said to have answered questions.

        Raises:
            NotFound: ``session_not_found``, ``no_such_question``, ``runtime_not_found``.
            Forbidden: ``runtime_not_shared``.
            TooMany: ``queue_full``.
            Conflicting: ``already_answered``, ``session_archived``.
            Unprocessable: ``idempotency_key_reused``.
        """
        seen: list[RoomState | None] = []

        def cue(head: Head[SessionState]) -> Post:
            seen[:] = [self._rooms.view(head.state.runtime_id)]
            if sender is not None:
                check_use(seen[0], sender)
            return Post(items, expires_in_s, seen_by_sessions(seen[0]), attempt, by)

        done = self.act(tenant_id, session_id, cue, cause)
        was = done.answer.n if isinstance(done.answer, Repeated) else None
        record = done.record if was is None else self.record(tenant_id, session_id, was)
        assert record is not None
        if was is not None or done.repeat:
            self._delivery.send_owed(tenant_id, done.head.state, self._rooms.view(done.head.state.runtime_id))
        else:
            self.settle(tenant_id, done, seen[0])
        return record

    def archive(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Makes the session read only; its folder stays on the laptop. A repeat changes nothing.

        Raises:
            NotFound: ``session_not_found``.
            Conflicting: ``session_running``.
        """
        done = self.act(tenant_id, session_id, lambda _: Archive())
        if done.record:
            self._publish(tenant_id, done)
        else:
            # Whoever archived it may have died before the row said so.
            self._repeat_in_row(tenant_id, done)

    def delete(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Deletes the session here; the laptop is told now, or when it returns. Raises NotFound."""
        done = self.loop.act(session_key(tenant_id, session_id), lambda _: Delete())
        if done is None or done.before.status != "open":
            raise no_session(session_id)
        self.settle(tenant_id, done, self._rooms.view(done.head.state.runtime_id))

    def head(self, tenant_id: TenantId, session_id: SessionId) -> Head[SessionState]:
        """The session as it stands. Raises NotFound when it is absent or deleted."""
        head = self.loop.head(session_key(tenant_id, session_id))
        if head is None or head.state.status != "open":
            raise no_session(session_id)
        return head

    def belongs(self, tenant_id: TenantId, session_id: SessionId, runtime_id: RuntimeId | None = None) -> bool:
        """Whether there ever was such a session of the tenant's, bound to the runtime if one is given.

        That never changes, so it is remembered. Whether the session is deleted is another question.
        """
        key = (tenant_id, session_id)
        if key not in self._bindings:
            head = self.loop.head(session_key(tenant_id, session_id))
            if head is None:
                return False
            if len(self._bindings) > 10_000:
                self._bindings.clear()
            self._bindings[key] = head.state.runtime_id
        return runtime_id in (None, self._bindings[key])

    def act(
        self,
        tenant_id: TenantId,
        session_id: SessionId,
        cue: Callable[[Head[SessionState]], SessionCue],
        cause: Cause | None = None,
    ) -> SessionDone:
        """Does what a person asks for. Raises NotFound, and whatever the session refuses it with."""
        done = self.loop.act(session_key(tenant_id, session_id), cue, cause)
        if done is None:
            raise no_session(session_id)
        if isinstance(done.answer, Refused):
            raise_refusal(done.answer)
        return done

    def record(self, tenant_id: TenantId, session_id: SessionId, n: int) -> SessionRecord:
        """Record ``n``, which must be there."""
        stored = self._stores.objects.get(session_key(tenant_id, session_id), n)
        assert stored is not None, f"session {session_id} has no record {n}"
        return open_session(stored.body)

    def _begin(self, session_id: SessionId, agent: Agent) -> RuntimeBinding:
        """Writes the session's first record if there is none. Returns on which laptop it runs."""
        binding = agent.runtime_binding
        assert binding is not None
        first = SessionState(
            session_id=session_id,
            runtime_id=binding.runtime_id,
            agent_id=binding.acp_agent_id,
            idle_limit_s=agent.idle_limit_s,
            hard_limit_s=agent.hard_limit_s,
        )
        created = SessionCreated(id=event_id(session_id, 1, "e0"))
        if self.loop.begin(session_key(agent.tenant_id, session_id), first, (created,)):
            return binding
        # Another try began it. Its laptop is the session's, whatever the agent is bound to by now.
        state = self.head(agent.tenant_id, session_id).state
        return replace(binding, runtime_id=state.runtime_id, acp_agent_id=state.agent_id)

    def _put(self, row: SessionRow) -> SessionRow:
        """The row, written or as it stands: who does the same again may know the agent in a newer version."""
        try:
            self._stores.sessions.put(row)
        except PutRefused:
            return self._stores.sessions.get(row.tenant_id, row.session_id) or row
        return row

    # ---- what the room's connection and time bring

    def repair(
        self,
        room: RoomState,
        *,
        active: tuple[TurnId, ...] = (),
        turns: tuple[OpenTurn, ...] = (),
        attached_now: bool = False,
    ) -> None:
        """Looks at every session that owes this runtime something, and sends it.

        Args:
            room: the runtime's room, attached.
            active: the turns that its ping reports as working.
            turns: the turns that it has open; those that were given up here are cancelled there.
            attached_now: after a hello: what is watched is told again.
        """
        heads: dict[SessionId, Head[SessionState] | None] = {}
        for item in self._stores.work.of_runtime(room.runtime_id):
            head = heads[item.session_id] = self._look(item, room, active)
            if head and attached_now and head.state.turn and room.connection_id:
                self._delivery.tell_watch(item.session_id, room.connection_id)
        for turn in turns:
            head = heads.get(turn.session_id) or self.loop.head(session_key(room.tenant_id, turn.session_id))
            if head and head.state.runtime_id == room.runtime_id and room.connection_id:
                self._delivery.send_stray(room.connection_id, head.state, turn)

    def sweep(self) -> int:
        """Looks at every session whose due time has come. Idempotent. Returns how many it looked at."""
        now, looked = self._stores.clock.now(), 0
        for item in self._stores.work.due(now):
            looked += 1
            self._look(item, self._rooms.view(item.runtime_id), ())
        return looked

    def _look(self, item: WorkItem, room: RoomState | None, active: tuple[TurnId, ...]) -> Head[SessionState] | None:
        key = session_key(item.tenant_id, item.session_id)
        done = self.loop.act(key, lambda _: Tick(seen_by_sessions(room), active))
        if done is None:
            # The item is written before the record, and the session's first record before both: nobody made it.
            self._stores.work.delete(item.runtime_id, item.session_id, item.intent)
            return None
        if isinstance(done.answer, Stale):
            return done.head
        if done.record:
            self._publish(item.tenant_id, done)
        if done.head.state.status != "open":
            self._stores.sessions.delete(item.tenant_id, item.session_id)
        self._delivery.send_owed(item.tenant_id, done.head.state, room, done.record)
        self._plan(item, done.head)
        return done.head

    def _plan(self, item: WorkItem, head: Head[SessionState]) -> None:
        """Sets when the sweep is to look again: later once its time has come, sooner when a deadline comes before it.

        An item whose record was never written, because its writer died before, stays until later work ends.
        """
        now = self._stores.clock.now()
        if not has_work(head.state) and item.intent <= head.n:
            self._stores.work.delete(item.runtime_id, item.session_id, head.n)
            return
        due = next_look(head.state, now)
        if due < item.due or item.due <= now:
            self._stores.work.postpone(item, due)

    # ---- after a commit

    def settle(self, tenant_id: TenantId, done: SessionDone, room: RoomState | None) -> Sequence[Attachment]:
        """Tells the followers of a new record, sends what it makes newly owed, tidies up. Returns the followers."""
        state, before = done.head.state, done.before
        if done.record is None:
            return ()
        attached = self._publish(tenant_id, done)
        if owed(state, state.outbox) and owed(state, state.outbox) != owed(before, state.outbox):
            self._delivery.send_owed(tenant_id, state, room, done.record, attached)
        if has_work(before) and not has_work(state):
            self._stores.work.delete(state.runtime_id, state.session_id, done.head.n)
        return attached

    def followers(self, session_id: SessionId) -> tuple[Sequence[Attachment], float]:
        """Who follows the session, and as of when."""
        as_of = self._stores.clock.now()
        return self._stores.attachments.of_session(session_id, as_of), as_of

    def tell_watch(self, tenant_id: TenantId, session_id: SessionId) -> None:
        """Tells the daemon whether the session is watched, if a turn of it runs there."""
        head = self.loop.head(session_key(tenant_id, session_id))
        if head and head.state.turn:
            room = self._rooms.view(head.state.runtime_id)
            if room and room.connection_id and room.outbox == head.state.turn.outbox:
                self._delivery.tell_watch(session_id, room.connection_id)

    def drop_follower(self, session_id: SessionId, reader_id: ReaderId) -> None:
        """Somebody follows the session no longer."""
        self._stores.attachments.remove(session_id, reader_id)

    def _publish(self, tenant_id: TenantId, done: SessionDone) -> Sequence[Attachment]:
        assert done.record is not None
        state = done.head.state
        attached = self._delivery.publish(tenant_id, state, done.record)
        if state.status != "open":
            self._stores.sessions.delete(tenant_id, state.session_id)
        elif STATUS[state.phase] != STATUS[done.before.phase]:
            self._repeat_in_row(tenant_id, done)
        return attached

    def _repeat_in_row(self, tenant_id: TenantId, done: SessionDone) -> None:
        head, state = done.head, done.head.state
        summary = SessionSummary(
            status=STATUS[state.phase],
            n=head.n,
            at=head.at if state.archived_at is None else state.archived_at,
            active_s=state.active_s,
            running_since=state.running_since,
        )
        if state.archived_at is None:
            self._stores.sessions.summarise(tenant_id, state.session_id, summary)
        else:
            self._stores.sessions.archive(tenant_id, state.session_id, summary)

    def _prepare(
        self, key: ObjectKey, before: SessionState, step: Step[SessionState, Event], n: int
    ) -> tuple[Event, ...]:
        tenant_id, state = TenantId(key.tenant_id), step.state
        now = self._stores.clock.now()
        # Work may be due before it was: a message that expires sooner than what the sweep has planned to look at.
        expires_at = min((one.expires_at for one in state.waiting), default=math.inf)
        if has_work(state) and (not has_work(before) or expires_at < next_look(before, now)):
            self._stores.work.put(
                WorkItem(
                    runtime_id=state.runtime_id,
                    tenant_id=tenant_id,
                    session_id=state.session_id,
                    intent=n,
                    due=min(now + LOOK_AGAIN_S, next_look(state, now)),
                )
            )
        return self._spill.put_aside(tenant_id, state.session_id, step.events)
