"""Wiring: who is real. Environment, clients, stores, actors: made once per container, when first asked for.

Environment (botocore reads its own beside it, such as ``AWS_ENDPOINT_URL``):

    MOORING_TABLE_PREFIX      what the tables' names begin with; ``mooring`` when unset
    MOORING_CONNECTIONS_URL   where the @connections API answers; when unset, ``AWS_ENDPOINT_URL``, and without that
                              learnt from the first WebSocket event
    MOORING_WS_URL            where daemons connect; told to them when they enrol
    MOORING_PING_S            how often daemons are to ping, seconds; 25 when unset
    MOORING_BUCKET            the S3 bucket that keeps the bytes of files; without one there are no files
    POWERTOOLS_LOG_LEVEL      level of the plane's log; ``INFO`` when unset
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from .actors.agents import AgentDefinitions
from .actors.api_keys import ApiKeys
from .actors.assembly import assemble
from .actors.browsers import Browsers
from .actors.canaries import Canaries
from .actors.devices import Devices
from .actors.enrolment import Enrolment
from .actors.environments import Environments
from .actors.filing import Filing
from .actors.models import Models
from .actors.ownership import Ownership
from .actors.people import People
from .actors.ports import Stores
from .actors.rooms import Rooms
from .actors.session_rows import SessionRows
from .actors.session_tokens import SessionTokens
from .actors.sources import Sources
from .actors.tenancy import Tenancy
from .actors.turn_files import TurnFiles
from .core.errors import Busy
from .outbound.clock import Clock
from .outbound.sockets import Sockets
from .stores import open_tables
from .wire.ids import ConnectionId
from .wire.limits import PING_S

log = logging.getLogger(__name__)


class Plane:
    """Everything that the surfaces call, over one set of stores.

    Args:
        stores: what is remembered, and whom we call.
        ws_url: where daemons connect, or None when that is not known.
        sockets: what is told where the @connections API answers once an event says so; None when that is known.
        ping_s: how often daemons are to ping (seconds).
    """

    def __init__(
        self,
        stores: Stores,
        *,
        ws_url: str | None = None,
        sockets: LearntSockets | None = None,
        ping_s: float = PING_S,
    ) -> None:
        self.clock = stores.clock
        self.enrolment = Enrolment(stores, Rooms(stores))
        self.devices = Devices(stores)
        self.agents = AgentDefinitions(stores, self.enrolment)
        self.environments = Environments(stores, self.enrolment)
        self.models = Models(stores, self.agents)
        actors = assemble(stores, self.enrolment.described, ping_s)
        self.rooms = actors.rooms
        self.sessions = actors.sessions
        self.reading = actors.reading
        self.frames = actors.frames
        self.browsers = Browsers(stores, self.sessions)
        self.ownership = Ownership(stores, self.rooms, self.enrolment, self.frames.hang_up)
        self.keys = ApiKeys(stores, actors.frames.hang_up)
        self.people = People(stores, self.keys)
        self.session_tokens = SessionTokens(stores, self.keys, self.sessions.head, actors.frames.hang_up)
        self.tenants = Tenancy(stores, self.people, self.keys, self.session_tokens)
        self.files = Filing(stores)
        self.turn_files = TurnFiles(self.files, self.reading)
        sources = Sources(self.files)
        self.session_rows = SessionRows(
            stores, self.sessions, self.reading, self.agents, self.environments, self.enrolment, sources
        )
        self.canaries = Canaries(
            stores, self.rooms, self.enrolment, self.sessions, self.session_rows, self.session_tokens
        )
        self._ws_url = ws_url
        self._sockets = sockets

    def sockets_from(self, domain_name: str, stage: str) -> None:
        """Learns from a WebSocket event where the @connections API answers, unless that is known."""
        if self._sockets is not None:
            self._sockets.learn(f"https://{domain_name}/{stage}")

    def ws_url(self) -> str:
        """Where daemons connect. Raises Busy ``ws_url_unknown`` on a plane that was not told."""
        if self._ws_url is None:
            raise Busy("ws_url_unknown", "This plane does not know its WebSocket address; set MOORING_WS_URL on it.")
        return self._ws_url


class LearntSockets:
    """What goes out to connections, on a plane that was not told where: the first WebSocket event says it.

    Until then a message counts as lost, as one over the gateway's rate does: what is owed is sent again at a ping.
    """

    def __init__(self) -> None:
        self._known: Sockets | None = None

    def learn(self, endpoint_url: str) -> None:
        """Sends there from now on, unless another address is known."""
        if self._known is None:
            self._known = Sockets(endpoint_url)

    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        """Sends one message. False when the connection is gone."""
        if self._known is not None:
            return self._known.post(connection_id, message)
        log.warning(
            "connection=%s a message of %d bytes was lost: MOORING_CONNECTIONS_URL is not set, no event said where",
            connection_id,
            len(message),
        )
        return True

    def close(self, connection_id: ConnectionId) -> None:
        """Closes the connection if it is open."""
        if self._known is not None:
            self._known.close(connection_id)


_making = threading.Lock()
_plane: Plane | None = None


def plane() -> Plane:
    """The plane of this container."""
    global _plane
    with _making:
        if _plane is None:
            _plane = _real()
        return _plane


def use(given: Plane | None) -> None:
    """Puts a plane in the place of this container's own; None to make the real one anew. For tests."""
    global _plane
    with _making:
        _plane = given


def reset() -> None:
    """Forgets the plane, so that the next use reads the environment again. For tests."""
    use(None)


def log_as_json() -> None:
    """Every record of the plane's becomes one JSON line on standard error, where CloudWatch finds its fields.

    ``POWERTOOLS_LOG_LEVEL`` sets the level, INFO when unset. Calling it again changes nothing.
    """
    ours = logging.getLogger("chalicelib")
    if not ours.handlers:
        level = os.environ.get("POWERTOOLS_LOG_LEVEL") or "INFO"
        source = Logger(service="mooring-plane", level=level, stream=sys.stderr)
        copy_config_to_registered_loggers(source_logger=source, include={ours.name})


def _real() -> Plane:
    log_as_json()
    region = os.environ.get("AWS_REGION") or None
    bucket = os.environ.get("MOORING_BUCKET") or None
    tables = open_tables(os.environ.get("MOORING_TABLE_PREFIX") or "mooring", region=region, bucket=bucket)
    # Whoever points all of AWS at a stand-in means the @connections API too; Sockets gives botocore an address itself.
    connections_url = os.environ.get("MOORING_CONNECTIONS_URL") or os.environ.get("AWS_ENDPOINT_URL")
    learnt = LearntSockets()
    stores = Stores(
        objects=tables.objects,
        bodies=tables.bodies,
        live=tables.live,
        work=tables.work,
        connections=tables.connections,
        attachments=tables.attachments,
        tenants=tables.tenants,
        users=tables.users,
        passes=tables.passes,
        runtimes=tables.runtimes,
        devices=tables.devices,
        agents=tables.agents,
        environments=tables.environments,
        sessions=tables.sessions,
        files=tables.files,
        blobs=tables.blobs,
        sockets=Sockets(connections_url, region) if connections_url else learnt,
        clock=Clock(),
    )
    return Plane(
        stores,
        ws_url=os.environ.get("MOORING_WS_URL") or None,
        sockets=None if connections_url else learnt,
        ping_s=float(os.environ.get("MOORING_PING_S") or PING_S),
    )
