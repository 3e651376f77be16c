"""What ``moor doctor`` looks at. Each check gives its findings.

None of them raises, changes anything, or takes the runtime from a daemon that runs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any, Final

from ..daemon.agents import Agents
from ..edge.config import Config, read_config
from ..edge.creds import Credentials, NotSetUp, Paths, read_credentials
from ..edge.lock import read_holder
from ..edge.network import is_exposed
from ..edge.plane import Plane
from ..edge.reach import open_socket, reach
from ..edge.workspaces import real
from ..errors import EXIT_REFUSED, MoorError
from ..service import manager, spec_here
from ..wire.frames import AgentReport
from .findings import Finding
from .times import moment

MAX_AHEAD_S: Final = 60.0
"""A clock that is further off than this is wrong (seconds): the token and the certificates are judged by it."""

LITTLE_DISK: Final = 200 * 1024**2
"""Below this nothing works for long: an agent's log alone may need it (bytes)."""

RENEWAL_OVERDUE_S: Final = 7 * 24 * 3600.0
"""A daemon that runs has renewed its token long before this much is left of it (seconds)."""

_REMEDIES: Final = {
    "bad_ca_file": "Name a file that can be read: --ca-file, or ca_file in config.toml.",
    "bad_proxy": "Correct HTTPS_PROXY, --proxy, or proxy in config.toml.",
    "name_unknown": "Check the network, the VPN, and the plane's address.",
    "no_plane": "Check the plane's address; a proxy or a captive portal may answer in its place.",
    "not_reachable": "Check the network, the VPN and the firewall.",
    "proxy_unreachable": "Check HTTPS_PROXY, --proxy, or proxy in config.toml, and whether you are on its network.",
    "timed_out": "Check the network, the VPN and the firewall.",
    "tls_untrusted": "Behind a proxy that opens TLS, name its certificate: --ca-file, or ca_file in config.toml."
    " A clock that is wrong does this as well.",
    "websocket_refused": "A proxy on the way may not let WebSockets through; ask whoever runs it.",
}


def look(where: Paths) -> Iterator[Finding]:
    """Looks at everything, from near to far."""
    yield home(where)
    try:
        config = read_config(where.config)
    except MoorError as exc:
        yield Finding("config", "problem", exc.message, "Correct that line.", {"code": exc.code})
        config = Config()
    try:
        credentials: Credentials | None = read_credentials(where)
    except NotSetUp:
        credentials = None
        yield Finding("credentials", "problem", "This laptop is paired with no plane.", "Run `moor setup`.")
    except MoorError as exc:
        credentials = None
        yield Finding("credentials", "problem", exc.message, "", {"code": exc.code})
    seen = None
    if credentials is not None:
        yield token(credentials, time.time())
        for one in way(credentials):
            seen = one.facts.get("status", seen)
            yield one
    yield disk(where, config)
    yield daemon(where, seen)
    yield service(where)
    yield from agents(Agents(config, where).reports())
    yield from workspaces(config)


def home(where: Paths) -> Finding:
    """The home folder, and whether others can read what is secret."""
    if not where.home.is_dir():
        return Finding("home", "note", f"{where.home} is not there yet; `moor setup` makes it.")
    secret = (where.home, where.credentials, where.login, where.service_env)
    open_to_others = [path for path in secret if path.exists() and path.stat().st_mode & 0o077]
    if open_to_others:
        names = ", ".join(map(str, open_to_others))
        remedy = "Run `chmod -R go-rwx` on it, and `moor setup` again if others may have read it."
        return Finding("home", "problem", f"Others on this laptop can read {names}.", remedy)
    return Finding("home", "ok", f"{where.home} is yours alone.")


def token(credentials: Credentials, now: float) -> Finding:
    """How long this laptop's token still opens."""
    facts = {"runtime_id": credentials.runtime_id, "expires_at": credentials.expires_at}
    ends = credentials.expires_at
    if ends is None:
        return Finding("credentials", "ok", f"This laptop is runtime {credentials.runtime_id}.", "", facts)
    told = f"This laptop is runtime {credentials.runtime_id}; its token is good until {moment(ends)}."
    if ends <= now:
        told = f"This laptop's token expired on {moment(ends)}."
        return Finding("credentials", "problem", told, "Run `moor setup`.", facts)
    if ends - now < RENEWAL_OVERDUE_S:
        return Finding("credentials", "note", told, "Keep `moor daemon` running: it renews the token.", facts)
    return Finding("credentials", "ok", told, "", facts)


def way(credentials: Credentials) -> Iterator[Finding]:
    """The way to the plane, and what the plane says of this laptop."""
    try:
        reached = reach(credentials.server_url)
    except MoorError as exc:
        yield _ended("network", exc)
        return
    over = f" through the proxy {reached.proxy}" if reached.proxy else ""
    facts: dict[str, Any] = {"took_s": round(reached.took_s, 3), "proxy": reached.proxy}
    yield Finding("network", "ok", f"{credentials.server_url} answers{over} in {reached.took_s:.2f} s.", "", facts)
    if is_exposed(credentials.server_url):
        told = "What is said to this plane is not encrypted, the token neither."
        yield Finding("tls", "problem", told, "Use an https address.")
    yield clock(reached.ahead_s)
    yield _plane(credentials)
    try:
        open_socket(credentials.ws_url, credentials.token)
    except MoorError as exc:
        yield _ended("websocket", exc)
    else:
        yield Finding("websocket", "ok", "A WebSocket to the plane opens.")


def clock(ahead_s: float | None) -> Finding:
    """This laptop's clock against the plane's."""
    if ahead_s is None:
        return Finding("clock", "note", "The plane does not tell the time.")
    off = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the plane's"
    facts = {"ahead_s": round(ahead_s, 1)}
    if abs(ahead_s) > MAX_AHEAD_S:
        return Finding("clock", "problem", f"This laptop's clock is {off}.", "Let it be set by the network.", facts)
    return Finding("clock", "ok", "This laptop's clock agrees with the plane's.", "", facts)


def disk(where: Paths, config: Config) -> Finding:
    """The room that is left where sessions keep their folders."""
    there = next(path for path in (where.home, *where.home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    told, facts = f"{free / 1024**3:.1f} GB are free.", {"free_bytes": free}
    if free < LITTLE_DISK:
        return Finding("disk", "problem", told, f"Make room on the disk of {there}.", facts)
    if free < config.min_free_mb * 1024**2:
        why = f"Sessions begin again with {config.min_free_mb:g} MB free (min_free_mb in config.toml)."
        return Finding("disk", "problem", told, why, facts)
    return Finding("disk", "ok", told, "", facts)


def daemon(where: Paths, seen: str | None) -> Finding:
    """Whether the daemon runs. ``seen``: how the plane sees this laptop; None = it could not be asked."""
    pid = read_holder(where.lock)
    if pid is not None and seen not in (None, "online"):
        told = f"The daemon runs, pid {pid}, but the plane sees this laptop {seen}."
        return Finding("daemon", "problem", told, "Look into `moor logs`.", {"pid": pid})
    if pid is not None:
        return Finding("daemon", "ok", f"The daemon runs, pid {pid}.", "", {"pid": pid})
    if where.taken_over.exists():
        remedy = "Stop that one, or run `moor daemon --take-over`."
        return Finding("daemon", "problem", "Another laptop or folder took this runtime over.", remedy)
    return Finding("daemon", "problem", "The daemon does not run.", "Run `moor service start`, or `moor daemon`.")


def service(where: Paths) -> Finding:
    """Whether something keeps the daemon running."""
    try:
        found = manager(spec_here(where.home, where.profile)).status()
    except MoorError as exc:
        return Finding("service", "note", exc.message, "", {"code": exc.code})
    facts = {"installed": found.installed, "running": found.running, "last_exit": found.last_exit}
    if found.trouble:
        return Finding("service", "note", found.trouble, "", facts)
    if not found.installed:
        remedy = "Run `moor service install`."
        return Finding("service", "note", "No service keeps the daemon running after a reboot.", remedy, facts)
    if not found.running:
        ended = f"; it ended with status {found.last_exit}" if found.last_exit else ""
        return Finding("service", "note", f"The service does not run{ended}.", "Run `moor service start`.", facts)
    return Finding("service", "ok", f"{found.name} keeps the daemon running.", "", facts)


def agents(reports: tuple[AgentReport, ...]) -> Iterator[Finding]:
    """The agents that are here. Ours is no help to anybody but to this command."""
    there = [one for one in reports if one.id != "echo"]
    if not there:
        yield Finding("agents", "note", "No coding agent is installed.", "Run `moor agents list` to see which can be.")
    for one in there:
        named, facts = f"{one.id} {one.version}".strip(), {"id": one.id, "version": one.version, "login": one.login}
        if one.problem:
            yield Finding("agents", "note", f"{named} does not work: {one.problem}", "", facts)
        elif one.login == "no":
            yield Finding("agents", "note", f"{named} is not logged in.", "Start it by hand and log in.", facts)
        else:
            yield Finding("agents", "ok", f"{named} is here.", "", facts)


def workspaces(config: Config) -> Iterator[Finding]:
    """The folders that are allowed."""
    for one in config.workspaces:
        if not real(one).is_dir():
            remedy = f"Run `moor workspaces remove {one}` if it is gone for good."
            yield Finding("workspaces", "note", f"{one} is allowed and is not there.", remedy)


def _plane(credentials: Credentials) -> Finding:
    plane = Plane(credentials.server_url, credentials.token, attempts=2)
    try:
        status = plane.me().get("runtime", {}).get("status", "unknown")
    except MoorError as exc:
        remedy = "Run `moor setup`." if exc.exit_code == EXIT_REFUSED else ""
        return Finding("plane", "problem", exc.message, remedy, {"code": exc.code})
    finally:
        plane.close()
    told, facts = f"The plane knows this laptop and sees it {status}.", {"status": status}
    return Finding("plane", "ok", told, "", facts)


def _ended(name: str, exc: MoorError) -> Finding:
    return Finding(name, "problem", exc.message, _REMEDIES.get(exc.code, ""), {"code": exc.code})
