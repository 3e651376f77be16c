"""Starts the AWS stand-in as a child, or finds the one that a killed gateway left behind.

With a data directory the child outlives the gateway's death, not its clean stop: it leaves a state file with its pid,
port and a token, and the next gateway of that directory uses it again if it answers with that token. Without one there
is nothing to find it by, so it ends with the gateway, whatever ended that: its standard input is a pipe from it.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)

# What gateway and server agree on stands here, so that a gateway need not load moto, which takes a second.
WHO_PATH = "/_mooring/who"  # No bucket can have this name: bucket names have no underscore.
LOCK_FILE = "moto.lock"
STATE_FILE = "moto.json"

START_TIMEOUT_S = 60.0
RESTORE_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 2.0
POLL_S = 0.02


class MotoChildError(Exception):
    """The AWS stand-in could not be started or stopped."""


@dataclass(frozen=True)
class MotoChild:
    """A running AWS stand-in.

    Args:
        url: Its endpoint.
        pid: Its process.
        process: The child, when this process started it; None when it was adopted.
        data_dir: Where it keeps everything; None for memory only.
    """

    url: str
    pid: int
    process: subprocess.Popen[str] | None
    data_dir: Path | None

    @property
    def is_adopted(self) -> bool:
        """True when an earlier gateway started it."""
        return self.process is None

    def is_alive(self) -> bool:
        """Ask it whether it is there; that also keeps it from ending as unused."""
        answer = _ask_who(self.url)
        return answer is not None and answer.get("pid") == self.pid

    def stop(self) -> None:
        """Stop it and wait until its files are closed.

        Raises:
            MotoChildError: It did not stop in time.
        """
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired as exc:
                self.process.kill()
                self.process.wait()
                raise MotoChildError(f"pid {self.pid} did not stop within {STOP_TIMEOUT_S} s; killed") from exc
            finally:
                _close_pipes(self.process)
        elif self.data_dir is not None and self.is_alive():
            os.kill(self.pid, signal.SIGTERM)
            # Someone else's child may stay a zombie for long, so its pid tells nothing; its lock does.
            _wait_for_lock(self.data_dir)


def start_or_adopt(data_dir: Path | None, port: int = 0, *, extra: tuple[str, ...] = ()) -> MotoChild:
    """Get an AWS stand-in for a data directory.

    Args:
        data_dir: Where it keeps everything; None for memory only.
        port: Where a new one should listen; 0 for any.
        extra: More arguments for a new one.

    Raises:
        MotoChildError: It did not start, or the directory is in use by one that does not answer.
    """
    if data_dir is not None and (adopted := _adopt(data_dir)):
        return adopted
    try:
        return _start(data_dir, port, extra)
    except MotoChildError:
        # A gateway killed while its child still restored leaves a child that has the lock but no state file yet.
        if data_dir is None or not (adopted := _adopt_late(data_dir)):
            raise
        return adopted


def _adopt(data_dir: Path) -> MotoChild | None:
    try:
        state = json.loads((data_dir / STATE_FILE).read_text())
    except FileNotFoundError:
        return None
    url = f"http://127.0.0.1:{state['port']}"
    if _ask_who(url) != state:
        log.info("pid=%s of an earlier run is gone", state["pid"])
        return None
    log.info("pid=%s url=%s adopted", state["pid"], url)
    return MotoChild(url, state["pid"], None, data_dir)


def _adopt_late(data_dir: Path) -> MotoChild | None:
    deadline = time.monotonic() + RESTORE_TIMEOUT_S
    while _is_locked(data_dir) and time.monotonic() < deadline:
        if adopted := _adopt(data_dir):
            return adopted
        time.sleep(POLL_S)
    return None


def _start(data_dir: Path | None, port: int, extra: tuple[str, ...]) -> MotoChild:
    command = [sys.executable, "-m", "infra.local.moto_server", "--port", str(port), *extra]
    errors: IO[bytes] | None = None
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        command += ["--data", str(data_dir)]
        # Not the gateway's own standard error: whoever reads that would wait for the child, too.
        errors = (data_dir / "moto.log").open("ab")
    else:
        command.append("--end-with-stdin")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if data_dir else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # A Ctrl-C in the terminal is for the gateway, which stops the child when it is done.
    )
    if errors is not None:
        errors.close()
    line = _first_line(process)
    if line.get("event") != "ready":
        process.kill()
        process.wait()
        _close_pipes(process)
        raise MotoChildError(line.get("message") or f"exit status {process.returncode}; see its log")
    return MotoChild(f"http://127.0.0.1:{line['port']}", process.pid, process, data_dir)


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None  # Popen was told to make the pipe.
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        return {}
    said: dict[str, Any] = json.loads(line)
    return said


def _ask_who(url: str) -> dict[str, Any] | None:
    # Proxies from the environment must not stand between two processes of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url + WHO_PATH, timeout=PROBE_TIMEOUT_S) as answer:
            who: dict[str, Any] = json.loads(answer.read())
            return who
    except (OSError, ValueError, http.client.HTTPException):  # Nobody there, or dying, or somebody else.
        return None


def _is_locked(data_dir: Path) -> bool:
    with (data_dir / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _wait_for_lock(data_dir: Path) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _is_locked(data_dir):
        if time.monotonic() > deadline:
            raise MotoChildError(f"the server of {data_dir} did not stop within {STOP_TIMEOUT_S} s")
        time.sleep(POLL_S)
