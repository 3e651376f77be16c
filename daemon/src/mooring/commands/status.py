"""``moor status``: what is known here and what runs, without touching the daemon or its connection."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import __version__
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import Credentials, NotSetUp, Paths, paths, read_credentials
from ..edge.https import PlaneError
from ..edge.lock import read_holder
from ..edge.plane import Plane
from ..errors import MoorError
from .result import EXIT_NOT_SET_UP, Result, exit_code_of
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor status``."""
    verbs.add("status", "Show what is set up, what runs and what the plane sees.", lambda *_: run())


def run() -> Result:
    """Looks and tells. The status is 0 when the laptop is set up and its plane knows it.

    Raises:
        MoorError: ``credentials_unreadable``, ``bad_config``.
    """
    where = paths()
    pid = read_holder(where.lock)
    found = Agents(read_config(where.config)).reports()
    data: dict[str, Any] = {
        "version": __version__,
        "home": str(where.home),
        "set_up": False,
        "daemon": {"running": pid is not None, "pid": pid},
        "agents": msgspec.to_builtins(found),
    }
    lines = [f"home     {where.home}"]
    credentials = _credentials(where)
    if credentials is None:
        lines.append("plane    not set up; run `moor setup`")
        exit_code = EXIT_NOT_SET_UP
    else:
        data |= {"set_up": True, "server_url": credentials.server_url, "runtime_id": credentials.runtime_id}
        data["plane"], exit_code = _plane(credentials)
        lines += [f"plane    {credentials.server_url}: {_said(data['plane'])}", f"runtime  {credentials.runtime_id}"]
    lines.append(f"daemon   running, pid {pid}" if pid is not None else "daemon   not running; run `moor daemon`")
    lines.append("agents   " + (", ".join(one.id for one in found) or "none found"))
    return Result(exit_code, lines, data)


def _credentials(where: Paths) -> Credentials | None:
    try:
        return read_credentials(where)
    except NotSetUp:
        return None


def _plane(credentials: Credentials) -> tuple[dict[str, Any], int]:
    plane = Plane(credentials.server_url, credentials.token, attempts=1)
    try:
        me = plane.me()
    except MoorError as exc:
        heard = isinstance(exc, PlaneError)
        return {"reachable": heard, "error": {"code": exc.code, "message": exc.message}}, exit_code_of(exc)
    finally:
        plane.close()
    runtime: dict[str, Any] = me.get("runtime", me)
    return {"reachable": True, "runtime": runtime}, 0


def _said(plane: dict[str, Any]) -> str:
    if "error" in plane:
        error = plane["error"]
        return f"{error['message']} [{error['code']}]"
    return f"reachable, sees this laptop {plane['runtime'].get('status', 'as it is')}"
