"""What the desk asks of whoever runs turns, and what it must know of the daemon it works in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from ..wire.events import Block
from ..wire.frames import AgentReport, LocalSkill, PermissionVerdict
from ..wire.ids import RuntimeId, SessionId, TurnId


class HelloFacts(Struct, frozen=True, kw_only=True):
    """What ``hello`` reports of the laptop; asked for anew at each one."""

    version: str = ""
    hostname: str = ""
    os: str = ""
    agents: tuple[AgentReport, ...] = ()
    local_skills: dict[str, tuple[LocalSkill, ...]] = {}


@dataclass(frozen=True)
class Identity:
    """Who the daemon is: its runtime, this very process, and where to ask for the facts of its ``hello``."""

    runtime_id: RuntimeId
    instance: str
    facts: Callable[[], HelloFacts] = HelloFacts


class TurnOrder(Struct, frozen=True, kw_only=True):
    """A turn to run.

    Attributes:
        order: counts the session's turns.
        agent_id: the ACP agent's.
        content: what the user said; None = fetch it from the plane.
        continuation: what ``Desk.remember`` was told last for this session and agent, or None.
    """

    session_id: SessionId
    turn_id: TurnId
    order: int
    agent_id: str
    content: tuple[Block, ...] | None = None
    continuation: str | None = None


class Runner(Protocol):
    """Runs turns. Each call returns at once; what comes of it is told to the desk later (or during the call).

    For every ``start`` the runner first calls ``Desk.start_turn``. On True it calls the agent and, whatever happens,
    ``Desk.end_turn`` once. On False it must not call the agent, and the turn is settled.
    """

    def start(self, order: TurnOrder) -> None:
        """Prepare and run the turn. Never called while another turn of the session runs."""

    def cancel(self, session_id: SessionId, turn_id: TurnId) -> None:
        """Stop the turn and report its end. A repeat, or one for a turn that is over, changes nothing."""

    def verdict(self, frame: PermissionVerdict) -> None:
        """Pass a person's answer on. A repeat, or one for a question that is gone, changes nothing."""

    def dispose(self, session_id: SessionId) -> None:
        """Kill the session's child, remove its folder, then call ``Desk.disposed``. Repeated until that call."""

    def active(self) -> tuple[TurnId, ...]:
        """Turns whose child lives and has put something out since the last call, has a tool call open, or no place."""
