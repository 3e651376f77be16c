"""What is known of agents: about which program, by whom it was written, and when it counts no more."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mooring.edge.agent_facts import AgentFacts, fingerprint, keep_facts, read_facts
from mooring.edge.creds import Paths
from mooring.wire.frames import AgentCapabilities, AgentMeasures

FACTS = AgentFacts(
    program="p",
    at=7.0,
    version="1.2",
    problem="It crashed.",
    capabilities=AgentCapabilities(load=True, auth_methods=("key",)),
    measured=AgentMeasures(asks=False, at=8.0),
    evidence={"asks": "It wrote the file."},
)


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """A home that nothing is in."""
    return Paths(tmp_path / "home")


def test_what_is_kept_of_an_agent_is_read_again_and_forgotten(home: Paths) -> None:
    """Catches a fact that is lost on its way through the file, and one agent's word that takes another's place."""
    assert read_facts(home) == {}
    keep_facts(home, "gemini", FACTS)
    keep_facts(home, "opencode", AgentFacts(program="q", at=9.0))
    assert read_facts(home) == {"gemini": FACTS, "opencode": AgentFacts(program="q", at=9.0)}
    keep_facts(home, "opencode", None)
    keep_facts(home, "opencode", None)
    assert read_facts(home) == {"gemini": FACTS}


def test_two_who_write_at_once_take_nothing_back(home: Paths) -> None:
    """Catches the daemon and a command that each read the file before the other one has written it."""
    writers = [threading.Thread(target=keep_facts, args=(home, f"agent-{n}", FACTS)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(read_facts(home)) == {f"agent-{n}" for n in range(8)}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"gemini": {"program": 1}}', b"\xff"])
def test_a_file_that_can_not_be_read_is_said_and_counts_as_none(
    home: Paths, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """Catches a daemon that can't say hello because of a file that it could write again."""
    home.home.mkdir()
    home.agent_facts.write_bytes(content)
    assert read_facts(home) == {}
    assert "can't be read" in caplog.text


def test_another_program_under_the_same_name_is_another_one(tmp_path: Path) -> None:
    """Catches an update whose capabilities are still those of the version before."""
    program, script = tmp_path / "node", tmp_path / "agent.js"
    program.write_text("node")
    command = (str(program), str(script), "--acp")
    missing = fingerprint(command)
    script.write_text("one")
    os.utime(script, ns=(1, 1))
    first = fingerprint(command)
    assert missing != first == fingerprint(command)
    os.utime(script, ns=(1, 2))
    assert fingerprint(command) != first
    link = tmp_path / "link"
    link.symlink_to(script)
    through = fingerprint((str(link),))
    script.write_text("three")
    os.utime(script, ns=(1, 2))
    assert fingerprint((str(link),)) != through
    assert fingerprint((*command, "--debug")) != fingerprint(command)
