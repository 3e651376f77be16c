"""The ACP registry: what its snapshot says, and what is made of its own answer."""

from __future__ import annotations

import re

import pytest

from mooring.errors import MoorError
from mooring.providers.acp_registry import Binary, Package, read_registry, snapshot


def test_the_snapshot_says_of_which_day_it_is_and_names_each_agent_once() -> None:
    """Catches a snapshot that is not in the wheel, not dated, or was edited into something that can't be read."""
    found = snapshot()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", found.as_of)
    assert "github.com/agentclientprotocol/registry" in found.source
    ids = [one.id for one in found.agents]
    assert len(ids) == len(set(ids)) >= 30
    assert {"claude-acp", "codex-acp", "gemini", "opencode"} <= set(ids)
    for one in found.agents:
        if one.distribution.npx:
            assert re.fullmatch(r"(@[\w-]+/)?[\w-]+@[\w.-]+", one.distribution.npx.package)


def test_an_answer_is_read_as_far_as_it_can_be() -> None:
    """Catches one entry of a new form that takes all others away."""
    found = read_registry(
        b"""{"version": "2", "extensions": [], "agents": [
        {"id": "a", "name": "A", "version": "1", "icon": "x", "distribution": {
            "binary": {"linux-x86_64": {"archive": "https://x", "cmd": "./dir/a", "args": ["acp"], "sha256": "0"}},
            "uvx": {"package": "a==1"}}},
        {"id": "b", "name": "B", "version": "1", "distribution": {"npx": {"package": "b@1", "env": {"X": "1"}}}},
        {"id": "c", "name": "C", "version": "1", "distribution": {"container": {"image": "c"}}},
        {"id": "d", "distribution": []}, 7]}"""
    )
    assert [(one.id, one.kind, one.program) for one in found.agents] == [
        ("a", "uvx", ("a", "acp")),
        ("b", "npx", None),
        ("c", "unknown", None),
    ]
    entry = found.entry("a")
    assert entry is not None
    assert entry.distribution.binary == {"linux-x86_64": Binary("./dir/a", ("acp",))}
    assert found.agents[1].distribution.npx == Package("b@1", (), {"X": "1"})
    assert (found.entry("d"), found.as_of, found.source) == (None, "", "")


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"agents": {}}', b"{}"])
def test_an_answer_that_is_no_registry_is_told(raw: bytes) -> None:
    """Catches a login page of some network that is taken for a registry without agents."""
    with pytest.raises(MoorError) as caught:
        read_registry(raw)
    assert caught.value.code == "bad_registry"
