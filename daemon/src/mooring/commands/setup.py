"""``moor setup``: pairs this laptop with a plane, has a service keep it reachable, and waits until the plane sees it.

Run again it repairs: what works is left alone, and the same runtime gets what is missing. Credentials that the plane
still takes are kept, unless ``--force`` or a code says otherwise; old ones are revoked once new ones have taken their
place, which a running daemon finds by itself. A profile belongs to one runtime for good; another plane needs another.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import msgspec

from .. import __version__
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import (
    SERVER_VARIABLE,
    Credentials,
    NotSetUp,
    Paths,
    paths,
    read_credentials,
    read_machine_id,
    write_credentials,
)
from ..edge.https import PlaneError
from ..edge.lock import read_holder
from ..edge.network import check_server_url, is_exposed
from ..edge.plane import Enrolled, Machine, Plane, exchange
from ..errors import EXIT_USAGE, MoorError
from ..service import Service
from .consent import offer_probe, offer_variables
from .pairing import Grant, by_browser, by_device_code
from .result import Result, Screen
from .service import check_alone, service_of
from .verbs import Verbs

ONLINE_S: Final = 60.0
"""How long the service's daemon may take until the plane sees it (seconds)."""

LOOK_S: Final = 1.0
"""Between two questions whether it does (seconds)."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Attributes:
        server: the plane's address; None = the one that is known.
        grant: a connect code that was made elsewhere.
        device_code: whether to approve on another device.
        service: whether to have the daemon kept running.
        browser: whether to open one.
        force: whether to pair although the credentials work, or belong to another address.
    """

    server: str | None = None
    grant: Grant | None = None
    device_code: bool = False
    service: bool = True
    browser: bool = True
    force: bool = False


def add(verbs: Verbs) -> None:
    """Adds ``moor setup``."""
    one = verbs.add("setup", "Connect this laptop to a plane, or repair its connection.", _run)
    one.add_argument("--server", metavar="URL", help=f"the plane's address (or {SERVER_VARIABLE})")
    one.add_argument("--device-code", action="store_true", help="approve on another device, by a short code")
    one.add_argument("--code", help="a one-time connect code, for scripts")
    one.add_argument("--state", help="what the code was made for")
    one.add_argument("--code-verifier", metavar="TEXT", help="PKCE verifier, where the code was made with a challenge")
    one.add_argument("--no-service", action="store_true", help="only pair; `moor daemon` then makes it reachable")
    one.add_argument("--no-browser", action="store_true", help="only print the address to open")
    one.add_argument("--force", action="store_true", help="pair anew, even if the pairing works or the plane has moved")


def run(wish: Wish, screen: Screen, *, pause: Callable[[float], None] = time.sleep) -> Result:
    """Sets the laptop up.

    Args:
        wish: what is wanted.
        screen: shows how a person can approve.
        pause: waits for some seconds.

    Raises:
        MoorError: ``usage``, ``bad_server_url``, ``other_plane``, ``daemon_running``; what ``by_browser``,
            ``by_device_code`` and ``exchange`` raise; ``home_unusable``; why there is no service; ``not_online``.
    """
    where = paths()
    known = _known(where, screen)
    server_url = _server_url(wish, known)
    service = service_of(where) if wish.service else None
    if service is not None:
        check_alone(where, service)
    keeps = known is not None and wish.grant is None and not wish.force and _works(known)
    credentials = known if known and keeps else _pair(where, server_url, known, wish, screen)
    where.taken_over.unlink(missing_ok=True)  # Whoever sets this laptop up means it to be the one.
    paired = _paired(where, credentials, keeps=keeps)
    if service is None:
        last, command = _next(where)
        return Result(0, [*paired.lines, last], {**paired.data, "service": None, "next": command})
    for line in paired.lines:
        screen.note(line)
    agents = Agents(read_config(where.config), where)
    offer_variables(where, agents, screen)
    lines = _keep_running(service, credentials, screen, pause)
    offer_probe(agents, screen)
    return Result(0, lines, {**paired.data, "service": service.status().name, "next": None})


def os_name() -> str:
    """This platform as ``<system>/<architecture>``, in lower case."""
    return f"{platform.system()}/{platform.machine()}".lower()


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    grant = None
    if given.code is not None or given.state is not None:
        if given.device_code or given.code is None or given.state is None:
            raise MoorError("usage", "--code and --state come together, and without --device-code.", EXIT_USAGE)
        grant = Grant(given.code, given.state, given.code_verifier)
    wish = Wish(
        server=given.server,
        grant=grant,
        device_code=given.device_code,
        service=not given.no_service,
        browser=not given.no_browser,
        force=given.force,
    )
    return run(wish, screen)


def _known(where: Paths, screen: Screen) -> Credentials | None:
    """What an earlier setup has left, where it can be read."""
    try:
        return read_credentials(where)
    except NotSetUp:
        return None
    except MoorError as exc:
        screen.note(f"{exc.message} They are replaced now.")
        return None


def _server_url(wish: Wish, known: Credentials | None) -> str:
    """The plane to speak to."""
    named = wish.server or (known.server_url if known else os.environ.get(SERVER_VARIABLE))
    if not named:
        raise MoorError("usage", f"Which plane? Say --server URL, or set {SERVER_VARIABLE}.", EXIT_USAGE)
    server_url = check_server_url(named)
    if known is not None and known.server_url != server_url and not wish.force:
        why = f"This laptop is connected to {known.server_url}. `moor setup --profile NAME` connects it to {server_url}"
        raise MoorError("other_plane", f"{why} as well; `--force` means that the plane has moved there.")
    return server_url


def _works(known: Credentials) -> bool:
    """Whether the plane still takes the token. Raises when it can't be asked."""
    with closing(Plane(known.server_url, known.token)) as plane:
        try:
            plane.me()
        except PlaneError as exc:
            if exc.status not in (401, 404):
                raise
            return False
    return True


def _pair(where: Paths, server_url: str, known: Credentials | None, wish: Wish, screen: Screen) -> Credentials:
    """Gets a token, keeps it, and revokes the one whose place it takes."""
    machine_id = read_machine_id(where)
    machine = Machine(machine_id=machine_id, hostname=socket.gethostname(), os=os_name(), version=__version__)
    if wish.grant is not None:
        grant = wish.grant
    elif wish.device_code:
        grant = by_device_code(server_url, machine, screen)
    else:
        grant = by_browser(server_url, machine, screen, opens=wish.browser)
    made = exchange(server_url, grant.code, grant.state, machine, code_verifier=grant.code_verifier)
    if known is not None and made.runtime_id != known.runtime_id:
        raise _other_runtime(server_url, made, known)
    credentials = Credentials(
        server_url=server_url,
        ws_url=made.ws_url,
        runtime_id=made.runtime_id,
        token=made.token,
        machine_id=machine_id,
        created_at=time.time(),
        expires_at=made.expires_at,
    )
    before = write_credentials(where, credentials)
    failed = revoke(server_url, before.token) if before is not None else None
    if failed is not None:
        screen.note(f"The token before could not be revoked, and opens until it ends by itself. {failed.message}")
    return credentials


def revoke(server_url: str, token: str) -> MoorError | None:
    """Has the plane forget a token. Returns why it could not; a token that opens nothing any more is forgotten."""
    with closing(Plane(server_url, token)) as plane:
        try:
            plane.revoke_token()
        except PlaneError as exc:
            return None if exc.status in (401, 404) else exc
        except MoorError as exc:
            return exc
    return None


def _paired(where: Paths, credentials: Credentials, *, keeps: bool) -> Result:
    """What can be told once there are credentials."""
    found = Agents(read_config(where.config), where).reports()
    who = f"This laptop is runtime {credentials.runtime_id} of {credentials.server_url}"
    lines = [f"{who} already, and its token works: kept." if keeps else f"{who}."]
    if is_exposed(credentials.server_url) or is_exposed(credentials.ws_url):
        lines.append("Beware: this address is not encrypted, and the token travels to it in the clear.")
    lines.append("Agents found: " + (", ".join(one.id for one in found) or "none") + ".")
    data = {
        "runtime_id": credentials.runtime_id,
        "machine_id": credentials.machine_id,
        "server_url": credentials.server_url,
        "ws_url": credentials.ws_url,
        "agents": msgspec.to_builtins(found),
        "is_new": not keeps,
    }
    return Result(0, lines, data)


def _next(where: Paths) -> tuple[str, str | None]:
    """What to do without a service: a sentence, and the command to run, if any."""
    pid = read_holder(where.lock)
    if pid is not None:
        return f"The daemon that runs here (pid {pid}) keeps it reachable.", None
    command = f"moor daemon --profile {where.profile}" if where.profile else "moor daemon"
    return f"Now run `{command}` and keep it running: the laptop is reachable while it does.", command


def _other_runtime(server_url: str, made: Enrolled, known: Credentials) -> MoorError:
    """Two runtimes must not share a home: their sessions and journals would mix."""
    revoke(server_url, made.token)
    why = f"By that approval this laptop is runtime {made.runtime_id}, but here it is {known.runtime_id}: another team?"
    remedy = "Use `moor setup --profile NAME` for both, or `moor uninstall` first. Nothing was changed here."
    return MoorError("other_runtime", f"{why} {remedy}")


def _keep_running(
    service: Service, credentials: Credentials, screen: Screen, pause: Callable[[float], None]
) -> list[str]:
    """Installs the service and waits until the plane sees its daemon."""
    try:
        service.install()
    except MoorError as exc:
        raise MoorError(exc.code, f"This laptop is paired, but no service keeps it running. {exc.message}") from exc
    with screen.progress("Waiting until the plane sees this laptop"):
        _await_online(credentials, pause)
    return [f"The plane sees this laptop online. The service {service.status().name} keeps it so.", *service.hints]


def _await_online(credentials: Credentials, pause: Callable[[float], None]) -> None:
    last: MoorError | None = None
    deadline = time.monotonic() + ONLINE_S
    with closing(Plane(credentials.server_url, credentials.token, attempts=1)) as plane:
        while time.monotonic() < deadline:
            try:
                if plane.is_online():
                    return
            except PlaneError as exc:
                if exc.status == 401:
                    raise
                last = exc
            except MoorError as exc:
                last = exc
            pause(LOOK_S)
    why = f"The service is installed, but the plane has not seen this laptop within {ONLINE_S:.0f} s."
    said = f" It said last: {last.message}" if last is not None else ""
    raise MoorError("not_online", f"{why}{said} `moor logs` and `moor doctor` tell more.")
