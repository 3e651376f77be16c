"""Greeting: what an agent says of itself, and why one does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from mooring import __version__
from mooring.daemon.agents import OURS
from mooring.providers.greeting import MAX_PROBLEM, Greeting, greet, version_said
from mooring.providers.ports import ChildSpec
from mooring.wire.frames import AgentCapabilities

from .scripted import ECHO, environment, nobody_left, script

__all__ = ["nobody_left"]


def spec(folder: Path, command: tuple[str, ...], **more: Any) -> ChildSpec:
    settings: dict[str, Any] = {
        "agent_id": "mine",
        "env": environment(SECRET_KEY="sk-12345678"),
        "stderr_path": folder / "stderr.log",
        "children_path": folder / "children",
        **more,
    }
    return ChildSpec(command=command, cwd=folder, **settings)


def greeted(folder: Path, body: str, **more: Any) -> Any:
    return asyncio.run(greet(spec(folder, script(folder, body), **more)))


def test_an_agent_says_its_version_and_all_that_it_can_do(tmp_path: Path) -> None:
    """Catches a capability that is mistaken for another or lost, and words of any length that fill a frame."""
    body = """
    said = {"loadSession": True, "sessionCapabilities": {"resume": {}},
            "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
            "mcpCapabilities": {"http": True, "sse": True}}
    methods = [{"id": f"{'m' * 100}{n}", "name": "x"} for n in range(20)]
    serve(None, initialize=lambda m: reply(m, protocolVersion=1, agentCapabilities=said, authMethods=methods,
                                           agentInfo={"name": "a", "version": "7.1" + "." * 100}))
    """
    found = greeted(tmp_path, body)
    assert (found.problem, found.version) == ("", "7.1" + "." * 61)
    assert found.capabilities == AgentCapabilities(
        load=True,
        resume=True,
        image=True,
        audio=True,
        embedded_context=True,
        mcp_http=True,
        mcp_sse=True,
        auth_methods=("m" * 64,) * 8,
    )


def test_an_agent_that_says_nothing_of_itself_can_do_nothing(tmp_path: Path) -> None:
    """Catches a default that promises what nobody has said."""
    found = greeted(tmp_path, "serve(None, initialize=lambda m: reply(m, protocolVersion=1))")
    assert (found.version, found.capabilities, found.problem) == ("", AgentCapabilities(), "")


def test_what_is_known_of_our_own_agent_is_what_it_says(tmp_path: Path) -> None:
    """Catches an echo agent that learnt something, while the daemon, which starts no process to ask it, did not."""
    assert asyncio.run(greet(spec(tmp_path, ECHO))) == Greeting(__version__, OURS)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("sys.stderr.write('no node for sk-12345678'); sys.exit(3)", "with status 3. It last said: no node for ***"),
        ("serve(None, initialize=lambda m: reply(m, protocolVersion=9))", "ACP version 9"),
        ("serve(None, initialize=lambda m: reply(m, protocolVersion='x'))", "not as ACP has it"),
        ("serve(None, initialize=lambda m: fail(m, -32603, 'Upgrade your plan'))", "Upgrade your plan"),
        ("sys.stderr.write('x' * 4000); sys.exit(1)", "It last said: xxx"),
    ],
)
def test_an_agent_that_does_not_answer_is_told_with_the_reason(tmp_path: Path, body: str, problem: str) -> None:
    """Catches an agent that is offered although it can't be used, a reason without its cause, and one with a secret."""
    found = greeted(tmp_path, body)
    assert problem in found.problem
    assert len(found.problem) <= MAX_PROBLEM
    assert "sk-12345678" not in found.problem
    assert found.capabilities is None


def test_an_agent_that_is_silent_or_not_there_is_told_too(tmp_path: Path) -> None:
    """Catches a greeting that waits for ever, and a program that is left behind by it."""
    silent = greeted(tmp_path, "for _ in messages(): pass", handshake_timeout_s=2.0)
    assert silent.problem == "It did not answer within 2 s."
    gone = asyncio.run(greet(spec(tmp_path, (str(tmp_path / "gone"),))))
    assert "can't be started" in gone.problem


def test_a_program_says_its_version_where_its_protocol_does_not(tmp_path: Path) -> None:
    """Catches a version that is taken for none, words that are taken for one, and a program that never ends."""

    def said(body: str) -> str:
        program = tmp_path / "program"
        program.write_text(f"#!{sys.executable}\nimport subprocess, sys, time\n{body}\n")
        program.chmod(0o755)
        return asyncio.run(version_said(spec(tmp_path, (str(program), "acp"))))

    assert said("print('tool v1.2.3-beta (build 7)')") == "1.2.3-beta"
    assert said("print('usage: tool')") == ""
    # What it leaves behind is ended with it, and does not keep anybody waiting.
    assert said("subprocess.Popen(['sleep', '1000']); print('4.5')") == "4.5"
    assert asyncio.run(version_said(spec(tmp_path, (str(tmp_path / "gone"),)))) == ""
