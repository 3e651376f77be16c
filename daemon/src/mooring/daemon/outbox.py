"""The outbox at work: what goes to the plane, when, and what its answers do to the numbers.

Whole events go from the journal's pending rows into one frozen batch per session; while that is in flight the next ones
gather, so that batching adapts to the round trip by itself. Nothing is frozen before the plane has welcomed the
connection with the outbox id that the batch will carry.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Raw, Struct

from ..core.open_text import OpenText
from ..core.voice import Voice
from ..edge.journal import Journal
from ..edge.journal_rows import Batch, DiskFull, OutboxFull
from ..wire import events as ev
from ..wire import frames
from ..wire.ids import EventId, OutboxId, SessionId, TurnId
from ..wire.limits import PING_S
from .ports import Identity

HELLO_S: Final = 5.0
"""How often ``hello`` is repeated until ``welcome`` comes (seconds)."""

MIN_PING_S: Final = 1.0
"""No plane makes a daemon ping more often than this (seconds)."""

RESEND_S: Final = 20.0
"""A batch without an answer for this long is sent again (seconds)."""

DISK_S: Final = 5.0
"""How often what a full disk did not take is tried again (seconds)."""

BULKY = (ev.AgentMessage, ev.AgentThinking, ev.AgentToolResult, ev.Planned, ev.Used, ev.Spilled, ev.Opaque)
"""Events that a full outbox does not take. All others settle something, are few, and are always taken."""

_log = logging.getLogger("mooring.outbox")


class Outbox:
    """What one daemon says to the plane. ``send`` goes to the newest connection and may drop what it is given.

    Attributes:
        online: the plane has welcomed the connection, and the outbox id with it.
    """

    def __init__(
        self,
        journal: Journal,
        send: Callable[[Struct], None],
        identity: Identity,
        *,
        dice: Callable[[], str],
        clock: Callable[[], float],
        resend_s: float = RESEND_S,
    ) -> None:
        self.online = False
        self._journal, self._transmit, self._identity = journal, send, identity
        self._dice, self._clock, self._resend_s = dice, clock, resend_s
        self._voice = Voice(identity.runtime_id)
        self._connected = False
        self._epoch = 0
        self._stale_epoch: int | None = None
        self._ping_s = PING_S
        self._ping_at = self._hello_at = 0.0
        self._hellos = 0
        self._sent_at: dict[SessionId, float] = {}
        self._dropped: dict[SessionId, int] = {}
        self._flush_at = math.inf

    # ---- the connection

    def connected(self) -> None:
        """A connection is open: says hello, and again at ``tick`` until welcomed."""
        self._connected, self.online = True, False
        self._stale_epoch = None
        self._say_hello()

    def disconnected(self) -> None:
        """No connection is open. Events gather in the journal, deltas are not said."""
        self._connected = self.online = False

    def hello(self) -> frames.Hello:
        """The hello of this moment."""
        facts = self._identity.facts()
        self._hellos += 1
        return frames.Hello(
            runtime_id=self._identity.runtime_id,
            instance=self._identity.instance,
            seq=self._hellos,
            outbox=self._journal.outbox,
            version=facts.version,
            hostname=facts.hostname,
            os=facts.os,
            agents=facts.agents,
            local_skills=facts.local_skills,
        )

    def introduce(self) -> None:
        """Says hello once more, since what it says is another now."""
        self.send(self.hello())

    def welcome(self, frame: frames.Welcome) -> None:
        """Sends again what is in flight, then what waits, then the text of what is open."""
        if self._stale_epoch is not None and frame.epoch <= self._stale_epoch:
            return  # It answers a hello with the outbox id that was given up since.
        if self.online and frame.epoch == self._epoch:
            return
        now = self._clock()
        self._connected = self.online = True
        self._epoch, self._stale_epoch = frame.epoch, None
        self._ping_s = max(MIN_PING_S, frame.ping_s)
        self._ping_at = now
        self._sent_at.clear()
        self._send_batches(self._journal.in_flight(), now)
        for session_id in self._journal.ready_sessions():
            self.flush(session_id)
        self._say(self._voice.restate(now))

    def tick(self, now: float, active: Callable[[], tuple[TurnId, ...]]) -> None:
        """Does what is due: hello, ping with what is ``active``, resends, deltas."""
        if self._connected and not self.online and is_due(self._hello_at, now, HELLO_S):
            self._say_hello()
        if not self.online:
            return
        if is_due(self._ping_at, now, self._ping_s):
            self._ping_at = now + self._ping_s
            self.send(self._ping(active()))
        for session_id, sent_at in list(self._sent_at.items()):
            if is_due(sent_at + self._resend_s, now, self._resend_s):
                self._send_batches(self._journal.in_flight(session_id), now)
        if self._flush_at < math.inf and is_due(self._flush_at, now, DISK_S):
            self._flush_at = math.inf
            for session_id in self._journal.ready_sessions():
                self.flush(session_id)
        self._say(self._voice.due(now))

    def next_wake(self) -> float:
        """When ``tick`` next has something to do (epoch seconds); infinity for never."""
        if self.online:
            resend_at = min(self._sent_at.values(), default=math.inf) + self._resend_s
            return min(self._ping_at, self._voice.next_wake(), resend_at, self._flush_at)
        return self._hello_at if self._connected else math.inf

    def send(self, frame: Struct) -> None:
        """Sends a frame that the plane will ask for again if it is lost."""
        if self._connected:
            self._transmit(frame)

    # ---- events and text

    def take(self, session_id: SessionId, events: Sequence[ev.DaemonEvent]) -> bool:
        """Takes whole events and sends them when nothing is in flight. False when a full outbox dropped some."""
        self.close_text(session_id, events)
        took_all = self._append(session_id, events)
        self.flush(session_id)
        return took_all

    def close_text(self, session_id: SessionId, events: Sequence[ev.DaemonEvent]) -> None:
        """What has gathered is said, and ``events`` are whole now."""
        self._say(self._voice.flush(session_id, self._clock()))
        for event in events:
            self._voice.close(session_id, event.id)

    def last_note(self, session_id: SessionId, turn_id: TurnId) -> tuple[ev.Noted, ...]:
        """Closes the turn's text; the note of what a full outbox did not take since the last one, if anything."""
        self._voice.close_turn(session_id, turn_id)
        dropped = self._dropped.get(session_id, 0)
        if not dropped:
            return ()
        told = f"{dropped} events of this turn are missing: the laptop's outbox was full."
        return (ev.Noted(id=self._event_id(), turn_id=turn_id, kind="events_dropped", text=told),)

    def turn_ended(self, session_id: SessionId) -> None:
        """Its last note is on the disk; then the session's next events go out."""
        self._dropped.pop(session_id, None)
        self.flush(session_id)

    def flush(self, session_id: SessionId) -> None:
        """Freezes and sends what waits, unless something is in flight: then it goes on gathering.

        What a full disk does not let go out waits for a later ``tick``.
        """
        if not self.online:
            return
        now = self._clock()
        try:
            batch = self._journal.freeze(session_id, self._voice.live_from(session_id, now))
        except DiskFull as full:
            _log.error("session=%s its events wait: %s", session_id, full)
            self._flush_at = now + DISK_S
            return
        if batch is not None:
            self._send_batches((batch,), now)

    def grow(self, session_id: SessionId, text: OpenText) -> None:
        """The text of an open event has grown."""
        self._say(self._voice.grow(session_id, text, self._clock()))

    def watch(self, session_id: SessionId, window_ms: int | None, as_of: float) -> None:
        """Sets how often text is said (milliseconds, None = not at all), unless a newer ``as_of`` was heard."""
        self._say(self._voice.watch(session_id, window_ms, as_of, self._clock()))

    def forget(self, session_id: SessionId) -> None:
        """The session is gone."""
        self._sent_at.pop(session_id, None)
        self._dropped.pop(session_id, None)
        self._voice.forget(session_id)

    # ---- answers

    def acknowledged(self, frame: frames.SessionAck) -> None:
        """Drops what is in the log now and sends what has gathered; or takes new numbers when these can't be trusted.

        The session is not a buried one: its numbers are gone, so that its late acks would look like another's.
        """
        session_id = frame.session_id
        if frame.outbox != self._journal.outbox:
            return
        if frame.verdict != "ok" or frame.batch > self._journal.highest_batch(session_id):
            self._renew(frame)
            return
        head_n, head_hash = self._journal.head(session_id)
        if head_n and frame.head_n == head_n and frame.head_hash != head_hash:
            _log.error("session=%s record %d of its log is not what it was: it was rewritten", session_id, head_n)
        now = self._clock()
        live_from = self._voice.live_from(session_id, now)
        try:
            following = self._journal.acknowledge(session_id, frame.batch, frame.head_n, frame.head_hash, live_from)
        except DiskFull:
            self._sent_at[session_id] = now + DISK_S - self._resend_s  # It is acknowledged again.
            raise
        if following is not None:
            self._send_batches((following,), now)
        elif not self._journal.in_flight(session_id):
            self._sent_at.pop(session_id, None)

    def _renew(self, frame: frames.SessionAck) -> None:
        """Everything unacknowledged gets new numbers; the plane must welcome the new outbox id before they are used."""
        outbox = OutboxId(f"obx_{self._dice()}")
        _log.warning("session=%s batch=%d %s: outbox is now %s", frame.session_id, frame.batch, frame.verdict, outbox)
        self._journal.renew(outbox)
        self._sent_at.clear()
        self.online = False
        self._stale_epoch = self._epoch
        if self._connected:
            self._say_hello()

    # ---- down to the frames

    def _append(self, session_id: SessionId, events: Sequence[ev.DaemonEvent]) -> bool:
        try:
            self._journal.append(session_id, events)
            return True
        except OutboxFull as full:
            kept: list[ev.DaemonEvent] = [event for event in events if not isinstance(event, BULKY)]
            lost = [event for event in events if isinstance(event, BULKY)]
            if lost and session_id not in self._dropped:
                _log.error("session=%s %s", session_id, full)
                turn_id = getattr(lost[0], "turn_id", None) or TurnId("")
                kept.insert(0, ev.Noted(id=self._event_id(), turn_id=turn_id, kind="outbox_full", text=full.message))
            if lost:
                self._dropped[session_id] = self._dropped.get(session_id, 0) + len(lost)
            self._journal.append(session_id, kept, always=True)
            return not lost

    def _send_batches(self, batches: Sequence[Batch], now: float) -> None:
        for batch in batches if self.online else ():
            self._sent_at[batch.session_id] = now
            self.send(
                frames.SessionEvent(
                    runtime_id=self._identity.runtime_id,
                    session_id=batch.session_id,
                    outbox=batch.outbox,
                    batch=batch.batch,
                    events=Raw(batch.events),
                    live_from=batch.live_from,
                )
            )

    def _say(self, deltas: Sequence[frames.SessionDelta]) -> None:
        for delta in deltas if self.online else ():
            self.send(delta)

    def _ping(self, active: tuple[TurnId, ...]) -> frames.Ping:
        turns = tuple(
            frames.OpenTurn(session_id=row.session_id, turn_id=row.turn_id, order=row.order)
            for row in self._journal.open_turns()
        )
        return frames.Ping(runtime_id=self._identity.runtime_id, active=active, turns=turns)

    def _say_hello(self) -> None:
        self._hello_at = self._clock() + HELLO_S
        self.send(self.hello())

    def _event_id(self) -> EventId:
        return EventId(f"sevt_{self._dice()[:24]}")


def is_due(at: float, now: float, interval_s: float) -> bool:
    """Whether ``at`` has come; also when it is further away than its interval, since then the clock was set back."""
    return not 0 < at - now <= interval_s
