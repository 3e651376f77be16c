"""``moor completion``: what happens when somebody presses TAB in a real shell."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.daemon.commands.command_line import moor

PATIENCE_S = 60.0


@pytest.fixture
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """The completion script of a shell that is here."""
    shell = str(request.param)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / f"moor.{shell}"
    path.write_text(moor(capsys, "completion", shell)[1])
    return path


def typed(argv: list[str], before: str, line: str, wanted: str) -> str:
    """What an interactive shell shows once ``wanted`` is there, after a command and a line that is typed."""
    terminal, end = pty.openpty()
    env = {**os.environ, "TERM": "dumb", "PS1": "$ ", "HOME": "/nonexistent"}
    shell = subprocess.Popen(argv, stdin=end, stdout=end, stderr=end, start_new_session=True, env=env)
    os.close(end)
    shown = ""
    try:
        # The line is typed when the command is done: what is typed ahead may be completed by a shell that is not ready.
        os.write(terminal, f"{before}; echo rea''dy\n".encode())
        for awaited, typing in ("ready", line), (wanted, ""):
            while awaited not in shown:
                assert select.select([terminal], [], [], PATIENCE_S)[0], shown
                shown += os.read(terminal, 4096).decode(errors="replace")
            os.write(terminal, typing.encode())
        return shown
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(
    ("line", "wanted"), [("moor sess\t", "moor sessions "), ("moor sessions --stat\tru\t", "--status running ")]
)
def test_bash_completes(script: Path, line: str, wanted: str) -> None:
    """Catches a script that a shell can read and does nothing, and words that are missing in it."""
    typed(["bash", "--norc", "--noprofile", "-i"], f"source {script}", line, wanted)


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_completes(script: Path) -> None:
    before = f'autoload -Uz compinit && compinit -D -u; eval "$(cat {script})"'
    typed(["zsh", "-f", "-i"], before, "moor sess\t", "moor sessions ")


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish_completes(script: Path, tmp_path: Path) -> None:
    command = f"source {script}; complete -C 'moor sess'; complete -C 'moor runtime l'"
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    answer = subprocess.run(["fish", "-N", "-c", command], capture_output=True, text=True, check=True, env=env)
    assert [line.split("\t")[0] for line in answer.stdout.splitlines()] == ["sessions", "list"]
