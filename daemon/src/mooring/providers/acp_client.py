"""The client's side of ACP, as far as an agent may call it: permission questions. Files and terminals are not offered.

A question is answered once: by a person (``always_ask``), by allow-once (``always_allow``), or with ``cancelled`` when
its turn is cancelled or over before that. An answer names one of the agent's own options, chosen by its kind; "always"
kinds are taken for a person's answer only, where the agent offers nothing smaller.
Source: ACP protocol version 1, ``session/request_permission``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from acp.schema import AllowedOutcome, DeniedOutcome, PermissionOption, RequestPermissionResponse, ToolCallUpdate

from ..core.happenings import Happening, Noted
from .acp_translate import Translator, question_input
from .ports import Ask, Choice, PermissionPolicy, Question, Verdict, call_hash

_KINDS: Final = {"allow": ("allow_once", "allow_always"), "deny": ("reject_once", "reject_always")}


class ACPClient:
    """Answers an agent's requests during a turn; outside of one every question is answered ``cancelled``.

    Args:
        translator: knows what the agent said of the call before it asked.
        tell: takes happenings.
        ask: puts a question to a person.
        policy: who answers.
        cwd: the session's folder.

    Attributes:
        fault: what ``ask`` raised, if it did.
    """

    def __init__(
        self,
        translator: Translator,
        tell: Callable[[Happening], None],
        ask: Ask,
        *,
        policy: PermissionPolicy,
        cwd: Path,
    ) -> None:
        self.fault: BaseException | None = None
        self._translator, self._tell, self._ask = translator, tell, ask
        self._policy, self._cwd = policy, cwd
        self._is_listening = False
        self._open: set[asyncio.Future[Verdict]] = set()

    def listen(self) -> None:
        """Takes questions from now on."""
        self._is_listening = True

    def hush(self) -> None:
        """Answers the open questions, and all from now on, with ``cancelled``."""
        self._is_listening = False
        for asked in self._open:
            asked.cancel()

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
        if self._policy == "always_allow":
            chosen = _choose(options, ("allow_once",))
            if chosen is None:
                self._tell(Noted("permission_not_given", "The agent offers no way to allow this call once."))
            return _answer(chosen)
        arguments = question_input(call, shown)
        question = Question(
            call_id=call.call_id,
            title=call.title or call.name,
            tool_name=call.name,
            kind=call.kind,
            input=arguments,
            options=tuple(Choice(option.option_id, option.name, option.kind) for option in options),
            call_hash=call_hash(call.name, arguments, self._cwd),
        )
        verdict = await self._put(question)
        return _answer(_choose(options, _KINDS.get(verdict.outcome, ())))

    async def session_update(self, session_id: str, update: object, **_meta: Any) -> None:
        """Part of the library's interface; never called, because updates are taken off the line before it."""
        raise AssertionError("an update reached the library")

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


def _answer(option: PermissionOption | None) -> RequestPermissionResponse:
    if option is None:
        return _cancelled()
    return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=option.option_id))


def _cancelled() -> RequestPermissionResponse:
    return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
