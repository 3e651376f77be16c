"""`python -m infra.local up`: the whole plane on this machine, until SIGTERM.

Standard output gets exactly one JSON line, when everything answers; all else goes to standard error. The order: ports
(their addresses go into the environment), the AWS stand-in, tables, the app, the first tenant, then serving.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from infra.local.gateway import Behaviour, Gateway, Plane, address, bind
from infra.local.limits import CONNECTION_S, IDLE_S, Limits
from infra.local.moto_child import MotoChild, MotoChildError, start_or_adopt

log = logging.getLogger(__name__)

EXIT_REFUSED = 3
EXIT_LOST_AWS = 4
LOCK_TIMEOUT_S = 2.0
KEY_FILE = "admin-key"
BUCKET = "mooring-files"
DUMMIES = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

LoadPlane = Callable[["str | None"], "tuple[Plane, str, str]"]


class GatewayRefused(Exception):
    """The gateway can't start as asked; the sentence says what to do."""


@dataclass(frozen=True)
class Addresses:
    """Where everything answers."""

    url: str
    ws_url: str
    aws_endpoint_url: str


def main(argv: list[str] | None = None, *, load: LoadPlane | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        argv: The arguments after `up`.
        load: Makes the plane, its tenant id and its API key from the admin key wanted; by default the real plane.

    Returns:
        The exit status: 0 after a clean stop, 3 when refused, 4 when the AWS stand-in died.
    """
    options = _parse(argv)
    ready = _claim_stdout()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    # A stop that comes while starting unwinds like any other: what was started is stopped.
    signal.signal(signal.SIGTERM, _leave)
    try:
        with ExitStack() as started:
            return _up(options, ready, load or load_plane, started)
    except (GatewayRefused, MotoChildError) as refusal:
        log.error("%s", refusal)
        return EXIT_REFUSED


def load_plane(admin_key: str | None) -> tuple[Plane, str, str]:
    """Make the real plane. The environment must say by now where AWS and the gateway are.

    Args:
        admin_key: The first tenant's API key; None to have one made.

    Returns:
        The plane, the first tenant's id, and its API key.
    """
    tables: Any = importlib.import_module("infra.tables")
    tables.create_tables(os.environ["AWS_ENDPOINT_URL"])
    if name := os.environ.get("MOORING_BUCKET"):
        bucket: Any = importlib.import_module("infra.bucket")
        bucket.create_bucket(name, os.environ["AWS_ENDPOINT_URL"])
    app: Any = importlib.import_module("app")
    tenant_id, api_key = first_tenant(admin_key)
    return _with_stream(app.app), tenant_id, api_key


def first_tenant(admin_key: str | None) -> tuple[str, str]:
    """Make the first tenant, or find the one that the key belongs to.

    Returns:
        Its id and its API key.
    """
    wiring: Any = importlib.import_module("chalicelib.wiring")
    tenant_id, api_key = wiring.plane().tenants.bootstrap(admin_key)
    return tenant_id, api_key


def _with_stream(app: Any) -> Plane:
    try:
        stream: Any = importlib.import_module("chalicelib.stream.app")
    except ModuleNotFoundError as exc:
        if exc.name not in ("chalicelib.stream", "chalicelib.stream.app"):
            raise
        log.warning("this plane has no streaming app; Chalice answers everything")
        return Plane(app)
    return Plane(app, stream.build(), stream.owns)


def _up(options: argparse.Namespace, ready: IO[str], load: LoadPlane, started: ExitStack) -> int:
    if options.data is not None:
        started.enter_context(_own(options.data))
    http_listener = started.enter_context(bind(options.port))
    ws_listener = started.enter_context(bind(options.ws_port))
    child: MotoChild | None = None
    if options.dynamodb_endpoint is None:
        child = start_or_adopt(options.data)
        started.callback(child.stop)
    addresses = Addresses(
        address(http_listener, "http"), address(ws_listener, "ws"), child.url if child else options.dynamodb_endpoint
    )
    _export(addresses, options.ping_s)
    if child is not None:
        # Where another stand-in is given, whoever gives it knows whether it keeps objects, and sets this.
        os.environ["MOORING_BUCKET"] = BUCKET
    key_file = options.data / KEY_FILE if options.data is not None else None
    plane, tenant_id, api_key = load(_admin_key(options.admin_key, key_file))
    if key_file is not None:
        _keep_key(key_file, api_key)
    behaviour = Behaviour(
        limits=Limits(idle_s=options.idle_s, connection_s=options.max_connection_s),
        is_ordered=options.ordered,
        message_threads=options.threads,
        sweep_every_s=options.sweep_every,
    )
    line = {"event": "ready", **vars(addresses), "tenant_id": tenant_id, "api_key": api_key}
    gateway = Gateway(plane, behaviour)
    watch = partial(_watch_aws, child, options.watch_aws_every) if child is not None else None
    status, still_running = asyncio.run(_serve(gateway, http_listener, ws_listener, watch, lambda: _say(ready, line)))
    if still_running:
        # The interpreter would wait for these threads for as long as they like.
        log.warning("count=%d functions still run; leaving them", still_running)
        started.close()
        logging.shutdown()
        os._exit(status)
    return status


async def _serve(
    gateway: Gateway,
    http_listener: socket.socket,
    ws_listener: socket.socket,
    watch: Callable[[Callable[[int], None]], Coroutine[Any, Any, None]] | None,
    say_ready: Callable[[], None],
) -> tuple[int, int]:
    """Serve until told to stop.

    Returns:
        The exit status, and how many functions still ran at the end.
    """
    stopping: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(status: int) -> None:
        if not stopping.done():
            stopping.set_result(status)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, 0)
    await gateway.start(http_listener, ws_listener)
    watching = asyncio.create_task(watch(stop)) if watch is not None else None
    say_ready()
    status = await stopping
    log.info("stopping")
    if watching is not None:
        watching.cancel()
    return status, await gateway.stop()


async def _watch_aws(child: MotoChild, every_s: float, stop: Callable[[int], None]) -> None:
    """Stop the gateway when its AWS stand-in is gone; asking also keeps that from ending as unused."""
    try:
        while await asyncio.to_thread(child.is_alive):
            await asyncio.sleep(every_s)
    except Exception:  # A watch that died unseen would leave a plane without a database running.
        log.exception("pid=%d url=%s can't watch the AWS stand-in", child.pid, child.url)
    else:
        log.error("pid=%d url=%s the AWS stand-in does not answer any more", child.pid, child.url)
    stop(EXIT_LOST_AWS)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local up", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="HTTP; a free one is used when it is taken")
    parser.add_argument("--ws-port", type=int, default=8081, help="WebSockets; likewise")
    parser.add_argument("--admin-key", metavar="moor_…", help="the first tenant's API key; one is made without it")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep tables and objects here; without it, in memory")
    parser.add_argument("--dynamodb-endpoint", metavar="URL", help="use this endpoint, start no AWS stand-in")
    parser.add_argument("--sweep-every", type=float, default=60.0, metavar="S", help="seconds; 0 for never")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="close a WebSocket idle this long, seconds")
    parser.add_argument("--max-connection-s", type=float, default=CONNECTION_S, help="close it at this age, seconds")
    parser.add_argument("--ping-s", type=float, help="have daemons ping this often, seconds; needs less than --idle-s")
    parser.add_argument("--watch-aws-every", type=float, default=60.0, metavar="S", help="seconds between two looks")
    parser.add_argument("--threads", type=int, default=16, help="WebSocket functions at once")
    parser.add_argument("--ordered", action="store_true", help="one message after the other; AWS does not do that")
    return parser.parse_args(argv)


def _claim_stdout() -> IO[str]:
    """Keep standard output for the one line: Chalice's logger and any `print` write to standard error instead."""
    sys.stdout.flush()
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return ready


def _say(ready: IO[str], line: dict[str, Any]) -> None:
    with ready:
        ready.write(json.dumps(line) + "\n")


def _leave(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _own(data_dir: Path) -> IO[str]:
    """Make sure that no other gateway uses this data directory; the lock goes with the file, so also with a kill.

    Raises:
        GatewayRefused: Another gateway uses it.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = (data_dir / "gateway.lock").open("a+")
    deadline = time.monotonic() + LOCK_TIMEOUT_S  # One that is being stopped may need a moment.
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                held.close()
                raise GatewayRefused(
                    f"{data_dir} is in use by another gateway; stop it or give another --data"
                ) from exc
            time.sleep(0.05)
        else:
            return held


def _export(addresses: Addresses, ping_s: float | None) -> None:
    """Tell the plane, through the environment, where everything is and how often daemons are to ping."""
    for name, value in DUMMIES.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("AWS_REGION", os.environ["AWS_DEFAULT_REGION"])
    os.environ["AWS_ENDPOINT_URL"] = addresses.aws_endpoint_url
    os.environ["MOORING_CONNECTIONS_URL"] = addresses.url
    os.environ["MOORING_WS_URL"] = addresses.ws_url
    if ping_s is not None:
        os.environ["MOORING_PING_S"] = str(ping_s)


def _admin_key(given: str | None, key_file: Path | None) -> str | None:
    if given is None and key_file is not None and key_file.exists():
        return key_file.read_text().strip()
    return given


def _keep_key(key_file: Path, api_key: str) -> None:
    fresh = key_file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(api_key + "\n")
    fresh.replace(key_file)
