"""``moor status``: what is known here and what runs, without touching the daemon or its connection."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import msgspec

from .. import __version__
from ..daemon.agents import Agents
from ..edge.config import Config, read_config
from ..edge.creds import Credentials, NotSetUp, Paths, paths, read_credentials
from ..edge.https import PlaneError
from ..edge.lock import read_holder
from ..edge.plane import Plane
from ..errors import MoorError
from ..service import manager, spec_here
from .result import EXIT_NOT_SET_UP, Result, exit_code_of
from .times import moment
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
    data, exit_code = _here(where, read_config(where.config)), EXIT_NOT_SET_UP
    credentials = _credentials(where)
    if credentials is not None:
        data |= {
            "set_up": True,
            "server_url": credentials.server_url,
            "runtime_id": credentials.runtime_id,
            "token": {"created_at": credentials.created_at, "expires_at": credentials.expires_at},
        }
        data["plane"], exit_code = _plane(credentials)
    return Result(exit_code, [f"{name:<9}{told}" for name, told in _lines(data)], data)


def _here(where: Paths, config: Config) -> dict[str, Any]:
    """What is known without the plane."""
    pid = read_holder(where.lock)
    taken_at = where.taken_over.stat().st_mtime if where.taken_over.exists() else None
    return {
        "version": __version__,
        "home": str(where.home),
        "profile": where.profile,
        "set_up": False,
        "daemon": {"running": pid is not None, "pid": pid, "taken_over_at": taken_at},
        "service": _service(where),
        # The daemon strikes each one out when it ends; what a killed daemon has left says nothing.
        "agents_running": 0 if pid is None else len(list(where.children.glob("*.json"))),
        "agents": msgspec.to_builtins(Agents(config, where).reports()),
        "workspaces": list(config.workspaces),
    }


def _service(where: Paths) -> dict[str, Any]:
    try:
        return asdict(manager(spec_here(where.home, where.profile)).status())
    except MoorError as exc:
        return {"installed": False, "running": False, "trouble": exc.message}


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


def _lines(data: dict[str, Any]) -> list[tuple[str, str]]:
    told = [("home", data["home"])]
    if data["profile"]:
        told.append(("profile", data["profile"]))
    if data["set_up"]:
        told += [("plane", f"{data['server_url']}: {_seen(data['plane'])}"), ("runtime", data["runtime_id"])]
        told += _token(data["token"]["expires_at"])
    else:
        told.append(("plane", "not set up; run `moor setup`"))
    told += [("service", _kept(data["service"])), ("daemon", _running(data))]
    if data["workspaces"]:
        told.append(("folders", ", ".join(data["workspaces"])))
    return [*told, ("agents", ", ".join(map(_agent, data["agents"])) or "none found")]


def _seen(plane: dict[str, Any]) -> str:
    if "error" in plane:
        error = plane["error"]
        remedy = " Run `moor setup` again." if error["code"] == "unauthorized" else ""
        return f"{error['message']}{remedy} [{error['code']}]"
    runtime = plane["runtime"]
    since = f" since {moment(runtime['asleep_since'])}" if runtime.get("asleep_since") else ""
    waiting = f", {runtime['waiting']} messages waiting" if runtime.get("waiting") else ""
    return f"reachable, sees this laptop {runtime.get('status', 'as it is')}{since}{waiting}"


def _token(expires_at: float | None) -> list[tuple[str, str]]:
    if expires_at is None:
        return []
    is_over = expires_at <= time.time()
    return [
        ("token", f"expired on {moment(expires_at)}; run `moor setup`" if is_over else f"until {moment(expires_at)}")
    ]


def _kept(service: dict[str, Any]) -> str:
    if service["trouble"]:
        return f"unknown: {service['trouble']}"
    if not service["installed"]:
        return "not installed; run `moor service install`"
    return f"{service['name']}, {'running' if service['running'] else 'not running; run `moor service start`'}"


def _running(data: dict[str, Any]) -> str:
    daemon = data["daemon"]
    if daemon["running"]:
        # The plane knows the version of the daemon that greeted it, which an upgrade leaves running.
        runs = data.get("plane", {}).get("runtime", {}).get("version") or data["version"]
        version = runs if runs == data["version"] else f"{runs}; restart it for {data['version']}"
        return f"running, pid {daemon['pid']}, version {version}, agents at work: {data['agents_running']}"
    if daemon["taken_over_at"] is not None:
        when = moment(daemon["taken_over_at"])
        return f"not running: another one took this runtime over on {when}; `moor daemon --take-over` takes it back"
    return "not running; run `moor daemon`"


def _agent(report: dict[str, Any]) -> str:
    facts = [report.get("problem") or "", "not logged in" if report.get("login") == "no" else ""]
    told = ", ".join(fact for fact in facts if fact)
    return f"{report['id']} {report.get('version', '')}".strip() + (f" ({told})" if told else "")
