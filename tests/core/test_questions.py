"""Questions: what became of one that is not open."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from chalicelib.core.questions import fate
from chalicelib.wire.events import (
    AgentMessage,
    AgentToolUse,
    Event,
    PermissionSettled,
    Spilled,
    TextBlock,
    UserToolConfirmation,
)
from chalicelib.wire.ids import EventId, TurnId

TURN, Q = TurnId("turn_1"), EventId("sevt_q")
OTHER = EventId("sevt_other")


def use(permission: Any = "ask", name: EventId = Q) -> AgentToolUse:
    return AgentToolUse(id=name, turn_id=TURN, name="bash", input={}, evaluated_permission=permission)


def confirmed(by: str | None, name: EventId = Q) -> UserToolConfirmation:
    return UserToolConfirmation(id=EventId("sevt_c"), tool_use_id=name, result="deny", answered_by=by)


def settled(outcome: Literal["allow", "deny", "cancelled", "expired"], name: EventId = Q) -> PermissionSettled:
    return PermissionSettled(id=EventId("sevt_s"), turn_id=TURN, tool_use_id=name, outcome=outcome)


NOISE = AgentMessage(id=EventId("sevt_m"), turn_id=TURN, content=(TextBlock("Hi"),))
LARGE = Spilled(id=Q, of="agent.tool_use", sha256="ab", n_bytes=20_000, turn_id=TURN)


@pytest.mark.parametrize(
    ("events", "became"),
    [
        ([use(), confirmed("user_1")], "was answered with deny by user_1"),
        ([use(), confirmed("user_1"), settled("deny"), NOISE], "was answered with deny by user_1"),
        ([use(), confirmed(None), settled("deny")], "was answered with deny by somebody"),
        ([use(), settled("expired")], "has expired, which is a denial"),
        ([use(), settled("cancelled")], "fell away with its turn"),
        ([use(), settled("allow")], "was answered with allow"),
        ([LARGE, settled("deny")], "was answered with deny"),
        ([use(), NOISE], "fell away with its turn"),
        ([LARGE], "fell away with its turn"),
        ([use("allow")], "was not asked of anybody: the policy was allow"),
        ([use("deny")], "was not asked of anybody: the policy was deny"),
        ([use(name=OTHER), confirmed("user_1", OTHER), settled("deny", OTHER), NOISE], None),
        ([], None),
    ],
)
def test_what_became_of_a_question(events: list[Event], became: str | None) -> None:
    assert fate(reversed(events), Q) == became
