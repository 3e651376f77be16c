"""Making: which session a request makes, as a machine, so that the request's repeat makes no second one.

A request has a log of its own, found by what its repeats have too: its idempotency key, or without one its body and the
key that asks. Under an idempotency key one session is made, ever. Under a body every first try of an SDK's makes one,
since people do ask for several sessions with the same words; another try of a request that made one gets that one.

The session is named here before it exists. Whoever is told the name of another try's makes what is missing of it.
"""

from __future__ import annotations

from msgspec import Struct

from ..wire.ids import SessionId
from .errors import Refused
from .repeats import KEPT, WINDOW_MS, Try, is_repeat
from .step import Step


class Making(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session that a request makes.

    Attributes:
        session_id: its name.
        at: when it was named (epoch seconds); its time of making.
        digest: hash of the request's body.
        attempt: which try of an SDK's it was; None under an idempotency key.
    """

    session_id: SessionId
    at: float
    digest: str
    attempt: Try | None = None


class MakingState(Struct, frozen=True):
    """The sessions made, newest last."""

    made: tuple[Making, ...] = ()


class Make(Struct, frozen=True):
    """A request comes in. If nothing was made for it, ``making`` is what it makes."""

    making: Making


def decide(state: MakingState, cue: Make, *, n: int, now: float) -> Step[MakingState, None]:
    """What a request makes: the step answers the ``Making`` that counts, or ``Refused``. ``now`` is epoch seconds."""
    one = cue.making
    if one.attempt is None:
        if state.made and state.made[0].digest != one.digest:
            why = "This Idempotency-Key was used before with another body."
            return Step(state, answer=Refused("idempotency_key_reused", why))
        found = state.made[0] if state.made else None
    else:
        tries = ((each, each.attempt) for each in reversed(state.made))
        found = next((each for each, tried in tries if tried and is_repeat(tried, one.attempt)), None)
    if found:
        return Step(state, answer=found)
    kept = tuple(each for each in state.made if each.at * 1000 >= now * 1000 - 2 * WINDOW_MS)[-KEPT:]
    return Step(MakingState((*kept, one)), answer=one)
