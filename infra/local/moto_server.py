"""An AWS of one's own: moto's DynamoDB, S3 and KMS behind one port, in a process that outlives the plane.

`python -m infra.local.moto_server --port P [--data DIR]` prints one JSON line when it serves, and stops on SIGTERM.

Why the lock: moto checks a condition and writes the item in two steps with nothing between threads. Two conditional
writes of the same key can both pass their check; at Python's default switch interval that is rare, but it happens, and
then two actors own one record number. Real DynamoDB serialises writes of an item, so does this server.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NoReturn

from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from infra.local import journal
from infra.local.leaving import Leaving
from infra.local.moto_child import LOCK_FILE, STATE_FILE, WHO_PATH
from infra.local.moto_state import MotoState

log = logging.getLogger(__name__)

JOURNAL_FILE = "journal.jsonl"
EXIT_DATA_DIR = 3
SHUTDOWN_POLL_S = 0.05
IDLE_EXIT_S = 15 * 60.0
"""A server nobody has asked anything for this long has lost its plane. Its data is on disk, so it may end."""


class DataDirError(Exception):
    """The data directory can't be used: another server has it, or its journal is damaged."""


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM.

    Returns:
        The exit status: 0 after a clean stop, 3 when the data directory is in use or damaged.
    """
    options = _parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Request lines would drown everything else; errors of a request are logged by the app.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if options.switch_interval_s:
        sys.setswitchinterval(options.switch_interval_s)
    lock = serialise_dynamodb()
    state = MotoState(DomainDispatcherApplication(create_backend_app), lock)
    directory: Path | None = options.data
    try:
        held = _open_data(directory, state) if directory else None
    except DataDirError as exc:
        _say({"event": "error", "code": "data_dir_unusable", "message": str(exc)})
        return EXIT_DATA_DIR
    try:
        _serve(options, state)
    finally:
        state.close()
        if directory is not None and held is not None:
            (directory / STATE_FILE).unlink(missing_ok=True)
            held.close()
    return 0


def serialise_dynamodb() -> threading.RLock:
    """Put one lock round moto's DynamoDB dispatch (see the module's docstring).

    Returns:
        The lock, reentrant, for whoever must be in order with DynamoDB's changes.
    """
    lock = threading.RLock()
    unlocked = DynamoHandler.call_action

    def call_action(handler: DynamoHandler) -> Any:
        with lock:
            return unlocked(handler)

    DynamoHandler.call_action = call_action  # type: ignore[method-assign]  # The patch is the purpose.
    return lock


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.moto_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, or a port that is taken: a free one")
    parser.add_argument("--data", type=Path, help="keep everything in this directory")
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when standard input ends")
    parser.add_argument(
        "--idle-exit-s", type=float, default=IDLE_EXIT_S, help="with --data: stop after this without a request"
    )
    parser.add_argument("--switch-interval-s", type=float, help="sys.setswitchinterval, to make races likely in tests")
    return parser.parse_args(argv)


def _open_data(directory: Path, state: MotoState) -> IO[str]:
    """Take a data directory, bring its contents back, and record into it from now on.

    Returns:
        The lock file; whoever holds it open and locked owns the directory.

    Raises:
        DataDirError: Another server has it, or its journal is damaged.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = (directory / LOCK_FILE).open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        held.close()
        raise DataDirError(f"{directory} is in use by another server; stop it or choose another directory") from exc
    path = directory / JOURNAL_FILE
    began = time.monotonic()
    try:
        entries = journal.read(path)
    except journal.JournalDamaged as exc:
        raise DataDirError(f"the journal is damaged: {exc}") from exc
    if state.replay(entries):
        # What did not come back must not be lost with the old journal.
        spare = directory / f"journal.{int(time.time())}.failed.jsonl"
        spare.write_bytes(path.read_bytes())
        log.error("file=%s keeps the journal that did not replay in full", spare)
    kept = journal.rewrite(path, state.compact(entries))
    log.info("entries=%d kept=%d took_s=%.2f restored %s", len(entries), kept, time.monotonic() - began, directory)
    state.record_into(journal.Journal(path))
    return held


def _serve(options: argparse.Namespace, state: MotoState) -> None:
    listener = _bind(options.port)
    port: int = listener.getsockname()[1]
    token = secrets.token_hex(16)
    who = {"pid": os.getpid(), "port": port, "token": token}
    front = _Front(state, who)
    server = make_server("127.0.0.1", port, front, threaded=True, request_handler=_Handler, fd=listener.fileno())
    leaving = Leaving()
    threading.Thread(target=server.serve_forever, args=(SHUTDOWN_POLL_S,), name="serve", daemon=True).start()
    if options.end_with_stdin:
        threading.Thread(target=_watch_stdin, args=(leaving,), name="stdin", daemon=True).start()
    if options.data:
        fresh = options.data / (STATE_FILE + ".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(who))
        fresh.replace(options.data / STATE_FILE)
    _say({"event": "ready", **who})
    while not leaving.wait(min(1.0, options.idle_exit_s)):
        if options.data and time.monotonic() - front.last_asked > options.idle_exit_s:
            log.info("pid=%d unused for %s s; stopping", os.getpid(), options.idle_exit_s)
            break
    server.shutdown()
    server.server_close()
    listener.close()


class _Front:
    """Answers who this server is, and notes when it was last asked anything."""

    def __init__(self, state: MotoState, who: dict[str, Any]) -> None:
        self._state = state
        self._who = json.dumps(who).encode()
        self.last_asked = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.last_asked = time.monotonic()
        if environ.get("PATH_INFO") == WHO_PATH:
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(self._who)))])
            return [self._who]
        return self._state(environ, start_response)


class _Handler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing for each request."""


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        log.warning("port=%d is taken; using a free one", port)
        listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def _watch_stdin(leaving: Leaving) -> None:
    # The other end of this pipe is the gateway: however it dies, the kernel closes it.
    sys.stdin.buffer.read()
    leaving.tell()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _exit(status: int) -> NoReturn:
    logging.shutdown()
    # Request threads of clients that keep their connections open would hold the interpreter back.
    os._exit(status)


if __name__ == "__main__":
    _exit(main())
