"""The desk: what the daemon does with each frame, and the only way into the journal while it works.

What is said to the plane is on disk before (``session.accepted``, batches) or can be lost (deltas, pings). What the
plane says may come twice, late or never; each handler looks at the journal first and answers a repeat with what it
answered before. All turns of a session go through ``_advance``, which compares what the journal says should be with
what runs:

- a turn to be stopped that the runner has is cancelled there, one that it does not have is ended here;
- a turn is given to the runner when no other of its session is with it, and at most once per process;
- one that had been started when the process died is never given to it again: it ends ``unknown``.

Nothing here waits or sleeps. Calls come from one thread; the runner may call back at once.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Final, Literal, assert_never

import msgspec
from msgspec import Struct

from ..core.open_text import OpenText
from ..edge.journal import Journal
from ..edge.journal_rows import DiskFull, TurnRow
from ..errors import MoorError
from ..wire import codec, frames
from ..wire import events as ev
from ..wire.ids import EventId, SessionId, TurnId
from .outbox import DISK_S, RESEND_S, Outbox, is_due
from .ports import Identity, Runner, TurnOrder

PRUNE_S: Final = 24 * 3600.0
"""How often old tombstones are looked for (seconds)."""

_log = logging.getLogger("mooring.desk")


class Desk:
    """One daemon's desk.

    Args:
        journal: nobody else writes it.
        runner: runs turns; see ``Runner``.
        send: sends a frame on the newest connection; it may drop it.
        identity: the runtime, this process, and the facts of its hello.
        dice: gives 32 fresh hex digits at each call.
        clock: epoch seconds.
        resend_s: a batch without an answer for this long is sent again (seconds).

    Attributes:
        taken_over: another daemon speaks for the runtime; this one must stop for good.
    """

    def __init__(
        self,
        journal: Journal,
        runner: Runner,
        send: Callable[[Struct], None],
        identity: Identity,
        *,
        dice: Callable[[], str],
        clock: Callable[[], float],
        resend_s: float = RESEND_S,
    ) -> None:
        self.taken_over = False
        self._journal, self._runner, self._identity = journal, runner, identity
        self._dice, self._clock = dice, clock
        self._outbox = Outbox(journal, send, identity, dice=dice, clock=clock, resend_s=resend_s)
        self._prune_at, self._advance_at = 0.0, math.inf
        self._held_up: set[SessionId] = set()
        self._running: dict[SessionId, TurnId] = {}
        self._disposing: set[SessionId] = set()

    @property
    def online(self) -> bool:
        """Whether the plane has welcomed the connection, and the outbox id with it."""
        return self._outbox.online

    # ---- the process and its connection

    def recover(self) -> None:
        """Settles what a former process left behind. To be called once, before anything else."""
        for row in self._journal.open_turns():
            if row.state == "started":
                why = "The daemon stopped while this turn was running; what the agent still did is not known."
                error = ev.ErrorBody(message=why, code="daemon_restarted")
                told = ev.SessionError(id=self._event_id(), error=error, turn_id=row.turn_id)
                self._journal.end(row.session_id, row.turn_id, [told, self._ending(row.turn_id, "unknown", error)])
                _log.warning("session=%s turn=%s found half-run: reported as unknown", row.session_id, row.turn_id)
        for session_id in sorted({row.session_id for row in self._journal.open_turns()}):
            self._advance(session_id)

    def connected(self) -> None:
        """A connection is open, and ``send`` goes to it: says hello, and again at ``tick`` until welcomed."""
        self._outbox.connected()

    def disconnected(self) -> None:
        """No connection is open. Events gather in the journal, deltas are not said."""
        self._outbox.disconnected()

    def hello(self) -> frames.Hello:
        """The hello of this moment, for a second connection while the first one still works."""
        return self._outbox.hello()

    def introduce(self) -> None:
        """What hello says of the laptop has changed: says it once more on the connection that there is."""
        self._outbox.introduce()

    def tick(self, now: float) -> None:
        """Does what is due at ``now`` (epoch seconds)."""
        if is_due(self._prune_at, now, PRUNE_S):
            self._prune_at = now + PRUNE_S
            self._prune(now)
        if self._held_up and is_due(self._advance_at, now, DISK_S):
            self._advance_at = math.inf
            held_up, self._held_up = self._held_up, set()
            for session_id in held_up:
                self._advance(session_id)
        self._outbox.tick(now, self._runner.active)

    def next_wake(self, now: float) -> float:
        """When ``tick`` next has something to do (epoch seconds, never before ``now``)."""
        return max(now, min(self._prune_at, self._advance_at, self._outbox.next_wake()))

    # ---- what the plane says

    def frame(self, frame: frames.DaemonDown | codec.UnknownFrame | codec.BadFrame) -> None:
        """Does what ``frame`` asks for. A repeat changes nothing and is answered again."""
        match frame:
            case frames.Welcome():
                self._outbox.welcome(frame)
            case frames.SessionPrompt():
                self._prompt(frame)
            case frames.SessionCancel():
                self._cancel(frame)
            case frames.SessionDispose():
                self._dispose(frame)
            case frames.SessionAck():
                if not self._journal.is_buried(frame.session_id):
                    self._outbox.watch(frame.session_id, frame.window_ms, frame.as_of)
                    self._outbox.acknowledged(frame)
            case frames.SessionWatch():
                if not self._journal.is_buried(frame.session_id):
                    self._outbox.watch(frame.session_id, frame.window_ms, frame.as_of)
            case frames.PermissionVerdict():
                self._runner.verdict(frame)
            case frames.Replaced():
                self._replaced(frame)
            case frames.ErrorFrame(code="hello_first"):
                # Another daemon took over while this laptop slept, and is gone: nobody speaks for the runtime now.
                self._outbox.connected()
            case frames.ErrorFrame():
                _log.warning("session=%s %s refused: %s %s", frame.session_id, frame.of, frame.code, frame.message)
            case frames.Pong():
                pass
            case codec.UnknownFrame():
                _log.info("frame of a newer plane skipped: %s", frame.type)
            case codec.BadFrame():
                _log.warning("frame skipped: %s type=%s field=%s", frame.code, frame.type, frame.field)
            case _:
                assert_never(frame)

    # ---- what the runner says

    def start_turn(self, session_id: SessionId, turn_id: TurnId) -> bool:
        """Whether the agent may be called now; the turn then counts as started, whatever happens next.

        False: it was cancelled or superseded meanwhile (and is settled), or was not the runner's to start.
        """
        if self._running.get(session_id) != turn_id:
            return False
        if self._journal.start(session_id, turn_id):
            return True
        row = self._journal.turn(session_id, turn_id)
        if row is not None and row.state == "started":
            return False
        del self._running[session_id]
        self._advance(session_id)
        return False

    def grow(self, session_id: SessionId, text: OpenText) -> None:
        """The text of an open event has grown. Without effect for a turn that does not run."""
        if self._running.get(session_id) == text.turn_id:
            self._outbox.grow(session_id, text)

    def emit(self, session_id: SessionId, events: Sequence[ev.DaemonEvent]) -> bool:
        """Takes whole events; they are on disk when this returns.

        Returns:
            False when some were not taken: the session is gone, or the outbox is full, which a note in it says.

        Raises:
            MoorError: ``event_too_large``; it should have been spilled.
        """
        if not events or self._journal.is_buried(session_id):
            return not events
        return self._outbox.take(session_id, events)

    def end_turn(self, session_id: SessionId, turn_id: TurnId, events: Sequence[ev.DaemonEvent]) -> bool:
        """Ends a turn with its last events, exactly one of them its ``TurnEnded``; then the next one may begin.

        Returns:
            False, taking nothing, when the turn has ended before or its session is gone.

        Raises:
            MoorError: ``bad_turn_end`` or ``event_too_large``; the turn has not ended.
        """
        if [event.turn_id for event in events if isinstance(event, ev.TurnEnded)] != [turn_id]:
            raise MoorError("bad_turn_end", f"The last events of turn {turn_id} must hold its end, once.")
        row = self._journal.turn(session_id, turn_id)
        if row is None or row.state == "done":
            return False
        self._outbox.close_text(session_id, events)
        self._journal.end(session_id, turn_id, (*self._outbox.last_note(session_id, turn_id), *events))
        if self._running.get(session_id) == turn_id:
            del self._running[session_id]
        self._outbox.turn_ended(session_id)
        self._advance(session_id)
        return True

    def remember(self, session_id: SessionId, agent_id: str, continuation: str | None) -> None:
        """Keeps what the provider needs to go on with the session; None forgets it."""
        if not self._journal.is_buried(session_id):
            self._journal.remember(session_id, agent_id, continuation)

    def disposed(self, session_id: SessionId) -> None:
        """The session's child is dead and its folder gone."""
        self._journal.bury(session_id, self._clock())
        self._running.pop(session_id, None)
        self._disposing.discard(session_id)
        self._outbox.forget(session_id)
        self._tell_disposed(session_id)

    # ---- frames

    def _prompt(self, frame: frames.SessionPrompt) -> None:
        session_id, turn_id = frame.session_id, frame.turn_id
        if self._journal.is_buried(session_id):
            self._tell_disposed(session_id)
            return
        self._outbox.watch(session_id, frame.window_ms, frame.as_of)
        if self._journal.turn(session_id, turn_id) is None:
            highest = self._journal.highest_order(session_id)
            if frame.order <= highest or session_id in self._disposing:
                _log.warning("session=%s turn=%s order=%d not run: it is old", session_id, turn_id, frame.order)
                return
            self._journal.accept(session_id, turn_id, frame.order, codec.encode(frame))
        runtime_id = self._identity.runtime_id
        self._outbox.send(frames.SessionAccepted(runtime_id=runtime_id, session_id=session_id, turn_id=turn_id))
        self._advance(session_id)

    def _cancel(self, frame: frames.SessionCancel) -> None:
        session_id, turn_id = frame.session_id, frame.turn_id
        if self._journal.is_buried(session_id):
            self._tell_disposed(session_id)
            return
        if self._journal.turn(session_id, turn_id) is None:
            self._journal.refuse(session_id, turn_id, frame.order, [self._ending(turn_id, "cancelled")])
            self._outbox.flush(session_id)
        self._journal.stop(session_id, frame.order)
        self._advance(session_id)

    def _dispose(self, frame: frames.SessionDispose) -> None:
        session_id = frame.session_id
        if self._journal.is_buried(session_id):
            self._tell_disposed(session_id)
            return
        self._disposing.add(session_id)
        self._journal.stop(session_id, self._journal.highest_order(session_id))
        self._runner.dispose(session_id)

    def _replaced(self, frame: frames.Replaced) -> None:
        """Our own instance is a rotation; an unnamed one proves nothing, and the link settles it."""
        if frame.instance not in ("", self._identity.instance):
            _log.error("runtime=%s another daemon took over; this one stops", self._identity.runtime_id)
            self.taken_over = True
            self._outbox.disconnected()

    # ---- turns

    def _advance(self, session_id: SessionId) -> None:
        """Brings what runs in line with the journal; what a full disk holds up is tried again at a later ``tick``."""
        try:
            self._align(session_id)
        except DiskFull as full:
            _log.error("session=%s its next turn waits: %s", session_id, full)
            self._held_up.add(session_id)
            self._advance_at = self._clock() + DISK_S

    def _align(self, session_id: SessionId) -> None:
        running = self._running.get(session_id)
        must_stop = False
        following: TurnRow | None = None
        for row in self._journal.open_turns(session_id):
            if row.turn_id == running:
                must_stop = row.stop
            elif row.stop:
                self._journal.end(session_id, row.turn_id, [self._ending(row.turn_id, "cancelled")])
                self._outbox.flush(session_id)
            else:
                following = row
        if running is not None:
            if must_stop:
                self._runner.cancel(session_id, running)
        elif following is not None and session_id not in self._disposing:
            self._running[session_id] = following.turn_id
            self._runner.start(self._order(following))

    def _order(self, row: TurnRow) -> TurnOrder:
        prompt = msgspec.json.decode(row.prompt, type=frames.SessionPrompt)
        kept = self._journal.continuation(row.session_id)
        return TurnOrder(
            session_id=row.session_id,
            turn_id=row.turn_id,
            order=row.order,
            agent_id=prompt.agent_id,
            content=prompt.content,
            continuation=kept.text if kept and kept.agent_id == prompt.agent_id else None,
        )

    def _ending(
        self, turn_id: TurnId, outcome: Literal["cancelled", "unknown"], error: ev.ErrorBody | None = None
    ) -> ev.TurnEnded:
        return ev.TurnEnded(id=self._event_id(), turn_id=turn_id, outcome=outcome, error=error)

    def _prune(self, now: float) -> None:
        try:
            self._journal.prune(now)
        except DiskFull as full:
            _log.error("old tombstones stay for a day more: %s", full)

    def _event_id(self) -> EventId:
        return EventId(f"sevt_{self._dice()[:24]}")

    def _tell_disposed(self, session_id: SessionId) -> None:
        self._outbox.send(frames.SessionDisposed(runtime_id=self._identity.runtime_id, session_id=session_id))
