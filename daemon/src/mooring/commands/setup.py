"""``moor setup``: pairs this laptop with a plane, by a code that somebody with a key has made there.

Run again, it gives the same runtime a new token: the plane knows the laptop by its machine id.
"""

from __future__ import annotations

import argparse
import platform
import socket
import time

import msgspec

from .. import __version__
from ..daemon.agents import Agents
from ..edge.config import read_config
from ..edge.creds import Credentials, paths, read_machine_id, write_credentials
from ..edge.network import check_server_url, is_exposed
from ..edge.plane import Machine, exchange
from .result import Result, Screen
from .verbs import Verbs


def add(verbs: Verbs) -> None:
    """Adds ``moor setup``."""
    one = verbs.add("setup", "Pair this laptop with a plane.", _run)
    one.add_argument("--server", required=True, metavar="URL", help="the plane's address")
    one.add_argument("--code", required=True, help="the one-time connect code")
    one.add_argument("--state", required=True, help="what the code was made for")
    one.add_argument("--code-verifier", metavar="TEXT", help="PKCE verifier, where the code was made with a challenge")
    one.add_argument("--no-service", action="store_true", help="install no service (this version installs none)")


def run(server: str, code: str, state: str, code_verifier: str | None = None) -> Result:
    """Uses the code up and keeps what the plane gives for it.

    Args:
        server: the plane's address.
        code: the one-time connect code.
        state: what the code was made for.
        code_verifier: PKCE, where the code was made with a challenge.

    Raises:
        MoorError: ``bad_server_url``, the plane's refusal of the code, ``plane_unreachable``, ``home_unusable``.
    """
    where = paths()
    server_url = check_server_url(server)
    machine_id = read_machine_id(where)
    machine = Machine(machine_id=machine_id, hostname=socket.gethostname(), os=os_name(), version=__version__)
    enrolled = exchange(server_url, code, state, machine, code_verifier=code_verifier)
    write_credentials(
        where,
        Credentials(
            server_url=server_url,
            ws_url=enrolled.ws_url,
            runtime_id=enrolled.runtime_id,
            token=enrolled.token,
            machine_id=machine_id,
            created_at=time.time(),
        ),
    )
    where.taken_over.unlink(missing_ok=True)  # Whoever sets this laptop up means it to be the one.
    found = Agents(read_config(where.config)).reports()
    lines = [f"This laptop is runtime {enrolled.runtime_id} of {server_url}."]
    if is_exposed(server_url) or is_exposed(enrolled.ws_url):
        lines.append("Beware: this address is not encrypted, and the token travels to it in the clear.")
    lines.append("Agents found: " + (", ".join(one.id for one in found) or "none") + ".")
    lines.append("Now run `moor daemon` and keep it running: the laptop is reachable while it does.")
    data = {
        "runtime_id": enrolled.runtime_id,
        "machine_id": machine_id,
        "server_url": server_url,
        "ws_url": enrolled.ws_url,
        "agents": msgspec.to_builtins(found),
        "next": "moor daemon",
    }
    return Result(0, lines, data)


def _run(given: argparse.Namespace, screen: Screen) -> Result:
    return run(given.server, given.code, given.state, given.code_verifier)


def os_name() -> str:
    """This platform as ``<system>/<architecture>``, in lower case."""
    return f"{platform.system()}/{platform.machine()}".lower()
