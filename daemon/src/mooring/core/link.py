"""The link: how a daemon stays connected, as a machine over its connections (two, while one replaces the other).

Each connection goes through its own states; the link is OFFLINE when there is none.

    DIALING     a socket is being opened                     opened -> HELLO_SENT
    HELLO_SENT  open, the plane has not welcomed it yet      welcomed -> ONLINE
    ONLINE      the runtime's own; frames go out here        a newer one welcomed -> DRAINING
    DRAINING    replaced by a newer one of ours              its time is over, or closed

Inputs: ``Opened, Welcomed, Heard, Replaced, Closed`` of a connection, ``Tick`` of the clock (at least twice a minute),
``Suspending, Woken`` of the laptop. Outputs: ``Dial, SayHello, SayGoodnight, Use, Close, Wait, GoOffline, Stop``.
Times are seconds of a clock that goes on while the laptop sleeps, and that nobody sets.

Invariants: one connection at most is DIALING or HELLO_SENT; one at most is ONLINE; ``Use`` names the newest welcomed
one; a rotation never closes the old connection before the new one was welcomed. Backoff grows with every failed attempt
and begins anew only after a welcome: a plane that accepts sockets and then fails must not be hammered. After ``Stop``
nothing is dialed again.

What can cross: the close of a connection that is already replaced (changes nothing), a ``replaced`` for the older one
of our own two (ignored), one for the only one (a slower hello of ours won: say hello again), a laptop that slept or a
daemon that was stopped (every socket is dead, though nothing says so yet: all are closed, and one is dialed at once).
A laptop that is about to sleep says goodnight where there is a connection, and dials nothing until it has woken; one
whose sleep was called off without a word dials again after ``SUSPEND_S``.
"""

from __future__ import annotations

import math
from typing import Final, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..errors import EXIT_REFUSED, EXIT_TAKEN_OVER
from ..wire.limits import PING_S, ROTATE_MAX_S, ROTATE_MIN_S
from .link_cues import (
    Close,
    Closed,
    Cue,
    Dial,
    GoOffline,
    Heard,
    Opened,
    Output,
    Replaced,
    SayGoodnight,
    SayHello,
    Stop,
    Suspending,
    Tick,
    Use,
    Wait,
    Welcomed,
    Woken,
)

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0
"""Bounds of the wait between attempts (seconds); the wait itself is a random part of the bound (full jitter)."""

DIAL_S: Final = 45.0
"""How long opening a socket may take (seconds)."""

WELCOME_S: Final = 20.0
"""How long ``welcome`` may take after the first ``hello`` (seconds)."""

DRAIN_S: Final = 5.0
"""How long a replaced connection stays open for frames that are on their way (seconds)."""

SLEPT_S: Final = 60.0
"""More than this between two ticks means that the laptop slept, or the daemon was stopped (seconds)."""

GOODNIGHT_S: Final = 3.0
"""How long the plane may take to close a connection after goodnight (seconds); logind waits 5 s for us by default."""

SUSPEND_S: Final = 30.0
"""How long nothing is dialed for a sleep that was announced (seconds); a real one is longer, or ends with a word."""

TICK_S: Final = 25.0
"""The longest time between two ticks (seconds)."""

Phase = Literal["DIALING", "HELLO_SENT", "ONLINE", "DRAINING"]


class Connection(Struct, frozen=True, kw_only=True):
    """One connection. ``until``: when its phase must have changed; ``heard_at``: last frame on it (seconds)."""

    number: int
    phase: Phase
    until: float
    heard_at: float = 0.0
    rotate_at: float = math.inf


class LinkState(Struct, frozen=True, kw_only=True):
    """The whole. ``retry_at``: when to dial again while OFFLINE; ``instance``: this process; ``attempts`` failed.

    ``rotate_max_s``: the age at which a connection is replaced at the latest (seconds); ``is_suspended``: the laptop is
    about to sleep, or sleeps.
    """

    instance: str
    rotate_max_s: float = ROTATE_MAX_S
    connections: tuple[Connection, ...] = ()
    dialed: int = 0
    attempts: int = 0
    retry_at: float = 0.0
    ticked_at: float | None = None
    ping_s: float = PING_S
    is_stopped: bool = False
    is_suspended: bool = False


class LinkStep(Struct, frozen=True):
    """What follows from an input: the state after it, and what to do, in order."""

    state: LinkState
    outputs: tuple[Output, ...] = ()


TRANSITIONS: Final[dict[tuple[Phase, type], Phase]] = {
    ("DIALING", Opened): "HELLO_SENT",
    ("HELLO_SENT", Welcomed): "ONLINE",
    ("ONLINE", Welcomed): "ONLINE",
    ("ONLINE", Replaced): "HELLO_SENT",
    ("HELLO_SENT", Replaced): "HELLO_SENT",
}
"""What moves a connection on; any other pair is late news of it and changes nothing."""


def is_retryable(status: int | None) -> bool:
    """Whether a connection that ended so is worth dialing again; ``status`` is that of a refused handshake.

    401 and 403 are the plane's word on this laptop's token: no repetition changes it.
    """
    return status not in (401, 403)


def backoff_s(attempts: int, die: float) -> float:
    """How long to wait after ``attempts`` failed ones (at least 1). ``die`` is in [0, 1)."""
    bound = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(attempts - 1, 16))
    return bound * die


def rotate_s(max_s: float, die: float) -> float:
    """The age at which a connection is replaced, at most ``max_s`` (seconds). ``die`` is in [0, 1)."""
    min_s = max_s * ROTATE_MIN_S / ROTATE_MAX_S
    return min_s + die * (max_s - min_s)


def next_look(state: LinkState, now: float) -> float:
    """When ``Tick`` is next due (seconds), at most ``TICK_S`` from now."""
    times = [now + TICK_S, *(one.until for one in state.connections)]
    if not _is_trying(state):
        current = _current(state)
        times.append(current.rotate_at if current else state.retry_at)
    return max(now, min(times))


def decide(state: LinkState, cue: Cue, *, now: float, die: float) -> LinkStep:
    """What follows from ``cue``. ``now`` is in seconds, see the module; ``die`` is a fresh number in [0, 1)."""
    if state.is_stopped:
        return LinkStep(state)
    if isinstance(cue, Tick):
        return _tick(state, now, die)
    if isinstance(cue, Suspending):
        return _suspending(state, now)
    if isinstance(cue, Woken):
        return _woken(state, now)
    one = next((one for one in state.connections if one.number == cue.number), None)
    if one is None:
        return LinkStep(state)
    match cue:
        case Closed():
            return _closed(state, one, cue.status, now, die)
        case Replaced() if cue.instance not in ("", state.instance):
            why = "Another daemon took this runtime over. `moor daemon --take-over` takes it back."
            return _stopped(state, Stop("taken_over", why, EXIT_TAKEN_OVER))
        case Heard():
            return LinkStep(_heard(state, one, now))
    phase = TRANSITIONS.get((one.phase, type(cue)))
    if phase is None:
        return LinkStep(_heard(state, one, now))
    match cue:
        case Opened():
            opened = replace(one, phase=phase, until=now + WELCOME_S, heard_at=now)
            return LinkStep(_with(state, opened), (SayHello(one.number, _current(state) is not None),))
        case Welcomed():
            return _welcomed(state, one, cue.ping_s, now, die)
        case Replaced():
            return _replaced_by_ourselves(state, one, now)
        case _:
            assert_never(cue)


# ---- transitions


def _welcomed(state: LinkState, one: Connection, ping_s: float, now: float, die: float) -> LinkStep:
    rotate_at = min(one.rotate_at, now + rotate_s(state.rotate_max_s, die))
    state = replace(state, attempts=0, ping_s=ping_s)
    online = replace(one, phase="ONLINE", heard_at=now, until=now + _silence_s(ping_s), rotate_at=rotate_at)
    state = _with(state, online)
    for older in state.connections:
        if older.phase == "ONLINE" and older.number != one.number:
            state = _with(state, _draining(older, now + DRAIN_S))
    return LinkStep(state, (Use(one.number),))


def _replaced_by_ourselves(state: LinkState, one: Connection, now: float) -> LinkStep:
    if one.phase == "ONLINE":
        if _is_trying(state):
            return LinkStep(_heard(state, one, now))  # That is the successor's hello.
        one = replace(one, phase="HELLO_SENT", until=now + WELCOME_S, heard_at=now)
        state = _with(state, one)
    return LinkStep(state, (SayHello(one.number, _current(state) is not None),))


def _closed(state: LinkState, one: Connection, status: int | None, now: float, die: float) -> LinkStep:
    if not is_retryable(status):
        why = f"The plane refused this laptop's token ({status}). Run `moor setup` to connect it again."
        return _stopped(_without(state, one), Stop("token_refused", why, EXIT_REFUSED))
    return _lost(_without(state, one), one, now, die)


def _lost(state: LinkState, one: Connection, now: float, die: float) -> LinkStep:
    """After ``one`` is gone: go on with what is left, or wait and dial again."""
    if one.phase == "DRAINING":
        return LinkStep(state)
    outputs: list[Output] = []
    current = _current(state)
    if one.phase == "ONLINE":
        outputs.append(GoOffline())
    else:
        state = replace(state, attempts=state.attempts + 1)
        if one.phase == "HELLO_SENT" and current is None:
            outputs.append(GoOffline())
    if not _is_trying(state):
        wait_s = backoff_s(max(1, state.attempts), die)
        outputs.append(Wait(wait_s))
        if current is not None:
            state = _with(state, replace(current, rotate_at=now + wait_s))
        state = replace(state, retry_at=now + wait_s)
    return LinkStep(state, tuple(outputs))


def _tick(state: LinkState, now: float, die: float) -> LinkStep:
    slept = state.ticked_at is not None and not -SLEPT_S <= now - state.ticked_at <= SLEPT_S
    state = replace(state, ticked_at=now)
    if slept:
        return _woken(state, now)
    outputs: list[Output] = []
    for one in state.connections:
        if one.until <= now:
            step = _lost(_without(state, one), one, now, die)
            state = step.state
            outputs += [Close(one.number, _too_late(one)), *step.outputs]
    current = _current(state)
    due = current.rotate_at if current else state.retry_at
    if not _is_trying(state) and due <= now:
        step = _dial(state, now)
        return LinkStep(step.state, (*outputs, *step.outputs))
    return LinkStep(state, tuple(outputs))


def _suspending(state: LinkState, now: float) -> LinkStep:
    outputs: list[Output] = []
    current = _current(state)
    if current is not None:
        outputs.append(SayGoodnight(current.number))
    outputs += [Close(one.number, "the laptop goes to sleep") for one in state.connections if one is not current]
    if any(one.phase in ("ONLINE", "HELLO_SENT") for one in state.connections):
        outputs.append(GoOffline())
    left = () if current is None else (_draining(current, now + GOODNIGHT_S),)
    state = replace(state, connections=left, attempts=0, retry_at=now + SUSPEND_S, is_suspended=True)
    return LinkStep(state, tuple(outputs))


def _woken(state: LinkState, now: float) -> LinkStep:
    outputs: list[Output] = [Close(one.number, "the laptop slept") for one in state.connections]
    if any(one.phase in ("ONLINE", "HELLO_SENT") for one in state.connections):
        outputs.append(GoOffline())
    # What failed before the sleep says nothing about the network after it.
    step = _dial(replace(state, connections=(), attempts=0, ticked_at=now), now)
    return LinkStep(step.state, (*outputs, *step.outputs))


def _dial(state: LinkState, now: float) -> LinkStep:
    number = state.dialed + 1
    dialing = Connection(number=number, phase="DIALING", until=now + DIAL_S)
    state = replace(state, dialed=number, connections=(*state.connections, dialing), is_suspended=False)
    return LinkStep(state, (Dial(number),))


def _stopped(state: LinkState, stop: Stop) -> LinkStep:
    closes = tuple(Close(one.number, stop.code) for one in state.connections)
    return LinkStep(replace(state, connections=(), is_stopped=True), (*closes, stop))


def _heard(state: LinkState, one: Connection, now: float) -> LinkState:
    if one.phase == "ONLINE":
        return _with(state, replace(one, heard_at=now, until=now + _silence_s(state.ping_s)))
    return state


def _silence_s(ping_s: float) -> float:
    """Two pings, each of which is answered, and a moment for the second answer."""
    return 2 * ping_s + 5.0


def _too_late(one: Connection) -> str:
    silent = {"DIALING": "dialing took too long", "HELLO_SENT": "no welcome", "ONLINE": "no answer to two pings"}
    return silent.get(one.phase, "its time is over")


def _draining(one: Connection, until: float) -> Connection:
    return replace(one, phase="DRAINING", until=until, rotate_at=math.inf)


def _current(state: LinkState) -> Connection | None:
    return next((one for one in state.connections if one.phase == "ONLINE"), None)


def _is_trying(state: LinkState) -> bool:
    return any(one.phase in ("DIALING", "HELLO_SENT") for one in state.connections)


def _with(state: LinkState, one: Connection) -> LinkState:
    changed = tuple(one if other.number == one.number else other for other in state.connections)
    return replace(state, connections=changed)


def _without(state: LinkState, one: Connection) -> LinkState:
    return replace(state, connections=tuple(other for other in state.connections if other.number != one.number))
