"""Measuring: what an agent does is seen, not what it says; where nothing could be seen, nothing is claimed."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import pytest

from mooring.providers import probe as probing
from mooring.providers.ports import ChildSpec, ProviderError
from mooring.providers.probe import Finding, Findings, picture, probe
from mooring.providers.probe_server import ProbeServer

from .scripted import environment, nobody_left, script

__all__ = ["nobody_left"]

GOOD = """
import pathlib, urllib.request

def come(m):
    for server in m["params"]["mcpServers"]:
        headers = {one["name"]: one["value"] for one in server["headers"]}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
        urllib.request.urlopen(urllib.request.Request(server["url"], body, headers)).read()

def on_new(m):
    come(m)
    reply(m, sessionId="s1")

def on_write(m):
    if ask([option("allow_once"), option("reject_once")], toolCallId="c", title="Write it", kind="edit",
           rawInput={"path": "harbour-lantern.txt"}).get("optionId") == "id-allow_once":
        pathlib.Path("harbour-lantern.txt").write_text("yes")
    end(m, usage={"inputTokens": 20, "outputTokens": 5, "totalTokens": 25})

def on_long(m):
    say("one")
    for message in messages():
        if message.get("method") == "session/cancel":
            return end(m, "cancelled")

def on_picture(m):
    say("It is Red." if m["params"]["prompt"][1]["mimeType"] == "image/png" else "blind")
    update(sessionUpdate="usage_update", used=1, size=2, cost={"amount": 0.25, "currency": "USD"})
    end(m)

def on_recall(m):
    say("harbour-lantern.txt")
    end(m)

def on_prompt(m):
    text = m["params"]["prompt"][0]["text"]
    turns = {"Create": on_write, "Count": on_long, "Which": on_picture, "How": on_recall}
    turns[text.split()[0]](m)

CAN = {"loadSession": True, "sessionCapabilities": {"resume": {}}, "promptCapabilities": {"image": True},
       "mcpCapabilities": {"http": True}}
"""
SERVE = "\nserve(on_prompt, CAN, session_new=on_new, session_set_mode=reply)\n"


def measured(folder: Path, change: str = "", serve: str = SERVE, **more: Any) -> tuple[dict[str, Any], Findings]:
    work = folder / "work"
    work.mkdir()
    settings = {"agent_id": "mine", **more}
    spec = ChildSpec(
        command=script(folder, GOOD + change + serve),
        cwd=work,
        env=environment(),
        stderr_path=folder / "stderr.log",
        children_path=folder / "children",
        cancel_timeout_s=0.5,
        agent_id=settings.pop("agent_id"),
    )
    told: list[Finding] = []
    found = asyncio.run(probe(spec, told.append, takes_images=settings.pop("takes_images", True), **settings))
    assert tuple(told) == found.facts
    assert all(one.evidence for one in told)
    return {one.fact: one.answer for one in told}, found


def test_an_agent_that_does_all_as_it_should_is_said_to_with_what_it_cost(tmp_path: Path) -> None:
    """Catches a fact that no agent can earn, an order that was mixed up, and a cost that is not told."""
    facts, found = measured(tmp_path)
    assert facts == {"asks": True, "mcp": True, "cancels": True, "images": True, "resumes": True}
    assert list(facts) == ["asks", "mcp", "cancels", "images", "resumes"]
    assert (found.cost.turns, found.cost.tokens, found.cost.money) == (4, 25, "0.25 USD")
    assert found.cost.seconds > 0


@pytest.mark.parametrize(
    ("change", "fact", "answer", "seen"),
    [
        (
            "def on_write(m): pathlib.Path('harbour-lantern.txt').write_text('yes'); end(m)",
            "asks",
            False,
            "asked nobody",
        ),
        (
            "def on_write(m, asked=on_write): pathlib.Path('harbour-lantern.txt').write_text('yes'); asked(m)",
            "asks",
            False,
            "was told no",
        ),
        ("def on_write(m): say('I would rather not.'); end(m)", "asks", None, "wrote nothing"),
        ("def come(m): pass", "mcp", False, "did not ask the server"),
        ("def on_long(m): end(m)", "cancels", None, "Nothing was there"),
        ("def on_picture(m): say('I see none.'); end(m)", "images", None, "did not say"),
        ("def on_picture(m): fail(m, -32603, 'no vision')", "images", False, "no vision"),
        ("def on_recall(m): say('Which file?'); end(m)", "resumes", None, "did not say"),
        ("CAN['sessionCapabilities'] = {}; CAN['loadSession'] = False", "resumes", False, "can't take up"),
    ],
)
def test_each_fact_is_no_or_unknown_by_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, fact: str, answer: bool | None, seen: str
) -> None:
    """Catches a fact that is claimed of an agent that was seen to do otherwise, or denied where nothing was seen."""
    monkeypatch.setattr(probing, "LISTED_S", 0.2)
    facts, found = measured(tmp_path, change)
    whole = {"asks": True, "mcp": True, "cancels": True, "images": True, "resumes": True}
    assert facts == {**whole, fact: answer}
    assert seen in next(one.evidence for one in found.facts if one.fact == fact)


def test_an_agent_that_has_to_be_killed_is_measured_to_the_end(tmp_path: Path) -> None:
    """Catches a measurement that ends with the agent's process, though another one can be started."""
    facts, _ = measured(tmp_path, "def on_long(m):\n    say('one')\n    while True: time.sleep(1)")
    assert facts == {"asks": True, "mcp": True, "cancels": False, "images": True, "resumes": True}


def test_a_turn_without_an_end_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a measurement that waits for ever for a model that has nothing to say."""
    monkeypatch.setattr(probing, "STEP_S", 1.0)
    facts, found = measured(tmp_path, "def on_picture(m):\n    while True: time.sleep(1)")
    assert facts["images"] is None
    assert "no end within 1 s" in found.facts[3].evidence
    assert facts["resumes"] is True


def test_no_picture_is_shown_to_an_agent_that_says_it_takes_none(tmp_path: Path) -> None:
    """Catches a turn that costs money and can show nothing."""
    facts, found = measured(tmp_path, takes_images=False)
    assert (facts["images"], found.cost.turns) == (False, 3)


def test_a_conversation_that_can_not_be_found_yet_is_not_called_lost(tmp_path: Path) -> None:
    """Catches a no for Gemini CLI, which finds no conversation that began within the same minute."""
    facts, found = measured(tmp_path, agent_id="gemini", may_wait=False)
    assert facts["resumes"] in (None, True)  # True where the minute has just passed.
    assert facts["resumes"] or "same minute" in found.facts[4].evidence


@pytest.mark.parametrize(
    ("change", "serve", "told"),
    [
        ("", "\nsys.exit(3)\n", "status 3"),
        ("def on_write(m): fail(m, -32000, 'Authentication required')", SERVE, "Authentication required"),
    ],
)
def test_an_agent_that_does_not_work_at_all_is_not_measured(tmp_path: Path, change: str, serve: str, told: str) -> None:
    """Catches five facts about an agent that nobody has logged in."""
    with pytest.raises(ProviderError, match=told):
        measured(tmp_path, change, serve)


def test_the_picture_is_one(tmp_path: Path) -> None:
    """Catches a picture that no decoder takes."""
    whole = picture()
    assert whole[:8] == b"\x89PNG\r\n\x1a\n"
    start, kinds = 8, []
    while start < len(whole):
        size = int.from_bytes(whole[start : start + 4], "big")
        kind, body = whole[start + 4 : start + 8], whole[start + 8 : start + 8 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(whole[start + 8 + size : start + 12 + size], "big")
        kinds.append(kind)
        start += size + 12
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_the_server_answers_those_alone_who_were_told_of_it() -> None:
    """Catches a loopback server that any page or program of the laptop can talk to, and one that falls over."""

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        asked = urllib.request.Request(server.offer.url, body, headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, None

    with ProbeServer() as server:
        known = dict(server.offer.headers)
        listing = json.dumps({"id": 1, "method": "tools/list"}).encode()
        assert post(listing, {})[0] == post(listing, {"Authorization": "Bearer ü"})[0] == 401
        assert not server.listed.is_set()
        assert post(b"{", known)[0] == post(b"[]", known)[0] == 400
        assert post(b"x" * 70_000, known)[0] == 413
        assert post(b'{"method": "notifications/initialized"}', known) == (202, None)
        begun = post(b'{"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}}', known)[1]
        assert begun["result"]["protocolVersion"] == "2025-03-26"
        assert post(listing, known)[1]["result"]["tools"][0]["name"] == "add"
        assert server.listed.is_set()
        assert post(b'{"id": 1, "method": "tools/call"}', known)[1]["result"]["isError"] is False
        assert post(b'{"id": 1, "method": "ping"}', known)[1]["result"] == {}
