"""The screens: the same result for a program, for a pipe and for a person at a terminal of any size."""

from __future__ import annotations

import contextlib
import io
import os
import pty
from collections.abc import Callable

import pytest

from mooring.commands.result import Result, Table
from mooring.commands.screens import JSONScreen, PlainScreen
from mooring.commands.terminal import TerminalScreen

SESSIONS = Table(
    ("ID", "AGENT", "TITLE"),
    [
        ("sesn_0123456789", "reviewer", "日本語のタイトル, a long one"),
        ("sesn_9", "echo", "two\nlines\tand \x1b[2Ja screen"),
    ],
)


def shown(monkeypatch: pytest.MonkeyPatch, act: Callable[[TerminalScreen], None], **env: str) -> str:
    """What a real terminal has got once somebody has used its screen."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "25", **env}.items():
        monkeypatch.setenv(name, value)
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as other_end:
        with os.fdopen(slave, "w", encoding="utf-8") as screen:
            act(TerminalScreen(screen, screen))
        told = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal.
            while piece := other_end.read(65536):
                told += piece
    return told.decode().replace("\r\n", "\n")


def test_a_pipe_gets_a_line_with_tabs_for_each_row_whatever_the_cells_hold() -> None:
    """Catches a title with a line's end in it, which would be two rows to ``cut`` and ``while read``."""
    out, err = io.StringIO(), io.StringIO()
    PlainScreen(out, err).finish(Result(lines=["2 sessions"], table=SESSIONS))
    assert err.getvalue() == ""
    assert out.getvalue().splitlines() == [
        "ID\tAGENT\tTITLE",
        "sesn_0123456789\treviewer\t日本語のタイトル, a long one",
        "sesn_9\techo\ttwo lines and [2Ja screen",
        "2 sessions",
    ]


def test_a_terminal_gets_columns_that_stand_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches widths counted in characters: a wide one takes two columns; and a cell that clears the screen."""
    table = Table(("ID", "TITLE", "N"), [("1", "日本", "x"), ("2", "\x1b[2Jabcd", "y")])
    told = shown(monkeypatch, lambda screen: screen.finish(Result(table=table)))
    assert "\x1b[2J" not in told
    assert [line.rstrip() for line in told.splitlines()[1:]] == ["1   日本     x", "2   [2Jabcd  y"]


def test_a_narrow_terminal_keeps_ids_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an id that is broken over two lines and can't be copied."""
    lines = shown(monkeypatch, lambda screen: screen.finish(Result(table=SESSIONS)), COLUMNS="34").splitlines()
    assert any(line.startswith("sesn_0123456789 ") for line in lines)
    assert len(lines) > 3


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_those_who_want_them(
    env: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Result(1, ["moor: It broke. [broken]"], {"error": {}})
    told = shown(monkeypatch, lambda screen: screen.finish(broken), **env)
    assert "moor: It broke. [broken]" in told
    assert ("\x1b[31m" in told) is coloured


def test_a_terminal_draws_how_far_something_is_and_a_dumb_one_gets_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(screen: TerminalScreen) -> None:
        with screen.progress("Installing codex-acp", 2) as advance:
            advance(1)
            advance(1)

    for env, drawn in ({}, True), ({"TERM": "dumb"}, False):
        told = shown(monkeypatch, install, **env)
        assert ("\x1b[?25l" in told) is drawn
        assert ("━" in told) is drawn
        assert ("Installing codex-acp …\n" in told) is not drawn
        assert "Installing codex-acp: done" in told


def test_a_pipe_gets_a_note_at_start_and_end_and_a_program_nothing() -> None:
    """Catches a bar in a log file, and anything but JSON on the output of ``--json``."""
    out, err = io.StringIO(), io.StringIO()
    with PlainScreen(out, err).progress("Installing codex-acp") as advance:
        advance(1)
    assert (out.getvalue(), err.getvalue()) == ("", "Installing codex-acp …\nInstalling codex-acp: done\n")
    with JSONScreen(out).progress("Installing codex-acp") as advance:
        advance(1)
    assert out.getvalue() == ""


def test_what_breaks_off_is_not_told_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(screen: PlainScreen) -> None:
        with pytest.raises(OSError, match="full"), screen.progress("Installing codex-acp"):
            raise OSError("full")

    err = io.StringIO()
    install(PlainScreen(io.StringIO(), err))
    assert "done" not in err.getvalue() + shown(monkeypatch, install)
