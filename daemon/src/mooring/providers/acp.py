"""The provider for agents that speak ACP, the Agent Client Protocol, over their standard input and output.

The life of a child::

    open:  spawn -> initialize -> session/resume | session/load | session/new
    query: session/prompt, and until its response: updates, permission questions, perhaps session/cancel
    end:   TERM, 10 s, KILL to the whole process group

A conversation taken up again says nothing until its first prompt: what ``session/load`` replays has been told before.
Where an agent keeps our permission policy in one of its modes only, that mode is set before the first prompt.
Time limits stand round every call but the prompt, which takes as long as it takes: it ends by its response, by
``cancel`` or with the child.
Source: ACP protocol version 1; agent-client-protocol 0.12.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from acp import RequestError
from acp.schema import InitializeResponse, PromptCapabilities, PromptResponse
from pydantic import ValidationError

from ..core.happenings import ContextLost, Happening, Noted, Said, Used
from .acp_child import ACPChild
from .acp_client import ACPClient
from .acp_prompt import prompt_blocks, taken
from .acp_session import (
    ACPServer,
    Continuation,
    error_of,
    failure_of,
    mcp_servers,
    read_continuation,
    stop_reason_of,
    used_in,
    version_of,
    ways_back,
)
from .acp_translate import Translator
from .greeting import initialized
from .manners import is_the_models, request_meta, session_mode, unasked
from .ports import Activity, Ask, ChildSpec, ContentBlock, ErrorCode, ProviderError, Sink, TurnError, TurnOutcome

FAILED_OPEN_TERM_S: Final = 2.0
"""What a child that could not be opened is given between TERM and KILL."""

REPLAY_QUIET_S: Final = 0.3
"""A child that has loaded a conversation and is silent for so long has told all of it (seconds)."""

_log = logging.getLogger("mooring.acp")


class ACPProvider:
    """See ``ports.Provider``.

    Args:
        spec: the child to start.
        sink: takes happenings; if it raises, the child is killed and ``query`` raises the same.
        ask: puts questions to a person.
    """

    def __init__(self, spec: ChildSpec, sink: Sink, ask: Ask) -> None:
        self._spec, self._sink = spec, sink
        self._translator = Translator(spec.agent_id)
        self._client = ACPClient(self._translator, self._tell, ask, spec)
        self._child: ACPChild | None = None
        self._continuation: Continuation | None = None
        self._takes = PromptCapabilities()
        self._turn: asyncio.Task[PromptResponse] | None = None
        self._has_prompted = False
        self._is_cancelling = False
        self._has_ended = False
        self._fault: Exception | None = None
        self._aside: list[Said] = []
        self._created = time.monotonic()

    @property
    def continuation(self) -> str | None:
        """See ``ports.Provider``."""
        return self._continuation.dump() if self._continuation else None

    @property
    def alive(self) -> bool:
        """See ``ports.Provider``."""
        return self._child is not None and self._child.is_alive and not self._has_ended

    @property
    def may_ask(self) -> bool:
        """See ``ports.Provider``."""
        return self._spec.permissions.strictest == "always_ask"

    def activity(self) -> Activity:
        """See ``ports.Provider``."""
        last_output = self._child.last_output if self._child else self._created
        return Activity(last_output, self._translator.open_calls)

    async def open(self, continuation: str | None) -> None:
        """See ``ports.Provider``."""
        if self._child is not None:
            raise RuntimeError("a provider is opened once")
        try:
            async with asyncio.timeout(self._spec.handshake_timeout_s):
                self._child = await ACPChild.start(self._spec, self._client, self._updated)
                await self._shake_hands(self._child, continuation)
        except BaseException as exc:
            if self._child is not None:
                await self._child.stop(FAILED_OPEN_TERM_S)
            if (error := self._opening_error(exc)) is None:
                raise
            raise error from exc

    async def query(self, prompt: Sequence[ContentBlock]) -> TurnOutcome:
        """See ``ports.Provider``. If it is asyncio-cancelled, the child is killed: the agent would go on unheard."""
        if self._child is None or self._continuation is None or self._turn is not None:
            raise RuntimeError("a provider is queried when it is open, one turn at a time")
        self._has_prompted, self._is_cancelling = True, False
        self._translator.begin_turn()
        self._client.listen()
        blocks = prompt_blocks(prompt, self._takes)
        sent = self._child.connection.prompt(session_id=self._continuation.session_id, prompt=blocks)
        self._turn = asyncio.get_running_loop().create_task(sent, name="acp prompt")
        try:
            outcome = await self._settle(self._child, self._turn)
        except asyncio.CancelledError:
            self._child.give_up("The turn was abandoned.")
            raise
        finally:
            self._turn = None
            self._client.hush()
            self._tell_aside()
            for happening in self._translator.end_turn():
                self._tell(happening)
        if fault := self._fault or self._client.fault:
            raise fault
        return outcome

    async def push(self, prompt: Sequence[ContentBlock]) -> bool:
        """See ``ports.Provider``. ACP has no way to add to a running turn."""
        return False

    async def cancel(self) -> None:
        """See ``ports.Provider``."""
        turn, child = self._turn, self._child
        if turn is None or child is None or self._continuation is None:
            return
        if not self._is_cancelling:
            self._is_cancelling = True
            # The prompt of a query just begun is written first: a cancel ahead of it would cancel nothing.
            await asyncio.sleep(0)
            try:
                async with asyncio.timeout(self._spec.cancel_timeout_s):
                    with contextlib.suppress(ConnectionError):
                        await child.connection.cancel(session_id=self._continuation.session_id)
                    self._client.hush()
                    await asyncio.wait({turn})
            except TimeoutError:
                _log.warning("agent=%s the cancelled turn did not settle; killed", self._spec.agent_id)
                child.give_up(f"The agent did not settle within {self._spec.cancel_timeout_s:g} s of a cancel.")
        await asyncio.wait({turn})

    async def end(self) -> None:
        """See ``ports.Provider``."""
        self._has_ended = True
        self._client.hush()
        if self._child is not None:
            await self._child.stop()

    async def _shake_hands(self, child: ACPChild, continuation: str | None) -> None:
        if self._has_ended:
            raise ProviderError("agent_failed", "The agent was stopped before it was ready.")
        hello = await initialized(child.connection, self._spec.agent_id)
        self._takes = taken(hello.agent_capabilities)
        servers, refused = mcp_servers(self._spec.mcp_servers, hello.agent_capabilities)
        for name in refused:
            self._tell(Noted("mcp_server_unsupported", name))
        for tool in unasked(self._spec.agent_id, self._spec.permissions):
            self._tell(Noted("policy_not_kept", tool))
        session_id, lost = None, None
        if continuation is not None:
            session_id, lost = await self._take_up(child, hello, continuation, servers)
        if session_id is None:
            new = await child.connection.new_session(
                cwd=str(self._spec.cwd), mcp_servers=servers, **request_meta(self._spec)
            )
            session_id = new.session_id
        await self._keep_policy(child, session_id)
        self._continuation = Continuation(self._spec.agent_id, session_id, version_of(hello))
        if lost is not None:
            self._tell(ContextLost(lost))

    async def _keep_policy(self, child: ACPChild, session_id: str) -> None:
        """Sets the mode in which the agent keeps the session's policy; one that can't must not run under it."""
        policy = self._spec.permissions.strictest
        if (mode := session_mode(self._spec.agent_id, policy)) is None:
            return
        try:
            await child.connection.set_session_mode(mode_id=mode, session_id=session_id)
        except RequestError as exc:
            why = child.blot(error_of(exc)[1])
            text = f"The agent can't keep the policy {policy}: it does not go into its mode {mode!r} ({why})."
            raise ProviderError("agent_failed", text) from exc

    async def _take_up(
        self, child: ACPChild, hello: InitializeResponse, continuation: str, servers: list[ACPServer]
    ) -> tuple[str | None, str | None]:
        """Tries to go on with an earlier conversation: its id, or None and why that can't be had."""
        earlier = read_continuation(continuation, self._spec.agent_id)
        if earlier is None:
            return None, "What was kept of the earlier conversation is not this agent's."
        lost = "This agent can't take up an earlier conversation."
        cwd, meta = str(self._spec.cwd), request_meta(self._spec)
        for way in ways_back(hello.agent_capabilities):
            try:
                if way == "resume":
                    await child.connection.resume_session(earlier.session_id, cwd, mcp_servers=servers, **meta)
                else:
                    await child.connection.load_session(cwd, earlier.session_id, mcp_servers=servers, **meta)
                    await self._until_replayed(child)
            except RequestError as exc:
                lost = child.blot(f"The agent can't {way} the earlier conversation: {error_of(exc)[1]}")
                _log.warning("agent=%s way=%s %s", self._spec.agent_id, way, lost)
            else:
                return earlier.session_id, None
        return None, lost

    async def _until_replayed(self, child: ACPChild) -> None:
        """Waits until the child has said nothing for a moment: Gemini CLI answers a load while it still replays."""
        while (left_s := child.last_output + REPLAY_QUIET_S - time.monotonic()) > 0:
            await asyncio.sleep(left_s)

    def _opening_error(self, exc: BaseException) -> ProviderError | None:
        """Returns what ``open`` raises for an exception, after the child was stopped; None = the exception itself."""
        child = self._child
        if child is None or isinstance(exc, ProviderError):
            return None
        match exc:
            case TimeoutError():
                text = f"The agent did not get ready within {self._spec.handshake_timeout_s:g} s. {child.obituary()}"
                return ProviderError("handshake_timeout", text)
            case RequestError():
                code, text = error_of(exc)
                return ProviderError(code, child.blot(text))
            case ConnectionError():
                return ProviderError("agent_crashed", child.obituary())
            case ValidationError():
                return ProviderError("agent_failed", "The agent's answer is not as ACP has it.")
            case _:
                return None

    async def _settle(self, child: ACPChild, turn: asyncio.Task[PromptResponse]) -> TurnOutcome:
        try:
            response = await turn
        except ValidationError as exc:
            reason = stop_reason_of(exc)
            if reason is None:
                return self._failed("agent_failed", "The agent's answer to the prompt is not as ACP has it.")
            self._tell(Noted("unrecognised_stop_reason", reason))
            return self._stopped(reason)
        except RequestError as exc:
            code, text = error_of(exc)
            return self._failed(code, child.blot(text))
        except ConnectionError:
            await child.buried()
            return self._failed("agent_crashed", child.obituary())
        if usage := used_in(response):
            self._tell(Used(usage))
        if failure := failure_of(response):
            return self._failed(failure[0], child.blot(failure[1]))
        return self._stopped(response.stop_reason)

    def _stopped(self, reason: str) -> TurnOutcome:
        """Some agents end a cancelled turn with ``end_turn``: it was cut short all the same."""
        was_cancelled = self._is_cancelling or self._has_ended or reason == "cancelled"
        return TurnOutcome(reason, "cancelled" if was_cancelled else "completed")

    def _failed(self, code: ErrorCode, text: str) -> TurnOutcome:
        """After a cancel the agent's errors, and its death, are how the turn was cancelled."""
        if self._is_cancelling or self._has_ended:
            return TurnOutcome(None, "cancelled")
        if "".join(said.text for said in self._aside).strip() in text:
            self._aside = []
        return TurnOutcome(None, "failed", TurnError(code, text))

    def _updated(self, params: dict[str, Any]) -> None:
        """Takes the params of a ``session/update``, but for another session's, such as a subagent's."""
        ours = self._continuation.session_id if self._continuation else None
        if not self._has_prompted or params.get("sessionId", ours) != ours:
            return
        update = params.get("update", params)
        happenings = self._translator.update(params)
        self._client.updated()
        for happening in happenings:
            if isinstance(happening, Said) and not is_the_models(self._spec.agent_id, update):
                # It may be the error with which the turn is about to fail, and no answer.
                self._aside.append(happening)
                continue
            if not isinstance(happening, Noted | Used):
                self._tell_aside()
            self._tell(happening)

    def _tell_aside(self) -> None:
        aside, self._aside = self._aside, []
        for said in aside:
            self._tell(said)

    def _tell(self, happening: Happening) -> None:
        if self._fault is not None:
            return
        try:
            self._sink(happening)
        except Exception as exc:  # noqa: BLE001 - the sink's owner gets it from query(), not the library's receive loop
            self._fault = exc
            if self._child is not None:
                self._child.give_up("What the agent says can't be recorded.")
