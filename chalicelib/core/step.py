"""Step: what every machine's ``decide`` gives back, and the answers that all machines share."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

S = TypeVar("S")
E = TypeVar("E")


class Step(Struct, Generic[S, E], frozen=True):
    """What follows from an input: the state after it, what to append, and the answer to whoever asked.

    What is to be *sent* is not here: it is read off the state afterwards (``owed``), so that it can be read off again
    when a send was lost. A step without events whose state is the state before it appends nothing.
    """

    state: S
    events: tuple[E, ...] = ()
    answer: object = None


class Stale(Struct, frozen=True):
    """The frame came from a connection that has been replaced; ``epoch`` is the one in force."""

    epoch: int
