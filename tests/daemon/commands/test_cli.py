"""The command line's contract: exit statuses, and the JSON that scripts read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mooring import __version__
from mooring.cli import main, parser
from mooring.edge import https
from mooring.edge.creds import Paths, read_login
from tests.daemon.commands.command_line import moor
from tests.daemon.fake_plane import FakePlane, fault

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "daemon" / "src")}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "_BACKOFF_S", 0.0)


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"moor {__version__}\n"


@pytest.mark.parametrize("arguments", [["fly"], ["setup", "--no-such"], ["ask"], ["runtime"], ["sessions", "show"]])
def test_a_command_line_that_can_not_be_read_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a program that asked for JSON and gets a sentence on the other stream."""
    status, out, err = moor(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: moor")
    status, told, err = moor(capsys, *arguments, "--json")
    assert (status, told["error"]["code"], err) == (2, "usage", "")


def test_moor_alone_shows_help_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert all(f"    {name} " in err for name in ("setup", "status", "runtime"))


def test_help_says_of_each_verb_what_the_verb_says_itself() -> None:
    """Catches a purpose that was changed in one of the two places, and a verb that help does not know."""
    assert parser(()).format_help() == parser().format_help()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["stauts"], "status"), (["runtime", "lsit"], "list"), (["completion", "bahs"], "bash"), (["agent"], "agents")],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told, _ = moor(capsys, *arguments, "--json")
    assert (status, told["error"]["message"]) == (2, f"{arguments[-1]!r} is not known; did you mean {meant!r}?")


def test_flags_stand_before_the_verb_as_well_as_behind_it(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a verb whose own default hides what was said before it."""
    assert moor(capsys, "--json", "workspaces", "list")[:2] == (0, {"workspaces": []})
    assert moor(capsys, "workspaces", "list", "--json")[:2] == (0, {"workspaces": []})


def test_a_right_command_line_imports_no_other_verb() -> None:
    """Catches a start that takes a second because of what only the daemon needs."""
    for arguments, wanted in (
        (["--version"], set()),
        (["--help"], set()),
        (["status"], {"status"}),
        (["runtime", "list"], {"runtime"}),
    ):
        code = (
            f"import sys; from mooring.cli import parser; parser({arguments!r});"
            "print(*(name for name in sys.modules if name.startswith(('mooring.commands.', 'acp', 'rich'))))"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENV)
        loaded = {name.removeprefix("mooring.commands.") for name in told.stdout.split()}
        assert loaded - {"result", "screens", "verbs", "times"} == wanted


def test_login_keeps_a_key_that_the_plane_takes(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.route("GET /v1/runtimes", (200, {"runtimes": [{"id": "rt_1"}]}))
    status, told, _ = moor(capsys, "login", "--server", plane.url, "--api-key", "moor_secret", "--json")
    assert (status, told) == (0, {"server_url": plane.url, "runtimes": 1})
    assert plane.asked[0].headers["authorization"] == "Bearer moor_secret"
    assert stat.S_IMODE(home.login.stat().st_mode) == 0o600
    monkeypatch.setenv("MOOR_SERVER", plane.url)
    monkeypatch.setenv("MOOR_API_KEY", "moor_other")
    assert moor(capsys, "login")[0] == 0
    assert read_login(home, {}).api_key == "moor_other"


def test_login_keeps_no_key_that_the_plane_refuses(
    plane: FakePlane, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.route("GET .*", fault(401, "unauthorized"))
    status, told, _ = moor(capsys, "login", "--server", plane.url, "--api-key", "moor_bad", "--json")
    assert (status, told["error"]["code"]) == (5, "unauthorized")
    assert not home.login.exists()
    assert moor(capsys, "login", "--json")[0:2][0] == 2
