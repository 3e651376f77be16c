"""In-memory twins of every port in `chalicelib/actors/ports.py`. One contract test holds for them and the real ones.

Made for thousands of schedules: plain dicts, no threads, no time of their own. A schedule test passes `on_io`, which is
called with the method's name ("objects.append") and "before" its effect and again "after" it. There it may switch to
another greenlet or raise: raised before, nothing happened; raised after, it happened and nobody was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from chalicelib.actors.ports import ObjectKey, PutRefused, Stored, Stores
from chalicelib.core.catalog import Attachment, Connection, LivePiece, WorkItem
from chalicelib.wire.ids import ConnectionId, ReaderId, RuntimeId, SessionId, TenantId, TurnId
from chalicelib.wire.limits import MAX_MESSAGE_BYTES
from tests.fake_definitions import FakeAgents, FakeEnvironments
from tests.fake_devices import FakeDevices
from tests.fake_files import FakeBlobs, FakeFiles
from tests.fake_io import Fake, OnIO, io_point, quiet
from tests.fake_io import Phase as Phase
from tests.fake_people import FakePasses, FakeTenants, FakeUsers
from tests.fake_records import FakeRuntimes, FakeSessions

PAGE_BYTES = 1024 * 1024
"""DynamoDB ends a page of a query here."""


@dataclass
class FakeObjects(Fake):
    """The logs. When `lie` says True, a put that was applied is reported as refused.

    So it happens when a put's answer is lost and the client tries again.
    """

    lie: Callable[[], bool] = lambda: False
    logs: dict[ObjectKey, dict[int, Stored]] = field(default_factory=dict)
    causes: dict[tuple[ObjectKey, str], int] = field(default_factory=dict)
    port = "objects"

    @io_point
    def newest(self, key: ObjectKey) -> Stored | None:
        log = self.logs.get(key)
        return log[max(log)] if log else None

    @io_point
    def append(self, key: ObjectKey, n: int, body: bytes, cause: str | None) -> None:
        log = self.logs.setdefault(key, {})
        if n in log:
            raise PutRefused(f"{key} has a record {n}.")
        log[n] = Stored(n, body)
        if cause is not None:
            self.causes.setdefault((key, cause), n)
        if self.lie():
            raise PutRefused(f"{key} has a record {n}, which is this one.")

    @io_point
    def by_cause(self, key: ObjectKey, cause: str) -> Stored | None:
        n = self.causes.get((key, cause))
        return None if n is None else self.logs[key][n]

    @io_point
    def get(self, key: ObjectKey, n: int) -> Stored | None:
        return self.logs.get(key, {}).get(n)

    @io_point
    def read(self, key: ObjectKey, after: int, limit: int) -> Sequence[Stored]:
        log = self.logs.get(key, {})
        return _page([log[n] for n in sorted(log) if n > after], limit)

    @io_point
    def read_back(self, key: ObjectKey, before: int, limit: int) -> Sequence[Stored]:
        log = self.logs.get(key, {})
        return _page([log[n] for n in sorted(log, reverse=True) if n < before], limit)


def _page(records: list[Stored], limit: int) -> list[Stored]:
    page: list[Stored] = []
    n_bytes = 0
    for one in records[:limit]:
        n_bytes += len(one.body)
        if n_bytes > PAGE_BYTES:
            break
        page.append(one)
    return page


@dataclass
class FakeBodies(Fake):
    """Events too large for a record."""

    bodies: dict[tuple[TenantId, SessionId, str], bytes] = field(default_factory=dict)
    port = "bodies"

    @io_point
    def put(self, tenant_id: TenantId, session_id: SessionId, sha256: str, body: bytes) -> None:
        self.bodies[tenant_id, session_id, sha256] = body

    @io_point
    def get(self, tenant_id: TenantId, session_id: SessionId, sha256: str) -> bytes | None:
        return self.bodies.get((tenant_id, session_id, sha256))


@dataclass
class FakeLive(Fake):
    """Deltas of running turns."""

    turns: dict[tuple[TenantId, TurnId], dict[tuple[int, int], tuple[LivePiece, float]]] = field(default_factory=dict)
    port = "live"

    @io_point
    def put(self, tenant_id: TenantId, turn_id: TurnId, piece: LivePiece, expires_at: float) -> None:
        self.turns.setdefault((tenant_id, turn_id), {})[piece.epoch, piece.counter] = (piece, expires_at)

    @io_point
    def read(self, tenant_id: TenantId, turn_id: TurnId, start: tuple[int, int], now: float) -> Sequence[LivePiece]:
        pieces = self.turns.get((tenant_id, turn_id), {})
        return [pieces[key][0] for key in sorted(pieces) if key >= start and pieces[key][1] > now]


@dataclass
class FakeWork(Fake):
    """The work items."""

    items: dict[tuple[RuntimeId, SessionId], WorkItem] = field(default_factory=dict)
    port = "work"

    @io_point
    def put(self, item: WorkItem) -> None:
        standing = self.items.get((item.runtime_id, item.session_id))
        if standing is None or standing.intent < item.intent:
            self.items[item.runtime_id, item.session_id] = item

    @io_point
    def postpone(self, item: WorkItem, due: float) -> None:
        standing = self.items.get((item.runtime_id, item.session_id))
        if standing is not None and standing.intent == item.intent:
            self.items[item.runtime_id, item.session_id] = replace(standing, due=due)

    @io_point
    def delete(self, runtime_id: RuntimeId, session_id: SessionId, upto: int) -> None:
        standing = self.items.get((runtime_id, session_id))
        if standing is not None and standing.intent <= upto:
            del self.items[runtime_id, session_id]

    @io_point
    def of_runtime(self, runtime_id: RuntimeId) -> Sequence[WorkItem]:
        return sorted((one for one in self.items.values() if one.runtime_id == runtime_id), key=lambda i: i.session_id)

    @io_point
    def due(self, now: float) -> Sequence[WorkItem]:
        return sorted((one for one in self.items.values() if one.due <= now), key=lambda item: item.due)


@dataclass
class FakeConnections(Fake):
    """The open WebSockets. `held` are the notes of whose they are, which outlive them."""

    rows: dict[ConnectionId, Connection] = field(default_factory=dict)
    held: dict[tuple[TenantId, str | None, ConnectionId], None] = field(default_factory=dict)
    port = "connections"

    @io_point
    def put(self, connection: Connection) -> None:
        for holder in connection.holders or (None,):
            self.held[connection.tenant_id, holder, connection.connection_id] = None
        self.rows[connection.connection_id] = connection

    @io_point
    def get(self, connection_id: ConnectionId) -> Connection | None:
        return self.rows.get(connection_id)

    @io_point
    def of_holder(self, tenant_id: TenantId, holder: str) -> Sequence[ConnectionId]:
        return [one for *whose, one in self.held if whose == [tenant_id, holder]]

    @io_point
    def delete(self, connection_id: ConnectionId) -> None:
        self.rows.pop(connection_id, None)


@dataclass
class FakeAttachments(Fake):
    """Who follows which session."""

    rows: dict[tuple[SessionId, ReaderId], Attachment] = field(default_factory=dict)
    port = "attachments"

    @io_point
    def put(self, attachment: Attachment) -> None:
        self.rows[attachment.session_id, attachment.reader_id] = attachment

    @io_point
    def remove(self, session_id: SessionId, reader_id: ReaderId) -> None:
        self.rows.pop((session_id, reader_id), None)

    @io_point
    def of_session(self, session_id: SessionId, now: float) -> Sequence[Attachment]:
        found = [one for one in self.rows.values() if one.session_id == session_id and one.expires_at > now]
        return sorted(found, key=lambda one: one.reader_id)

    @io_point
    def of_connection(self, connection_id: ConnectionId) -> Sequence[Attachment]:
        return [one for one in self.rows.values() if one.connection_id == connection_id]


@dataclass
class FakeSockets(Fake):
    """What goes out to connections: kept in `posted`, and given to `deliver` if there is one. `gone` ids are closed."""

    deliver: Callable[[ConnectionId, bytes], None] | None = None
    gone: set[ConnectionId] = field(default_factory=set)
    posted: dict[ConnectionId, list[bytes]] = field(default_factory=dict)
    port = "sockets"

    @io_point
    def post(self, connection_id: ConnectionId, message: bytes) -> bool:
        assert len(message) <= MAX_MESSAGE_BYTES, f"{len(message)} bytes are more than the gateway takes"
        if connection_id in self.gone:
            return False
        self.posted.setdefault(connection_id, []).append(message)
        if self.deliver is not None:
            self.deliver(connection_id, message)
        return True

    @io_point
    def close(self, connection_id: ConnectionId) -> None:
        self.gone.add(connection_id)


@dataclass
class FakeClock(Fake):
    """Time that stands still until it is set or somebody pauses, and chance that counts (01, 02 and so on).

    Of the methods only `pause` is a point of `on_io`: looking at a clock does not let others go first.
    """

    time: float = 1_800_000_000.0
    n_tokens: int = 0
    port = "clock"

    def now(self) -> float:
        return self.time

    def token(self, n_bytes: int) -> str:
        self.n_tokens += 1
        return f"{self.n_tokens:0{2 * n_bytes}x}"[-2 * n_bytes :]

    @io_point
    def pause(self, seconds: float) -> None:
        self.time += seconds


def fake_stores(
    clock: FakeClock,
    *,
    on_io: OnIO = quiet,
    lie: Callable[[], bool] = lambda: False,
    sockets: FakeSockets | None = None,
) -> Stores:
    """Empty stores, all calling one `on_io`. A clock or sockets that are handed in keep their own."""
    return Stores(
        objects=FakeObjects(lie, on_io=on_io),
        bodies=FakeBodies(on_io=on_io),
        live=FakeLive(on_io=on_io),
        work=FakeWork(on_io=on_io),
        connections=FakeConnections(on_io=on_io),
        attachments=FakeAttachments(on_io=on_io),
        tenants=FakeTenants(on_io=on_io),
        users=FakeUsers(on_io=on_io),
        passes=FakePasses(on_io=on_io),
        runtimes=FakeRuntimes(on_io=on_io),
        devices=FakeDevices(on_io=on_io),
        agents=FakeAgents(on_io=on_io),
        environments=FakeEnvironments(on_io=on_io),
        sessions=FakeSessions(on_io=on_io),
        files=FakeFiles(on_io=on_io),
        blobs=FakeBlobs(on_io=on_io),
        sockets=sockets if sockets is not None else FakeSockets(on_io=on_io),
        clock=clock,
    )
