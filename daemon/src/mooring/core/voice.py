"""The voice: when the text of open events is sent as deltas, and under which numbers.

Nobody watches: nothing is said. Somebody watches: the first piece at once, then what has gathered once per window. When
watching begins, and after each new connection (whose predecessor may have lost some), every open event is told from its
first character, so that a viewer never needs what was said before.

Counters grow within a session and are never used twice: they begin at the clock's milliseconds, which a restarted
daemon finds higher than any number that its predecessor can have reached at less than a thousand deltas a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from ..wire.frames import SessionDelta
from ..wire.ids import EventId, RuntimeId, SessionId, TurnId
from .open_text import OpenText

DELTA_CHARS: Final = 4000
"""Characters of one delta: even if each needs six bytes as JSON, it fits the 30 KB frame that viewers get."""


class _Told:
    """An open event: how many characters were told, and the lowest counter that still matters for it."""

    def __init__(self, text: OpenText) -> None:
        self.text = text
        self.chars = 0
        self.lowest: int | None = None


class _Session:
    def __init__(self, now: float) -> None:
        self.window_ms: int | None = None
        self.as_of = 0.0
        self.counter = int(now * 1000)
        self.next_at = now
        self.open: dict[EventId, _Told] = {}

    def has_untold(self) -> bool:
        return self.window_ms is not None and any(one.chars < one.text.length for one in self.open.values())

    def is_due(self, now: float) -> bool:
        """The window is over, or the clock was set back behind it."""
        return self.window_ms is not None and not 0 < self.next_at - now <= self.window_ms / 1000


class Voice:
    """The deltas of one runtime's sessions. Every method that returns frames expects them to be sent, in order."""

    def __init__(self, runtime_id: RuntimeId) -> None:
        self._runtime_id = runtime_id
        self._sessions: dict[SessionId, _Session] = {}

    def watch(self, session_id: SessionId, window_ms: int | None, as_of: float, now: float) -> tuple[SessionDelta, ...]:
        """Sets the window (milliseconds, None = say nothing), unless something newer than ``as_of`` was heard."""
        session = self._session(session_id, now)
        if as_of <= session.as_of:
            return ()
        session.as_of = as_of
        began = session.window_ms is None and window_ms is not None
        session.window_ms = window_ms
        return self._restate(session_id, session, now) if began else ()

    def grow(self, session_id: SessionId, text: OpenText, now: float) -> tuple[SessionDelta, ...]:
        """``text`` is open and may have grown."""
        session = self._session(session_id, now)
        session.open.setdefault(text.event_id, _Told(text))
        return self._speak(session_id, session, now) if session.is_due(now) else ()

    def flush(self, session_id: SessionId, now: float) -> tuple[SessionDelta, ...]:
        """All that has gathered, whatever the window: a whole event is about to follow."""
        session = self._sessions.get(session_id)
        return self._speak(session_id, session, now) if session else ()

    def close(self, session_id: SessionId, event_id: EventId) -> None:
        """The event is whole."""
        if session_id in self._sessions:
            self._sessions[session_id].open.pop(event_id, None)

    def close_turn(self, session_id: SessionId, turn_id: TurnId) -> None:
        """Nothing of the turn is being written any more."""
        if session_id in self._sessions:
            session = self._sessions[session_id]
            session.open = {key: one for key, one in session.open.items() if one.text.turn_id != turn_id}

    def forget(self, session_id: SessionId) -> None:
        """The session is gone."""
        self._sessions.pop(session_id, None)

    def restate(self, now: float) -> tuple[SessionDelta, ...]:
        """The text so far of all that is open and watched: what was said before may not have arrived."""
        found = [self._restate(session_id, session, now) for session_id, session in self._sessions.items()]
        return tuple(delta for deltas in found for delta in deltas)

    def due(self, now: float) -> tuple[SessionDelta, ...]:
        """What has gathered where the window is over."""
        found = [self._speak(key, one, now) for key, one in self._sessions.items() if one.is_due(now)]
        return tuple(delta for deltas in found for delta in deltas)

    def next_wake(self) -> float:
        """When ``due`` will next have something to say (epoch seconds); infinity when nothing has gathered."""
        return min((one.next_at for one in self._sessions.values() if one.has_untold()), default=math.inf)

    def live_from(self, session_id: SessionId, now: float) -> int:
        """The lowest counter of an event still being written, else the next one."""
        session = self._session(session_id, now)
        lowest = [one.lowest for one in session.open.values() if one.lowest is not None]
        return min(lowest, default=session.counter)

    def _session(self, session_id: SessionId, now: float) -> _Session:
        return self._sessions.setdefault(session_id, _Session(now))

    def _restate(self, session_id: SessionId, session: _Session, now: float) -> tuple[SessionDelta, ...]:
        for one in session.open.values():
            one.chars, one.lowest = 0, None
        return self._speak(session_id, session, now)

    def _speak(self, session_id: SessionId, session: _Session, now: float) -> tuple[SessionDelta, ...]:
        if session.window_ms is None or not session.has_untold():
            return ()
        session.next_at = now + session.window_ms / 1000
        return tuple(delta for one in session.open.values() for delta in self._pieces(session_id, session, one))

    def _pieces(self, session_id: SessionId, session: _Session, one: _Told) -> Iterator[SessionDelta]:
        whole = one.text.text() if one.chars < one.text.length else ""
        while one.chars < len(whole):
            piece = whole[one.chars : one.chars + DELTA_CHARS]
            if one.lowest is None:
                one.lowest = session.counter
            yield SessionDelta(
                runtime_id=self._runtime_id,
                session_id=session_id,
                turn_id=one.text.turn_id,
                counter=session.counter,
                event_id=one.text.event_id,
                event_type=one.text.event_type,
                offset=one.chars,
                text=piece,
            )
            session.counter += 1
            one.chars += len(piece)
