"""Permission questions: bound to one call, answered once, gone with their time or their turn."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from mooring.core.happenings import Happening
from mooring.core.transcript import Transcript
from mooring.daemon.questions import Questions
from mooring.providers.ports import Question
from mooring.wire.events import AgentToolUse, DaemonEvent, PermissionSettled
from mooring.wire.frames import PermissionVerdict
from mooring.wire.ids import EventId
from mooring.wire.limits import MAX_QUESTIONS
from tests.daemon.machine import S, T


class Desk:
    """What the questions of one turn become."""

    def __init__(self, ttl_s: float = 60.0) -> None:
        dice = (f"{number:024x}00000000" for number in itertools.count(1))
        self._transcript = Transcript(T, lambda: next(dice))
        self.events: list[DaemonEvent] = []
        self._heard = asyncio.Event()
        self.questions = Questions(self._hear, self._transcript.question_id, ttl_s)

    def _hear(self, happening: Happening) -> None:
        self.events += self._transcript.hear(happening)
        self._heard.set()

    async def until(self, questions: int) -> None:
        """Waits until so many have been asked."""
        async with asyncio.timeout(15):
            while len(self.asked) < questions:
                self._heard.clear()
                await self._heard.wait()

    @property
    def asked(self) -> list[AgentToolUse]:
        return [one for one in self.events if isinstance(one, AgentToolUse)]

    @property
    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.events if isinstance(one, PermissionSettled)]


def question(call_id: str = "c1", call_hash: str = "h1") -> Question:
    return Question(
        call_id=call_id, title="t", tool_name="edit", kind="edit", input={}, options=(), call_hash=call_hash
    )


def verdict(event_id: str, call_hash: str | None = None) -> PermissionVerdict:
    return PermissionVerdict(
        session_id=S, turn_id=T, tool_use_id=EventId(event_id), result="allow", call_hash=call_hash
    )


@pytest.mark.parametrize(("named", "outcome"), [(None, "allow"), ("h1", "allow"), ("h2", "deny")])
def test_a_verdict_counts_for_the_call_it_names(named: str | None, outcome: str) -> None:
    async def story() -> None:
        desk = Desk()
        asking = asyncio.create_task(desk.questions.ask(question()))
        await desk.until(1)
        desk.questions.verdict(verdict("sevt_none"))
        for _ in range(2):
            desk.questions.verdict(verdict(desk.asked[0].id, named))
        assert (await asking).outcome == outcome
        desk.questions.verdict(verdict(desk.asked[0].id))
        assert desk.outcomes == [outcome]

    asyncio.run(story())


def test_a_question_that_nobody_answers_expires_as_a_denial() -> None:
    async def story() -> None:
        desk = Desk(ttl_s=0.01)
        assert (await desk.questions.ask(question())).outcome == "deny"
        assert desk.outcomes == ["expired"]

    asyncio.run(story())


def test_a_question_falls_away_with_its_turn() -> None:
    async def story() -> None:
        desk = Desk()
        asking = asyncio.create_task(desk.questions.ask(question()))
        await desk.until(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert desk.outcomes == ["cancelled"]

    asyncio.run(story())


def test_the_same_call_is_not_asked_about_twice() -> None:
    async def story() -> None:
        desk = Desk()
        first = asyncio.create_task(desk.questions.ask(question()))
        await desk.until(1)
        assert (await desk.questions.ask(question())).outcome == "deny"
        desk.questions.verdict(verdict(desk.asked[0].id))
        assert (await first).outcome == "allow"
        assert (await desk.questions.ask(question())).outcome == "deny"
        assert len(desk.asked) == 1

    asyncio.run(story())


def test_no_more_questions_are_open_than_the_plane_takes() -> None:
    async def story() -> None:
        desk = Desk()
        asking = [
            asyncio.create_task(desk.questions.ask(question(f"c{number}", f"h{number}")))
            for number in range(MAX_QUESTIONS + 1)
        ]
        await desk.until(MAX_QUESTIONS)
        assert len(desk.asked) == MAX_QUESTIONS
        desk.questions.verdict(verdict(desk.asked[0].id))
        await asking[0]
        await desk.until(MAX_QUESTIONS + 1)
        for task in asking[1:]:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(story())
