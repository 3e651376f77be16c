"""A whole Mooring on this machine: the plane, a laptop's daemon and its agents, as real processes on loopback.

`make run` and `make demo` stand on it, and so do the journeys among the tests.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import urllib3

STARTED_S = 60.0
"""How long a process may take until it says that it is ready (seconds)."""

POLL_S = 0.05
ENROLLED_FILE = "credentials.json"


class StageError(Exception):
    """Something did not start; the sentence says what, and where its log is."""


@dataclass
class PlaneProcess:
    """A running `python -m infra.local up`.

    Attributes:
        ready: what its ready line says.
    """

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    log_path: Path

    @property
    def url(self) -> str:
        """Where the API answers."""
        return str(self.ready["url"])

    @property
    def api_key(self) -> str:
        """The first tenant's key."""
        return str(self.ready["api_key"])

    def stop(self) -> int:
        """Stops it cleanly and returns its exit status."""
        status = _stop(self.process)
        _close(self.process)
        return status

    def kill(self) -> None:
        """Kills it, as a crash would; with ``--data`` its AWS stand-in lives on."""
        self.process.kill()
        self.process.wait()
        _close(self.process)


def start_plane(log_path: Path, *options: str, env: Mapping[str, str] | None = None) -> PlaneProcess:
    """Starts a plane and waits until it answers.

    Args:
        log_path: where its standard error goes.
        options: further arguments of `up`.
        env: its environment; this process's own by default.

    Raises:
        StageError: it ended, or said nothing for `STARTED_S`.
    """
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "infra.local", "up", *options]
    with log_path.open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root, env=env)
    assert process.stdout is not None
    line = _first_line(process.stdout)
    if not line:
        _stop(process)
        _close(process)
        raise StageError(f"The plane did not start; its log is {log_path}.")
    return PlaneProcess(process, json.loads(line), log_path)


@dataclass
class API:
    """A person's client of the plane, as thin as can be."""

    url: str
    key: str
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=40.0))

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One request. Returns the status and the JSON body (or its text)."""
        sent = json.dumps(body).encode() if body is not None else None
        every = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        answer = self.pool.request(method, self.url + path, body=sent, headers=every)
        text = answer.data.decode()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def ok(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """One request that must succeed. Raises StageError with the plane's answer otherwise."""
        status, found = self.call(method, path, body, **headers)
        if status >= 300:
            raise StageError(f"{method} {path}: {status} {found}")
        return found

    def stream(self, session_id: str, query: str = "") -> Generator[dict[str, Any], None, None]:
        """The session's events as they come; the stream stands when the first item, ``{"type": "open"}``, is given."""
        answer = self.pool.request(
            "GET",
            f"{self.url}/v1/sessions/{session_id}/events/stream{query}",
            headers={"authorization": f"Bearer {self.key}"},
            preload_content=False,
        )
        if answer.status != 200:
            raise StageError(f"stream: {answer.status} {answer.data.decode()}")
        yield {"type": "open"}
        buffer = b""
        try:
            for chunk in answer.stream(1, decode_content=True):
                buffer += chunk
                while b"\n\n" in buffer:
                    frame, buffer = buffer.split(b"\n\n", 1)
                    data = [line[5:].strip() for line in frame.decode().splitlines() if line.startswith("data:")]
                    if data:
                        yield json.loads("\n".join(data))
        finally:
            answer.close()


@dataclass
class DaemonProcess:
    """A running `moor daemon`."""

    process: subprocess.Popen[bytes]
    home: Path
    log_path: Path

    def stop(self) -> int:
        """Stops it cleanly and returns its exit status."""
        return _stop(self.process)

    def kill(self) -> None:
        """Kills it, as a crash would; its children too, unless they have groups of their own."""
        self.process.kill()
        self.process.wait()


def moor(home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs one `moor` command to its end."""
    return subprocess.run(
        [_moor(), *arguments], env=_daemon_env(home, env), capture_output=True, text=True, check=False, timeout=120
    )


def enrol(api: API, home: Path, env: Mapping[str, str] | None = None) -> str:
    """Makes this machine a runtime, by connect code; again does no harm. Returns the runtime's id.

    Raises:
        StageError: `moor setup` failed.
    """
    state = secrets.token_hex(8)
    code = api.ok("POST", "/v1/runtimes/connect-runtime", {"state": state})["code"]
    # Forced, because a plane that keeps its data may come up at another port.
    grant = ("--code", code, "--state", state, "--force")
    command = ("setup", "--server", api.url, *grant, "--no-service", "--json")
    done = moor(home, *command, env=env)
    if done.returncode:
        raise StageError(f"moor setup: exit {done.returncode}: {done.stderr or done.stdout}")
    return str(json.loads(done.stdout)["runtime_id"])


def start_daemon(home: Path, env: Mapping[str, str] | None = None) -> DaemonProcess:
    """Starts `moor daemon`; `wait_online` tells when the plane has welcomed it."""
    log_path = home / "daemon.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen([_moor(), "daemon"], env=_daemon_env(home, env), stdout=log, stderr=log)
    return DaemonProcess(process, home, log_path)


def wait_online(api: API, runtime_id: str, daemon: DaemonProcess | None = None) -> dict[str, Any]:
    """Waits until the runtime is online. Returns it as the API shows it.

    Raises:
        StageError: the daemon ended, or `STARTED_S` have passed.
    """
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline:
        for runtime in api.ok("GET", "/v1/runtimes")["runtimes"]:
            if runtime["id"] == runtime_id and runtime["status"] == "online":
                found: dict[str, Any] = runtime
                return found
        if daemon is not None and daemon.process.poll() is not None:
            raise StageError(f"The daemon ended with {daemon.process.returncode}; its log is {daemon.log_path}.")
        time.sleep(POLL_S)
    raise StageError(f"Runtime {runtime_id} did not come online.")


def bind_agent(api: API, runtime_id: str, acp_agent_id: str, **fields: Any) -> dict[str, Any]:
    """Makes an agent that runs on the runtime by one of its ACP agents."""
    binding = {"runtime_id": runtime_id, "acp_agent_id": acp_agent_id}
    body = {"name": acp_agent_id, "model": "", "harness": "acp-proxy", "runtime_binding": binding, **fields}
    found: dict[str, Any] = api.ok("POST", "/v1/agents", body)
    return found


def _moor() -> str:
    return str(Path(sys.executable).with_name("moor"))


def _daemon_env(home: Path, env: Mapping[str, str] | None) -> dict[str, str]:
    own_bin = str(Path(sys.executable).parent)
    merged = {**os.environ, **(env or {}), "MOOR_HOME": str(home)}
    merged["PATH"] = f"{own_bin}{os.pathsep}{merged.get('PATH', '')}"
    return merged


def _first_line(stdout: IO[str]) -> str:
    """The ready line, or "" when the process ends before it, or says nothing for too long."""
    readable, _, _ = select.select([stdout], [], [], STARTED_S)
    return stdout.readline() if readable else ""


def _stop(process: subprocess.Popen[Any]) -> int:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _close(process: subprocess.Popen[str]) -> None:
    """Closes our end of its pipe, which Python would complain about otherwise."""
    if process.stdout is not None:
        process.stdout.close()
