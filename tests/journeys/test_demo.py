"""The two commands of the front page: a demo that ends by itself, and a plane that stays up and keeps its data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.stage import API

from .waiting import eventually

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120


def test_the_demo_shows_one_turn_and_ends_well() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "infra.local", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    shown = [words[0] for words in lines if words and "." in words[0]]
    assert shown[0] == "user.message"
    assert shown[-1] == "session.status_idle"
    assert "agent.message" in shown
    assert "the turn is completed" in ran.stdout
    assert "\033[" not in ran.stdout


@contextmanager
def running(data: Path) -> Iterator[list[str]]:
    """`run` until it says what to try next, then stopped as by Ctrl-C; its lines."""
    command = [sys.executable, "-m", "infra.local", "run", "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.strip())
            if "curl" in line:
                break
        try:
            yield lines
        finally:
            process.terminate()
            assert process.wait(timeout=DEADLINE_S) == 0


def statuses(api: API) -> list[str]:
    return [one["status"] for one in api.ok("GET", "/v1/sessions")["data"]]


def test_what_runs_says_what_to_try_and_keeps_its_data(tmp_path: Path) -> None:
    """Catches a key, a session or a laptop that is forgotten by the next start."""
    with running(tmp_path) as first:
        moor = next(line for line in first if "moor ask" in line)
        assert moor.endswith('ask "What can you do?"')
    with running(tmp_path) as second:
        key = next(line.split()[-1] for line in second if line.startswith("key"))
        url = next(line.split()[-1] for line in second if line.startswith("API"))
        assert f"key   {key}" in first
        api = API(url, key)
        # A session's line in the list is written after its events were sent.
        eventually("both sessions are idle", lambda: statuses(api) == ["idle", "idle"])
