"""The client's side of ACP, as far as an agent may call it: permission questions. Files and terminals are not offered.

A question is answered once: by a person, by allow-once where the policy for its tool is ``always_allow``, or with
``cancelled`` when its turn is cancelled or over before that. An answer names one of the agent's own options, chosen by
its kind. A yes is good for this call alone: where an agent offers only to be allowed always, it is not allowed.
Source: ACP protocol version 1, ``session/request_permission``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from acp.schema import AllowedOutcome, DeniedOutcome, PermissionOption, RequestPermissionResponse, ToolCallUpdate

from ..core.happenings import Happening, Noted, ToolUpdated
from .acp_translate import Call, Translator, question_input
from .manners import tells_arguments_late
from .ports import Ask, ChildSpec, Choice, Question, Verdict, call_hash
from .tools import tools_of

ARGUMENTS_S: Final = 1.0
"""How long a question of an agent that may tell the arguments of its call later is held for them (seconds)."""

_KINDS: Final = {"allow": ("allow_once",), "deny": ("reject_once", "reject_always")}


class ACPClient:
    """Answers an agent's requests during a turn; outside of one every question is answered ``cancelled``.

    Args:
        translator: knows what the agent said of the call before it asked.
        tell: takes happenings.
        ask: puts a question to a person.
        spec: the session's folder, and who answers which question.

    Attributes:
        fault: what ``ask`` raised, if it did.
    """

    def __init__(self, translator: Translator, tell: Callable[[Happening], None], ask: Ask, spec: ChildSpec) -> None:
        self.fault: BaseException | None = None
        self._translator, self._tell, self._ask, self._spec = translator, tell, ask, spec
        self._is_listening = False
        self._open: set[asyncio.Future[Verdict]] = set()
        self._news = asyncio.Event()

    def listen(self) -> None:
        """Takes questions from now on."""
        self._is_listening = True

    def hush(self) -> None:
        """Answers the open questions, and all from now on, with ``cancelled``."""
        self._is_listening = False
        self._news.set()
        for asked in self._open:
            asked.cancel()

    def updated(self) -> None:
        """More may be known of a call that a question is about."""
        self._news.set()

    async def request_permission(
        self, session_id: str, tool_call: ToolCallUpdate, options: list[PermissionOption], **_meta: Any
    ) -> RequestPermissionResponse:
        """Answers whether the agent may run a call. Called by the library."""
        if not self._is_listening:
            return _cancelled()
        shown = tool_call.model_dump(mode="json", by_alias=True, exclude_none=True)
        happenings, call = self._translator.asked(shown)
        for happening in happenings:
            self._tell(happening)
        if self._may_run(call):
            if not call.input:
                # Nobody is asked, and the log shows all the same what was allowed.
                self._tell(ToolUpdated(call_id=call.call_id, input=question_input(call, shown)))
            return self._answer(options, "allow")
        if tells_arguments_late(self._spec.agent_id) and not await self._is_known(call):
            return _cancelled()
        arguments = question_input(call, shown)
        question = Question(
            call_id=call.call_id,
            title=call.title or call.name,
            tool_name=call.name,
            kind=call.kind,
            input=arguments,
            options=tuple(Choice(option.option_id, option.name, option.kind) for option in options),
            call_hash=call_hash(call.name, arguments, self._spec.cwd),
        )
        verdict = await self._put(question)
        call.is_denied = verdict.outcome == "deny"
        return self._answer(options, verdict.outcome)

    async def session_update(self, session_id: str, update: object, **_meta: Any) -> None:
        """Part of the library's interface; never called, because updates are taken off the line before it."""
        raise AssertionError("an update reached the library")

    def _may_run(self, call: Call) -> bool:
        """Whether nobody need be asked about the call."""
        servers = [server.name for server in self._spec.mcp_servers]
        return self._spec.permissions.of(tools_of(self._spec.agent_id, call, servers)) == "always_allow"

    async def _is_known(self, call: Call) -> bool:
        """Waits until the call's arguments are known, or long enough; whether anybody wants to know them still."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ARGUMENTS_S):
                while not call.input and self._is_listening:
                    self._news.clear()
                    await self._news.wait()
        return self._is_listening

    def _answer(self, options: Sequence[PermissionOption], outcome: str) -> RequestPermissionResponse:
        chosen = _choose(options, _KINDS.get(outcome, ()))
        if chosen is not None:
            return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen.option_id))
        if outcome == "allow":
            self._tell(Noted("permission_not_given", "The agent offers no way to allow this call once."))
        return _cancelled()

    async def _put(self, question: Question) -> Verdict:
        asked = asyncio.ensure_future(self._ask(question))
        self._open.add(asked)
        try:
            await asyncio.wait({asked})
        finally:
            # Also when this request itself is cancelled, because the connection is closed.
            self._open.discard(asked)
            asked.cancel()
        if asked.cancelled():
            return Verdict("cancelled")
        if fault := asked.exception():
            self.fault = fault
            return Verdict("cancelled")
        return asked.result()


def _choose(options: Sequence[PermissionOption], kinds: Sequence[str]) -> PermissionOption | None:
    for kind in kinds:
        for option in options:
            if option.kind == kind:
                return option
    return None


def _cancelled() -> RequestPermissionResponse:
    return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
