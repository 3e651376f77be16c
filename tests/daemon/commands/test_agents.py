"""``moor agents``: what is shown of the agents, and that nothing is done that was not agreed to."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mooring import cli
from mooring.edge.agent_facts import read_facts
from mooring.edge.creds import Paths
from mooring.edge.env_file import read_env_file
from mooring.edge.lock import DaemonLock
from tests.daemon.fake_plane import FakePlane
from tests.daemon.providers.scripted import SOURCE, script

GOOD = """
serve(lambda m: (say("no tools here"), end(m)), {"loadSession": True, "promptCapabilities": {"image": False}})
"""


@pytest.fixture
def laptop(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home with one agent of the owner's own, and nothing on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    configure(home, tmp_path, GOOD)
    return home


def configure(home: Paths, folder: Path, body: str) -> None:
    command, *args = script(folder, body)
    home.home.mkdir(exist_ok=True)
    lines = ["[agents.codex-cli]", f"command = {json.dumps(command)}", f"args = {json.dumps(args)}"]
    lines += [f"env = {{ PYTHONPATH = {json.dumps(str(SOURCE))} }}"]
    home.config.write_text("\n".join(lines) + "\n")


def moor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    status = cli.main(["agents", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_agents_are_shown_with_what_is_known_of_them(laptop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an agent that nobody can tell whether to use, and a key that is shown."""
    assert cli.main(["agents", "list"]) == 0
    text = capsys.readouterr().out
    assert "codex-acp\tCodex\t\tconfig.toml\tyes\t" in text
    assert "moor agents refresh" in text
    status, listed = moor(capsys, "refresh")
    assert (status, listed["daemon_told"]) == (0, False)
    _, listed = moor(capsys, "list", "--all")
    codex, echo = listed["agents"]
    assert (codex["works"], codex["login"], codex["source"]) == ("yes", "yes", "configuration")
    assert codex["capabilities"] == {"load": True}
    assert echo["capabilities"]["resume"] is True
    assert (listed["registry"]["as_of"], "secret" in json.dumps(listed)) == ("2026-08-20", False)
    others = {one["id"]: one for one in listed["others"]}
    assert others["gemini"]["how"] == "`moor agents install gemini`"
    assert "own instructions" in others["goose"]["how"]
    assert "codex-acp" not in others
    assert cli.main(["agents", "list"]) == 0
    assert "resumes, not images, not mcp" in capsys.readouterr().out


def test_an_agent_that_does_not_work_is_shown_with_the_reason(
    laptop: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an agent that is offered although it can't be used, and a list that hides why it is not."""
    configure(laptop, tmp_path, "sys.exit(3)")
    assert cli.main(["agents", "refresh"]) == 0
    text = capsys.readouterr().out
    assert "codex-acp does not work: The agent ended by itself with status 3." in text
    _, listed = moor(capsys, "list")
    assert listed["agents"][0]["works"] == "no"


def test_a_refresh_tells_a_running_daemon(
    laptop: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a refresh of which the plane hears at the next connection only."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: told.append((pid, number)))
    with DaemonLock(laptop.lock):
        status, data = moor(capsys, "refresh")
    assert (status, data["daemon_told"]) == (0, True)
    assert [number for _, number in told] == [signal.SIGHUP]


def test_the_registry_is_asked_and_its_last_answer_counts_when_it_is_silent(
    laptop: Paths, plane: FakePlane, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a laptop that knows no agents without a network, and one that does not say how old its word is."""
    monkeypatch.setenv("MOOR_AGENT_REGISTRY", "http://127.0.0.1:1/registry.json")
    assert cli.main(["agents", "refresh", "--registry"]) == 0
    assert "What it said on 2026-08-20 counts." in capsys.readouterr().out
    entry = {"id": "newcomer", "name": "New", "version": "1", "distribution": {"npx": {"package": "newcomer@1"}}}
    plane.route("GET /registry.json", (200, {"agents": [entry]}))
    monkeypatch.setenv("MOOR_AGENT_REGISTRY", f"{plane.url}/registry.json")
    assert cli.main(["agents", "refresh", "--registry"]) == 0
    assert "lists 1 agents" in capsys.readouterr().out
    _, listed = moor(capsys, "list", "--all")
    assert [one["id"] for one in listed["others"]] == ["newcomer"]
    assert listed["registry"]["source"] == f"{plane.url}/registry.json"
    plane.route("GET /registry.json", (200, {"agents": []}))
    assert cli.main(["agents", "refresh", "--registry"]) == 0
    assert "names no agent" in capsys.readouterr().out


def test_nothing_is_measured_before_somebody_agrees_to_its_cost(
    laptop: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a command that spends money unasked, and a fact that is kept of an agent that was not measured."""
    status, refused = moor(capsys, "probe")
    assert (status, refused["error"]["code"]) == (2, "usage")
    assert "may cost money" in refused["error"]["message"]
    assert read_facts(laptop) == {}


def test_a_measured_agent_is_shown_by_what_it_did(
    laptop: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches facts that are told and forgotten, and a cost that nobody hears of."""
    monkeypatch.setattr("mooring.providers.probe.LISTED_S", 0.2)
    body = """
    def on_prompt(m):
        if "Create" in str(m):
            open("harbour-lantern.txt", "w").close()
        end(m, usage={"inputTokens": 1, "outputTokens": 1, "totalTokens": 2})
    serve(on_prompt, {"promptCapabilities": {"image": False}}, session_set_mode=reply)
    """
    configure(laptop, tmp_path, body)
    status, data = moor(capsys, "probe", "codex-cli", "--yes")
    (one,) = data["probed"]
    assert (status, one["id"], one["cost"]["tokens"]) == (0, "codex-acp", 4)
    assert one["facts"]["asks"] == {"answer": False, "evidence": "It wrote the file and asked nobody."}
    _, listed = moor(capsys, "list")
    measured = listed["agents"][0]["measured"]
    assert (measured["asks"], measured["images"], measured["resumes"]) == (False, False, False)
    assert listed["agents"][0]["evidence"]["asks"] == "It wrote the file and asked nobody."
    configure(laptop, tmp_path, "sys.exit(3)")
    status, data = moor(capsys, "probe", "--yes")
    assert (status, data["probed"][0]["error"]["code"]) == (1, "agent_crashed")


def test_variables_are_named_and_written_for_the_service_without_being_shown(
    laptop: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a key on the screen, and one that the service does not get."""
    status, shown = moor(capsys, "env")
    assert (status, shown["set"]["codex-acp"], shown["saved"]) == (0, ["OPENAI_API_KEY"], False)
    assert read_env_file(laptop) == {}
    assert cli.main(["agents", "env", "codex-acp", "--save"]) == 0
    captured = capsys.readouterr()
    assert "sk-secret-value" not in captured.out + captured.err
    assert read_env_file(laptop)["OPENAI_API_KEY"] == "sk-secret-value"
    _, shown = moor(capsys, "env")
    assert "OPENAI_API_KEY" in shown["kept"]


def test_an_agent_is_installed_greeted_and_removed(
    laptop: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an installation that is believed before the agent has answered, and one that can't be undone."""
    agent = script(tmp_path, GOOD, "gemini_agent")[1]
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "npm").write_text(
        f"""#!{sys.executable}
import pathlib, sys
prefix = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1], "node_modules")
(prefix / "@google/gemini-cli").mkdir(parents=True)
(prefix / "@google/gemini-cli/package.json").write_text('{{"version": "0.61.0", "bin": {{"gemini": "x"}}}}')
(prefix / ".bin").mkdir()
program = prefix / ".bin/gemini"
program.write_text('#!/bin/sh\\nexec "{sys.executable}" "{agent}"\\n')
program.chmod(0o755)
"""
    )
    (tools / "node").write_text("#!/bin/sh\n")
    for path in tools.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    status, data = moor(capsys, "install", "gemini-cli")
    assert (status, data["installed"]["version"], data["installed"]["problem"]) == (0, "0.61.0", "")
    _, listed = moor(capsys, "list")
    assert next(one for one in listed["agents"] if one["id"] == "gemini")["source"] == "own"
    assert moor(capsys, "remove", "gemini") == (0, {"id": "gemini", "removed": True})
    assert moor(capsys, "remove", "gemini") == (0, {"id": "gemini", "removed": False})
    assert "gemini" not in read_facts(laptop)
    Path(agent).write_text("import sys; sys.exit(4)")
    status, data = moor(capsys, "install", "gemini")
    assert status == 1
    assert "status 4" in data["installed"]["problem"]
    status, data = moor(capsys, "install", "../../etc")
    assert (status, data["error"]["code"]) == (2, "usage")
