"""What every verb promises to scripts: one JSON object, a stable code for what went wrong, a status, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.cli import main, parser
from mooring.edge import https
from mooring.edge.creds import Paths
from tests.daemon.commands.command_line import moor, verbs_of

NOBODY = "http://127.0.0.1:9"

EVERY: dict[str, tuple[str, int, str | None]] = {
    "setup": (f"--server {NOBODY} --code c --state s --no-service", 1, "plane_unreachable"),
    "daemon": ("", 3, "not_set_up"),
    "service install": ("", 3, "not_set_up"),
    "service uninstall": ("", 0, None),
    "service start": ("", 1, "service_unavailable"),
    "service stop": ("", 1, "service_unavailable"),
    "service restart": ("", 1, "service_unavailable"),
    "service status": ("", 1, None),
    "status": ("", 3, None),
    "doctor": ("", 1, None),
    "logs": ("", 0, None),
    "workspaces list": ("", 0, None),
    "workspaces allow": ("/src/shop", 0, None),
    "workspaces remove": ("/src/shop", 0, None),
    "uninstall": ("--yes", 0, None),
    "login": (f"--server {NOBODY} --api-key moor_x", 1, "plane_unreachable"),
    "ask": ("hi", 1, "not_logged_in"),
    "agents list": ("", 0, None),
    "agents refresh": ("", 0, None),
    "agents install": ("no-such", 1, "agent_unknown"),
    "agents remove": ("no-such", 0, None),
    "agents probe": ("no-such", 1, "agent_not_found"),
    "agents env": ("no-such", 1, "agent_not_found"),
    "agents create": ("--acp-agent echo --name Echo", 3, "not_set_up"),
    "skills list": ("", 0, None),
    "sessions": ("", 1, "not_logged_in"),
    "sessions show": ("sesn_1", 1, "not_logged_in"),
    "sessions archive": ("sesn_1", 1, "not_logged_in"),
    "sessions rm": ("sesn_1 --yes", 1, "not_logged_in"),
    "runtime list": ("", 1, "not_logged_in"),
    "runtime rm": ("this --yes", 3, "not_set_up"),
    "share": ("", 3, "not_set_up"),
    "completion": ("bash", 0, None),
}
"""Each verb, with what it needs to be run; its status and its error's code where nothing is set up. One that has a
status and no code has made a report."""


@pytest.fixture(autouse=True)
def _nothing_here(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set up, no program is found, and whatever is written is written below the test's own folder."""
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)
    monkeypatch.setenv("PATH", "")
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_every_verb_is_known_here() -> None:
    """Catches a new verb whose answers nobody has looked at."""
    assert {words for words, _ in verbs_of(parser())} == set(EVERY)


@pytest.mark.parametrize("words", EVERY)
def test_a_verb_says_what_is_missing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a traceback for whoever has not run ``moor setup`` yet, and text where JSON was asked for."""
    arguments, wanted, code = EVERY[words]
    status, told, _ = moor(capsys, *words.split(), *arguments.split(), "--json")
    assert isinstance(told, dict)
    assert (status, told.get("error", {}).get("code")) == (wanted, code)
    assert main([*words.split(), *arguments.split()]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if code is not None:
        assert err.endswith(f"[{code}]\n")


@pytest.mark.parametrize("words", EVERY)
def test_a_verb_says_what_is_broken(words: str, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a traceback for whoever has mistyped a setting or lost half a file."""
    home.home.mkdir()
    home.config.write_text("max_sessions = 0")
    home.credentials.write_text("{")
    home.login.write_text("{")
    status, told, _ = moor(capsys, *words.split(), *EVERY[words][0].split(), "--json")
    assert isinstance(told, dict)
    if "error" in told:
        assert status > 0
        assert told["error"]["code"].isidentifier()
        assert told["error"]["message"].endswith(".")


@pytest.mark.parametrize("words", EVERY)
def test_a_verb_says_that_its_home_is_none(words: str, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a traceback where the system says no, of which every verb can hear."""
    home.home.write_text("a file, where a folder should be")
    status, told, _ = moor(capsys, *words.split(), *EVERY[words][0].split(), "--json")
    assert isinstance(told, dict)
    assert "error" not in told or status > 0
    assert home.home.read_text().startswith("a file")


@pytest.mark.parametrize("words", EVERY)
def test_a_verb_refuses_what_it_does_not_know(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a flag that is mistyped and passed over in silence."""
    arguments = EVERY[words][0].split()
    status, told, _ = moor(capsys, *words.split(), *arguments, "--no-such-flag", "--json")
    assert (status, told["error"]["code"]) == (2, "usage")
