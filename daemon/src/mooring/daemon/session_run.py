"""One session on this laptop: its one live agent child, and the turn that it works on.

The life of a turn here::

    waits for a place -> told to the desk -> content, bundle, child -> query -> last events -> told to the desk

Whatever stops it (a person, a limit, the daemon) goes through ``halt``: before the query what is being prepared is
cancelled, during it the provider is. However a turn ends, its last events and its end reach the desk together, behind
every event before them. The child stays for the next turn; a dead one is replaced by a child that goes on from the
continuation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ..core import happenings as hp
from ..core.respawn import MAX_DEATHS, Respawn
from ..core.transcript import Transcript
from ..edge.config import AgentConfig
from ..edge.journal_rows import DiskFull
from ..errors import MoorError
from ..providers.ports import ContentBlock, Provider, ProviderError, Question, TurnOutcome, Verdict
from ..wire import events as ev
from ..wire.frames import PermissionVerdict
from ..wire.ids import EventId, SessionId, TurnId
from .desk import Desk
from .ending import DAEMON_STOPPED, Ending, Halt, ending_of
from .errand import errand
from .opening import Opener, PlanePort
from .outbox import DISK_S
from .outflow import Outflow
from .ports import TurnOrder
from .prompt import prompt_of
from .questions import Questions

RELEASE_S: Final = 2.0
"""After this much silence of the agent, a tool call is told that was held back for more to be known of it (seconds)."""

RELEASE_ASKING_S: Final = 15.0
"""The same for an agent that may still ask whether it may run it. OpenCode takes 3 s for that on a busy laptop."""

_T = TypeVar("_T")

_log = logging.getLogger("mooring.turn")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all sessions work with.

    ``poke``: the desk may have something to do now; ``limits``: of an agent's turns; ``busy``: is told whether any turn
    runs; ``woke_at``: when the laptop last woke up (``time.monotonic``).
    """

    desk: Desk
    plane: PlanePort
    opener: Opener
    dice: Callable[[], str]
    poke: Callable[[], None]
    limits: Callable[[str], AgentConfig]
    busy: Callable[[bool], None] = lambda _: None
    woke_at: Callable[[], float] = lambda: 0.0


class _Turn:
    """A turn that runs, and what belongs to it alone."""

    def __init__(self, order: TurnOrder, transcript: Transcript, questions: Questions) -> None:
        self.order, self.transcript, self.questions = order, transcript, questions
        self.halt: Halt | None = None
        self.preparing: asyncio.Task[None] | None = None
        self.is_querying = False
        self.release: asyncio.TimerHandle | None = None
        self.waits_for_place = False
        self.unwritten: list[ev.DaemonEvent] = []


class SessionRun:
    """See the module. ``session_id`` is whose."""

    def __init__(self, session_id: SessionId, setting: Setting) -> None:
        self.session_id = session_id
        self._setting = setting
        self._desk = setting.desk
        self._outflow = Outflow(session_id, self._emit, setting.plane, setting.dice)
        self._provider: Provider | None = None
        self._agent_id = ""
        self._turn: _Turn | None = None
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked_at = 0.0
        self._prompt: tuple[ContentBlock, ...] = ()
        self._respawn = Respawn()
        self._has_stopped = asyncio.Event()

    # ---- what is asked

    @property
    def turn_id(self) -> TurnId | None:
        """The turn that runs or is being prepared, or None."""
        return self._turn.order.turn_id if self._turn else None

    @property
    def has_child(self) -> bool:
        """Whether an agent child lives."""
        return self._provider is not None

    def was_active(self) -> bool:
        """Whether the child lives and put something out since the last call, has a tool call open, or has no place."""
        since, self._looked_at = self._looked_at, time.monotonic()
        if self._turn is not None and self._turn.waits_for_place:
            return True
        if self._turn is None or self._provider is None or not self._provider.alive:
            return False
        activity = self._provider.activity()
        return activity.open_calls > 0 or activity.last_output_monotonic >= since

    # ---- what is told

    async def run(self, order: TurnOrder, seat: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a turn to its end. ``seat`` waits until this session may have a child."""
        transcript = Transcript(order.turn_id, self._setting.dice)
        turn = self._turn = _Turn(order, transcript, Questions(self._hear, transcript.question_id))
        self._idle.clear()
        try:
            await self._prepared(turn, seat())
            turn.waits_for_place = False
            # A turn that was never begun is left in the journal for the next daemon when this one stops.
            if turn.halt != DAEMON_STOPPED and await self._on_disk(
                turn, lambda: self._desk.start_turn(self.session_id, order.turn_id)
            ):
                await self._started(turn)
        finally:
            if turn.release is not None:
                turn.release.cancel()
            self._turn = None
            self._idle.set()
            self._setting.poke()

    def wait_for_place(self, places: int) -> None:
        """As many agents work as may: whoever follows the session is told so once."""
        if self._turn is None or self._turn.waits_for_place:
            return
        self._turn.waits_for_place = True
        _log.info("session=%s waits: %d sessions run", self.session_id, places)
        told = f"As many agents work on the laptop as it allows ({places}); the turn waits for a place."
        # It names no turn: the first event of a turn says that it has started.
        note = ev.Noted(id=self._event_id(), turn_id=TurnId(""), kind="waiting_for_place", text=told)
        self._emit((note,))

    def halt(self, why: Halt) -> None:
        """Stops the running turn, if any. The first reason is the one that counts."""
        turn = self._turn
        if why == DAEMON_STOPPED:
            self._has_stopped.set()
        if turn is None or turn.halt is not None:
            return
        turn.halt = why
        if turn.preparing is not None:
            turn.preparing.cancel()
        elif turn.is_querying and self._provider is not None:
            self._spawn(self._provider.end() if why == DAEMON_STOPPED else self._provider.cancel())

    def verdict(self, frame: PermissionVerdict) -> None:
        """Passes a person's answer on."""
        if self._turn is not None and self._turn.order.turn_id == frame.turn_id:
            self._turn.questions.verdict(frame)

    async def wait_idle(self) -> None:
        """Waits until no turn runs."""
        await self._idle.wait()

    async def close(self) -> None:
        """Ends the child. The conversation can be taken up again."""
        provider, self._provider = self._provider, None
        if provider is not None:
            self._spawn(provider.end())
        await self._settled()

    async def _settled(self) -> None:
        """Waits until no former child is being ended: two must not work in one folder."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def cut_off(self) -> None:
        """Lets go of events that wait for an upload."""
        await self._outflow.cut_off()

    # ---- one turn

    async def _prepared(self, turn: _Turn, step: Coroutine[Any, Any, None]) -> None:
        """Does one step before the query; a halt ends it at once."""
        if turn.halt is not None:
            step.close()
            return
        done = turn.preparing = asyncio.create_task(step)
        await asyncio.wait({done})
        turn.preparing = None
        if not done.cancelled():
            done.result()

    async def _started(self, turn: _Turn) -> None:
        """From here on, the turn's end is told whatever happens."""
        order, outcome = turn.order, None
        ids = f"session={self.session_id} turn={order.turn_id}"
        error: MoorError | None = None
        _log.info("%s agent=%s started", ids, order.agent_id)
        try:
            await self._prepared(turn, self._ready(order))
            if turn.halt is None:
                outcome = await self._query(turn)
        except MoorError as exc:
            error = exc
        except Exception:  # noqa: BLE001 - the child's supervisor is a shell
            _log.exception("%s broke; the turn fails", ids)
            error = MoorError("internal_error", "Something broke in the daemon; its log has the details.")
        ending = ending_of(turn.halt, outcome, error)
        if self._provider is not None and not self._provider.alive:
            await self.close()
        await self._end(turn, ending)
        _log.info("%s ended: %s%s", ids, ending.outcome, f" code={ending.error.code}" if ending.error else "")

    async def _ready(self, order: TurnOrder) -> None:
        """Content and child are there when this returns."""
        content: tuple[ev.UserBlock, ...]
        if order.content is None:
            content = await errand(lambda: self._setting.plane.turn(self.session_id, order.turn_id))
        else:
            content = order.content
        if self._provider is not None and (self._agent_id != order.agent_id or not self._provider.alive):
            await self.close()
        if self._provider is None:
            await self._settled()
            self._provider = await self._opened(order)
            self._agent_id = order.agent_id
            self._desk.remember(self.session_id, order.agent_id, self._provider.continuation)
        setting = self._setting
        self._prompt = await prompt_of(setting.plane, setting.opener, self.session_id, order.turn_id, content)

    async def _opened(self, order: TurnOrder) -> Provider:
        if rest_s := self._respawn.rest_s(time.monotonic()):
            why = f"The agent died {MAX_DEATHS} times in a row while it started; it rests for {rest_s:.0f} s."
            raise MoorError("agent_keeps_dying", f"{why} The last time: {self._respawn.why}")
        try:
            provider = await self._setting.opener.open(
                self.session_id, order.agent_id, order.continuation, self._hear, self._ask
            )
        except ProviderError as exc:
            if exc.code in ("agent_crashed", "handshake_timeout"):
                self._respawn = self._respawn.died(time.monotonic(), exc.message)
            raise
        self._respawn = Respawn()
        return provider

    async def _query(self, turn: _Turn) -> TurnOutcome:
        assert self._provider is not None
        turn.is_querying, turn.transcript.may_ask = True, self._provider.may_ask
        limits = asyncio.create_task(self._watch_limits(self._provider, turn), name="limits")
        try:
            outcome = await self._provider.query(self._prompt)
        finally:
            turn.is_querying = False
            limits.cancel()
        if self._provider.continuation != turn.order.continuation:
            agent_id, continuation = turn.order.agent_id, self._provider.continuation
            await self._on_disk(turn, lambda: self._desk.remember(self.session_id, agent_id, continuation))
        return outcome

    async def _watch_limits(self, provider: Provider, turn: _Turn) -> None:
        """Halts the turn at the laptop's own limits; the plane watches over its own."""
        limits = self._setting.limits(turn.order.agent_id)
        began = time.monotonic()
        while limits.hard_limit_s or limits.idle_limit_s:
            now, activity = time.monotonic(), provider.activity()
            quiet_since = max(began, activity.last_output_monotonic, self._setting.woke_at())
            quiet_since = now if activity.open_calls else quiet_since
            left_s = []
            if limits.hard_limit_s:
                left_s.append((began + limits.hard_limit_s - now, "turn_hard_limit", "ran longer"))
            if limits.idle_limit_s:
                left_s.append((quiet_since + limits.idle_limit_s - now, "turn_idle_limit", "was silent for longer"))
            soonest_s, code, what = min(left_s)
            if soonest_s <= 0:
                self.halt(Halt(code, f"The agent {what} than this laptop's configuration allows."))
                return
            await asyncio.sleep(soonest_s)

    async def _end(self, turn: _Turn, ending: Ending) -> None:
        """Hands over the turn's last events, in one piece with its end unless one of them must be uploaded first."""
        events = turn.transcript.end(ending.outcome, ending.stop_reason, ending.error)
        if ending.error is not None:
            failure = ev.SessionError(id=self._event_id(), error=ending.error, turn_id=turn.order.turn_id)
            events = (*events[:-1], failure, events[-1])
        if not self._outflow.is_clear or self._outflow.must_upload(events):
            self._outflow.put(events[:-1])
            await self._outflow.clear()
            events = events[-1:]
        await self._on_disk(
            turn, lambda: self._desk.end_turn(self.session_id, turn.order.turn_id, (*turn.unwritten, *events))
        )

    async def _on_disk(self, turn: _Turn, write: Callable[[], _T]) -> _T | None:
        """What ``write`` gives, once the disk takes it. None when the daemon stops first: its journal knows no more."""
        while True:
            try:
                return write()
            except DiskFull as full:
                _log.error("session=%s turn=%s waits: %s", self.session_id, turn.order.turn_id, full)
            if self._has_stopped.is_set():
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISK_S):
                    await self._has_stopped.wait()

    # ---- what the provider tells

    def _hear(self, happening: hp.Happening) -> None:
        """Takes what the agent does. Between turns there is nobody to tell it to."""
        turn = self._turn
        if turn is None:
            return
        self._outflow.put(turn.transcript.hear(happening))
        if turn.transcript.open is not None and isinstance(happening, hp.Said):
            self._desk.grow(self.session_id, turn.transcript.open)
        if turn.release is not None:
            turn.release.cancel()
        release_s = RELEASE_ASKING_S if turn.transcript.may_ask else RELEASE_S
        turn.release = asyncio.get_running_loop().call_later(release_s, self._release, turn)
        self._setting.poke()

    def _release(self, turn: _Turn) -> None:
        self._outflow.put(turn.transcript.release())
        self._setting.poke()

    async def _ask(self, question: Question) -> Verdict:
        if self._turn is None:
            return Verdict("deny", "No turn is running.")
        return await self._turn.questions.ask(question)

    def _emit(self, events: Sequence[ev.DaemonEvent]) -> None:
        turn = self._turn
        if turn is not None and turn.unwritten:
            turn.unwritten += events
            return
        try:
            self._desk.emit(self.session_id, events)
        except DiskFull as full:
            _log.error("session=%s the turn is stopped: %s", self.session_id, full)
            if turn is not None:
                # What an agent does that nobody will know of must not go on. Its end is told when there is space again.
                turn.unwritten += events
                self.halt(Halt(full.code, full.message))
        self._setting.poke()

    def _event_id(self) -> EventId:
        return EventId(f"sevt_{self._setting.dice()[:24]}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
