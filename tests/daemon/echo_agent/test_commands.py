"""The words that drive the echo agent."""

from __future__ import annotations

import pytest

from mooring.echo_agent.commands import Command, parse


@pytest.mark.parametrize(
    ("prompt", "commands"),
    [
        ("hello", [Command("say", "hello")]),
        ("", []),
        (" \n ", []),
        ("two\nlines", [Command("say", "two\nlines")]),
        ("/think hard now", [Command("think", "hard now")]),
        ('/tool add {"a": [1, 2]}', [Command("tool", "add", arguments={"a": [1, 2]})]),
        ("/tool add", [Command("tool", "add", arguments={})]),
        ("/ask rm {}", [Command("ask", "rm", arguments={})]),
        ("/slow 0.5 3", [Command("slow", number=3, seconds=0.5)]),
        ("  /hold  ", [Command("hold")]),
        ("/crash 7", [Command("crash", number=7)]),
        (
            "/big 10\n/stderr 5\n/chunks 2",
            [Command("big", number=10), Command("stderr", number=5), Command("chunks", number=2)],
        ),
        ("/env HOME", [Command("env", "HOME")]),
        ("one\n/count\ntwo\nthree", [Command("say", "one"), Command("count"), Command("say", "two\nthree")]),
        ("/fail no credit", [Command("fail", "no credit")]),
    ],
)
def test_a_prompt_is_read_as(prompt: str, commands: list[Command]) -> None:
    assert parse(prompt) == commands


@pytest.mark.parametrize(
    "line",
    [
        "/dance",
        "/",
        "/think",
        "/crash",
        "/crash x",
        "/slow 1",
        "/slow a b",
        "/tool",
        "/tool x [1]",
        "/tool x {",
        "/hold x",
    ],
)
def test_what_is_no_whole_command_is_plain_text(line: str) -> None:
    assert parse(line) == [Command("say", line)]
