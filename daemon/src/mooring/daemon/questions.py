"""Permission questions of one turn: put to people, answered by a verdict that is good for exactly one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ..core import happenings as hp
from ..providers.ports import Question, Verdict
from ..wire.frames import PermissionVerdict
from ..wire.ids import EventId
from ..wire.limits import MAX_QUESTIONS, VERDICT_TTL_S

_REPEATED: Final = "This very question has been answered before."
_MISMATCHED: Final = "The answer was to another call than the one that waits."
_EXPIRED: Final = "Nobody answered in time."

_log = logging.getLogger("mooring.questions")


class Questions:
    """One turn's.

    Args:
        hear: takes ``Asked`` and ``Settled``.
        question_id: the event that carries the open question about a call, or None.
        ttl_s: how long a question stays open (seconds).
    """

    def __init__(
        self,
        hear: Callable[[hp.Happening], None],
        question_id: Callable[[str], EventId | None],
        ttl_s: float = VERDICT_TTL_S,
    ) -> None:
        self._hear, self._question_id, self._ttl_s = hear, question_id, ttl_s
        self._open: dict[EventId, asyncio.Future[PermissionVerdict]] = {}
        self._room = asyncio.Semaphore(MAX_QUESTIONS)

    async def ask(self, question: Question) -> Verdict:
        """Waits for a person's answer. See ``providers.ports.Ask``."""
        async with self._room:
            self._hear(
                hp.Asked(
                    call_id=question.call_id,
                    name=question.tool_name,
                    kind=question.kind,
                    input=question.input,
                    title=question.title,
                    call_hash=question.call_hash,
                )
            )
            event_id = self._question_id(question.call_id)
            if event_id is None or event_id in self._open:
                return Verdict("deny", _REPEATED)
            return await self._answered(question, event_id)

    def verdict(self, frame: PermissionVerdict) -> None:
        """Passes an answer on. One for a question that is gone changes nothing."""
        answer = self._open.get(frame.tool_use_id)
        if answer is not None and not answer.done():
            answer.set_result(frame)

    async def _answered(self, question: Question, event_id: EventId) -> Verdict:
        answer: asyncio.Future[PermissionVerdict] = asyncio.get_running_loop().create_future()
        self._open[event_id] = answer
        try:
            async with asyncio.timeout(self._ttl_s):
                frame = await answer
        except TimeoutError:
            self._hear(hp.Settled(call_id=question.call_id, outcome="expired"))
            return Verdict("deny", _EXPIRED)
        except asyncio.CancelledError:
            self._hear(hp.Settled(call_id=question.call_id, outcome="cancelled"))
            raise
        finally:
            del self._open[event_id]
        return self._verdict(question, frame)

    def _verdict(self, question: Question, frame: PermissionVerdict) -> Verdict:
        """An answer that names a hash is good for that one only; the event's id alone names the question as well."""
        if frame.call_hash not in (None, question.call_hash):
            _log.error("session=%s turn=%s verdict for another call: denied", frame.session_id, frame.turn_id)
            self._hear(hp.Settled(call_id=question.call_id, outcome="deny"))
            return Verdict("deny", _MISMATCHED)
        self._hear(hp.Settled(call_id=question.call_id, outcome=frame.result))
        return Verdict(frame.result, frame.deny_message)
