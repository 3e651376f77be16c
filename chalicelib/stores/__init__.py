"""What is remembered: PynamoDB's models, and the stores over them. Nobody else knows keys and conditions.

``open_tables`` gives the stores of one plane. Nothing here reads the environment or makes a client before it is used.
"""

from __future__ import annotations

from msgspec import Struct
from pynamodb.models import Model

from .agents import Agents
from .attachments import AttachmentRows, Attachments
from .blobs import Blobs
from .bodies import Bodies, BodyItems
from .connections import ConnectionRows, Connections
from .devices import DeviceRows, Devices
from .environments import Environments
from .files import Files
from .live import Live, LivePieces
from .objects import ObjectRecords, Objects
from .passes import Passes, PassRows
from .runtimes import ConnectCodes, Runtimes
from .sessions import Sessions
from .table import Database, Records, Secrets
from .tenants import Tenants
from .users import Users
from .work import Work, WorkItems


class Tables(Struct, frozen=True, kw_only=True):
    """The stores of one plane, and the tables under them, for whoever makes these."""

    objects: Objects
    bodies: Bodies
    live: Live
    work: Work
    connections: Connections
    attachments: Attachments
    tenants: Tenants
    users: Users
    passes: Passes
    runtimes: Runtimes
    devices: Devices
    agents: Agents
    environments: Environments
    sessions: Sessions
    files: Files
    blobs: Blobs
    models: tuple[type[Model], ...]


def open_tables(prefix: str, host: str | None = None, region: str | None = None, bucket: str | None = None) -> Tables:
    """The stores of the plane whose tables' names begin with ``prefix``. Cheap: sends nothing, makes no client.

    Args:
        prefix: as given to whoever made the tables.
        host: AWS's URL; None leaves it to botocore (which knows ``AWS_ENDPOINT_URL``).
        region: AWS region; None leaves it to botocore.
        bucket: where the bytes of files are; None for a plane that keeps none.
    """
    database = Database(prefix, host, region)
    objects, bodies, live = database.bind(ObjectRecords), database.bind(BodyItems), database.bind(LivePieces)
    work, connections = database.bind(WorkItems), database.bind(ConnectionRows)
    attachments, codes = database.bind(AttachmentRows), database.bind(ConnectCodes)
    records, secrets, passes = database.bind(Records), database.bind(Secrets), database.bind(PassRows)
    devices = database.bind(DeviceRows)
    return Tables(
        objects=Objects(objects),
        bodies=Bodies(bodies),
        live=Live(live),
        work=Work(work),
        connections=Connections(connections, records),
        attachments=Attachments(attachments),
        tenants=Tenants(records, secrets),
        users=Users(records),
        passes=Passes(passes, records),
        runtimes=Runtimes(records, secrets, codes),
        devices=Devices(devices),
        agents=Agents(records),
        environments=Environments(records),
        sessions=Sessions(records),
        files=Files(records),
        blobs=Blobs(bucket, host, region),
        models=(objects, bodies, live, work, connections, attachments, records, secrets, codes, passes, devices),
    )
