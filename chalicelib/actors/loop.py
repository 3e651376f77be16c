"""The loop: the only place where an object is loaded, decided about and committed.

An object is its log. To act is to load the newest record, let the pure machine decide, and put the next record on the
condition that its number is free. A refused put means that our own put was applied and its answer lost (the record that
stands there is ours, byte for byte), or that somebody else was faster: then we load and decide again. What must not
happen twice is recognised by the state (frames carry numbers) or by the record's ``cause`` (requests carry an
idempotency key), which is looked for after each load, and so again after each refused put.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from ..core.errors import Busy, Unprocessable
from ..core.record import FIRST_PREV, Head, Record, seal
from ..core.step import Step
from ..wire.codec import digest
from .ports import Clock, ObjectKey, Objects, PutRefused, Stored

S = TypeVar("S")
E = TypeVar("E")
C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)

MAX_ATTEMPTS = 40
"""Tries to commit before ``object_busy``: with full jitter this outlasts 50 writers of one object at once."""

_JITTER_S = 0.004
_MAX_JITTER_S = 0.25


class Cause(Struct, frozen=True):
    """Why a record is written: the request's idempotency key, and the hash of its body."""

    key: str
    digest: str


class Done(Struct, Generic[S, E], frozen=True, kw_only=True):
    """What an act came to.

    Attributes:
        head: the object after it (or as it stands, when nothing changed).
        before: the state before it.
        record: the record written, or for a repeat the one that the first request wrote; None when nothing changed.
        answer: the machine's answer.
        repeat: the request had been carried out before.
    """

    head: Head[S]
    before: S
    record: Record[S, E] | None
    answer: object
    repeat: bool = False


class Machine(Protocol[C_contra]):
    """A pure machine's ``decide``."""

    def __call__(self, state: Any, cue: C_contra, *, n: int, now: float) -> Step[Any, Any]:
        """See the machines in ``core``."""


class ObjectLoop(Generic[S, E, C]):
    """Acts on objects of one kind.

    Args:
        objects: the logs.
        clock: time, and the jitter between two tries.
        machine: the pure ``decide``.
        open_record: a record from its stored bytes.
        prepare: called before each put with the state before, the step and the number: makes sure that what must exist
            before the record does, and returns the events as they are to be stored.
    """

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        machine: Machine[C],
        open_record: Callable[[bytes], Record[S, E]],
        prepare: Callable[[ObjectKey, S, Step[S, E], int], tuple[E, ...]] | None = None,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._machine = machine
        self._open = open_record
        self._prepare = prepare

    def head(self, key: ObjectKey) -> Head[S] | None:
        """The object as it stands, or None when there is no such object."""
        stored = self._objects.newest(key)
        return self._head(stored) if stored else None

    def begin(self, key: ObjectKey, state: S, events: tuple[E, ...]) -> bool:
        """Writes record 1. False when the object exists."""
        first = Record(n=1, at=self._clock.now(), prev=FIRST_PREV, state=state, events=events)
        try:
            self._objects.append(key, 1, seal(first), None)
        except PutRefused:
            return False
        return True

    def act(self, key: ObjectKey, cue: Callable[[Head[S]], C], cause: Cause | None = None) -> Done[S, E] | None:
        """Decides and commits.

        Args:
            key: the object.
            cue: makes the input; called once a try, after the load, so that what it reads is no older than the state.
            cause: the request's idempotency key, if it has one.

        Returns:
            What it came to, or None when there is no such object.

        Raises:
            Unprocessable: ``idempotency_key_reused``, with another body.
            Busy: ``object_busy`` after ``MAX_ATTEMPTS``; nothing was changed by this call.
        """
        for attempt in range(MAX_ATTEMPTS):
            stored = self._objects.newest(key)
            if stored is None:
                return None
            head = self._head(stored)
            if cause:
                repeated = self._repeated(key, head, cause)
                if repeated:
                    return repeated
            now = self._clock.now()
            step = self._machine(head.state, cue(head), n=head.n + 1, now=now)
            if step.state == head.state and not step.events:
                return Done(head=head, before=head.state, record=None, answer=step.answer)
            done = self._commit(key, head, step, cause, now)
            if done:
                return done
            jitter = int(self._clock.token(2), 16) / 0xFFFF
            self._clock.pause(jitter * min(_MAX_JITTER_S, _JITTER_S * 2 ** min(attempt, 8)))
        raise Busy(
            "object_busy", f"Too many writers at {key.kind} {key.object_id} at once; try again.", retry_after_s=1
        )

    def _commit(
        self, key: ObjectKey, head: Head[S], step: Step[S, E], cause: Cause | None, now: float
    ) -> Done[S, E] | None:
        n = head.n + 1
        events = self._prepare(key, head.state, step, n) if self._prepare else step.events
        record: Record[S, E] = Record(
            n=n,
            at=now,
            prev=head.hash,
            state=step.state,
            events=events,
            nonce=self._clock.token(8),
            cause=cause.key if cause else None,
            cause_digest=cause.digest if cause else None,
        )
        body = seal(record)
        try:
            self._objects.append(key, n, body, cause.key if cause else None)
        except PutRefused:
            standing = self._objects.get(key, n)
            if standing is None or standing.body != body:
                return None
            # Our own put, whose answer was lost: what follows a commit is still to be done, and we are who does it.
        after = Head(n, digest(body), now, step.state)
        return Done(head=after, before=head.state, record=record, answer=step.answer)

    def _repeated(self, key: ObjectKey, head: Head[S], cause: Cause) -> Done[S, E] | None:
        stored = self._objects.by_cause(key, cause.key)
        if stored is None:
            return None
        record = self._open(stored.body)
        if record.cause_digest != cause.digest:
            raise Unprocessable("idempotency_key_reused", "This Idempotency-Key was used before with another body.")
        return Done(head=head, before=head.state, record=record, answer=None, repeat=True)

    def _head(self, stored: Stored) -> Head[S]:
        record = self._open(stored.body)
        return Head(record.n, digest(stored.body), record.at, record.state)
