"""Endings: what stops a turn from outside, and what is told of a turn that is over."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from ..errors import MoorError
from ..providers.ports import TurnOutcome
from ..wire import events as ev


class Halt(Struct, frozen=True):
    """Why a turn was stopped from outside: ``cancelled``, or the code and sentence of a failure."""

    code: str
    message: str = ""


CANCELLED: Final = Halt("cancelled")
DAEMON_STOPPED: Final = Halt("daemon_stopped", "The daemon on the laptop was stopped while this turn was running.")


class Ending(Struct, frozen=True):
    """What is told of it."""

    outcome: Literal["completed", "failed", "cancelled"]
    stop_reason: str | None = None
    error: ev.ErrorBody | None = None


def ending_of(halt: Halt | None, outcome: TurnOutcome | None, error: MoorError | None) -> Ending:
    """How a turn ends. What halted it counts above how the agent took that, unless it was done already."""
    if outcome is not None and outcome.outcome == "completed":
        return Ending("completed", outcome.stop_reason)
    if halt is not None:
        if halt == CANCELLED:
            return Ending("cancelled", outcome.stop_reason if outcome else None)
        return Ending("failed", None, ev.ErrorBody(message=halt.message, code=halt.code))
    if error is not None:
        return Ending("failed", None, ev.ErrorBody(message=error.message, code=error.code))
    assert outcome is not None
    told = ev.ErrorBody(message=outcome.error.message, code=outcome.error.code) if outcome.error else None
    return Ending(outcome.outcome, outcome.stop_reason, told)
