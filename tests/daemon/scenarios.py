"""What real agents were recorded doing, and what a person does meanwhile: once with the agent, later with its record.

Each scenario is a session of its own. Its prompts mean something to the scripted model of ``tests/agents``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from mooring.wire.bundle import Bundle, BundleFile, BundleMCPServer

from .rehearsal import Rehearsal

AGENTS: Final = ("claude-acp", "codex-acp", "gemini", "opencode")

NOTES: Final = BundleFile(path="notes.txt", content="one\ntwo\nthree\n")
SERVER: Final = BundleMCPServer(name="notes", url="http://127.0.0.1:9/mcp")
"""The MCP server of a scenario that has one; whoever records it puts its own address there."""


@dataclass(frozen=True)
class Turn:
    """One turn.

    Attributes:
        prompt: what the user says.
        answers: to the agent's questions, in their order.
        interrupted_at: what is waited for before the turn is stopped; None = it runs to its end.
    """

    prompt: str
    answers: tuple[Literal["allow", "deny"], ...] = ()
    interrupted_at: Literal["speaking", "question"] | None = None


@dataclass(frozen=True)
class Scenario:
    """One session.

    Attributes:
        bundle: what it gets; whatever the agent asks for is put to a person unless it says otherwise.
        agents: of whom it can be played.
    """

    turns: tuple[Turn, ...]
    bundle: Bundle
    agents: tuple[str, ...] = AGENTS


def _scenario(*turns: Turn, agents: tuple[str, ...] = AGENTS, **bundle: Any) -> Scenario:
    return Scenario(turns, Bundle(**{"permission_policy": "always_ask", "files": (NOTES,), **bundle}), agents)


_RUN: Final = "run: echo yes | tee made.txt"
_AGAIN: Final = Turn("What is 2+2?")

SCENARIOS: Final[dict[str, Scenario]] = {
    "answer": _scenario(_AGAIN, Turn("how many prompts")),
    "thought": _scenario(Turn("think about spring")),
    "plan": _scenario(Turn("plan"), agents=("claude-acp",)),
    "tool-allowed": _scenario(Turn(_RUN, ("allow",))),
    "tool-denied": _scenario(Turn(_RUN, ("deny",)), _AGAIN),
    "tool-unasked": _scenario(Turn(_RUN), permission_policy="always_allow"),
    "create": _scenario(Turn("create made.txt", ("allow",))),
    "change": _scenario(Turn("change notes.txt", ("allow",))),
    "server": _scenario(Turn("note milk", ("allow",)), mcp_servers=(SERVER,)),
    "policy-tool": _scenario(Turn(_RUN), permission_policies={"bash": "always_allow"}),
    "policy-server": _scenario(
        Turn("note milk"), mcp_servers=(SERVER,), permission_policies={"mcp__notes": "always_allow"}
    ),
    "policy-read": _scenario(
        Turn("change notes.txt", ("allow", "allow")),
        permission_policies={"read": "always_ask"},
        agents=("claude-acp", "opencode"),
    ),
    "interrupt": _scenario(Turn("slow", interrupted_at="speaking"), _AGAIN),
    "interrupt-asking": _scenario(Turn(_RUN, interrupted_at="question"), _AGAIN),
    "error": _scenario(Turn("fail 400"), _AGAIN),
}

PLAYED: Final = tuple((agent, name) for name, scenario in SCENARIOS.items() for agent in scenario.agents)
"""Every agent with every scenario of which it can be played."""


async def perform(scenario: Scenario, stage: Rehearsal) -> None:
    """Plays a scenario from its first prompt to its last turn's end."""
    for turn in scenario.turns:
        stage.say(turn.prompt)
        for count, result in enumerate(turn.answers, 1):
            stage.answer(await stage.until_asked(count), result)
        if turn.interrupted_at == "speaking":
            await stage.until_speaking("word")
        elif turn.interrupted_at == "question":
            await stage.until_asked()
        if turn.interrupted_at:
            stage.interrupt()
        await stage.until_ended()
